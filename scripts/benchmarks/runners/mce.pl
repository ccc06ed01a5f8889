# The rows in Perl, with MCE:
#
#   perl mce.pl ROW COUNT CPUS [FILE]
#
# Says how many `seconds` the work took and a `result` that shows that it was
# done. mce_map keeps its workers as long as it is called with the same code.
use strict;
use warnings;
use MCE::Map;
use MCE::Loop;
use Time::HiRes qw(clock clock_gettime CLOCK_MONOTONIC);

my ($row, $count, $cpus, $path) = @ARGV;
$| = 1;    # or what is not yet written would be forked too

my $begun;
sub begin { $begun = clock_gettime(CLOCK_MONOTONIC) }
sub end { printf "seconds %.9f\n", clock_gettime(CLOCK_MONOTONIC) - $begun }

# Maps a few for the workers to be there, then all, against the clock. Not so if all is to be cold.
sub mapped {
    my ($map, $items) = @_;
    my $last = $#$items < 7 ? $#$items : 7;
    $map->([@$items[0 .. $last]]) unless $ENV{BENCH_COLD};
    begin();
    my $results = $map->($items);
    end();
    return $results;
}

sub sum { my $total = 0; $total += $_ for @{$_[0]}; return $total }

sub same { return [mce_map { $_ } $_[0]] }
sub square { return [mce_map { $_ * $_ } $_[0]] }
sub block { return [mce_map { 'x' x (4 << 20) } $_[0]] }

sub megabyte { return [mce_map { 'x' x (1 << 20) } $_[0]] }

sub raise_price {
    return [mce_map { +{id => $_->{id}, name => $_->{name}, price => $_->{price} + 1} } $_[0]];
}

# CPU time, so that a crowded machine cannot do the work for the runner.
sub spin {
    my $stop = clock() + $_[0];
    while (clock() < $stop) { }
    return 1;
}

sub spin_all { return [mce_map { spin($_) } $_[0]] }

sub peak {
    open my $status, '<', '/proc/self/status' or die "status: $!";
    while (<$status>) { return $1 * 1024 if /^VmHWM:\s*(\d+) kB/ }
    die 'no VmHWM';
}

my %rows = (
    tiny => sub {
        MCE::Map->init(max_workers => $cpus, chunk_size => 1);
        return sum(mapped(\&same, [1 .. $count]));
    },
    cheap => sub {
        MCE::Map->init(max_workers => $cpus);
        return sum(mapped(\&square, [1 .. $count]));
    },
    rows => sub {
        MCE::Map->init(max_workers => $cpus);
        my @items = map { +{id => $_, name => 'row ' . $_ % 100, price => $_ / 4} } 1 .. $count;
        my $total = 0;
        $total += $_->{price} for @{mapped(\&raise_price, \@items)};
        return 4 * $total;
    },
    blob => sub {
        MCE::Map->init(max_workers => $cpus, chunk_size => 1);
        my $bytes = 0;
        $bytes += length for @{mapped(\&block, [1 .. $count])};
        return $bytes;
    },
    mega => sub {
        MCE::Map->init(max_workers => $cpus, chunk_size => 1);
        my $bytes = 0;
        $bytes += length for @{mapped(\&megabyte, [1 .. $count])};
        return $bytes;
    },
    start => sub {
        my $done = 0;
        begin();
        for (1 .. $count) {
            MCE::Map->init(max_workers => 8, chunk_size => 1);
            $done += @{same([1 .. 8])};
            MCE::Map->finish;
        }
        end();
        return $done;
    },
    captured => sub {
        my @table = map { $_ * 2 } 0 .. 1_000_000;
        begin();
        MCE::Map->init(max_workers => $cpus);
        my @results = mce_map { $table[$_ * 1000] } [1 .. $count];
        MCE::Map->finish;
        end();
        return sum(\@results);
    },
    cpu => sub {
        MCE::Map->init(max_workers => $cpus, chunk_size => 1);
        my @lengths = map { (1 + 49 * (($_ * 7919 % 200) / 199) ** 3) / 1000 } 1 .. $count;
        spin_all([(0) x 8]);
        begin();
        my $done = spin_all(\@lengths);
        end();
        return sum($done);
    },
    # Each worker reads its own pieces of the file: the counts of a piece come
    # back together, one for each line.
    stream => sub {
        my $total = 0;
        MCE::Loop->init(max_workers => $cpus, use_slurpio => 0,
            gather => sub { $total += $_ for @{$_[0]} });
        begin();
        mce_loop_f { MCE->gather([map { scalar(my @words = split) } @{$_[1]}]) } $path;
        end();
        print 'peak ' . peak() . "\n";
        return $total;
    },
);

my $result = ($rows{$row} or die "no row $row")->();
MCE::Map->finish;
MCE::Loop->finish;
print "result $result\n";
