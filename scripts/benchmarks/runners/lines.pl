# Perl's MCE over the lines of a file: lines.pl count|each FILE. The first gathers a number for each
# chunk, the second one for each line.
use strict;
use warnings;
use MCE;

my ($what, $path) = @ARGV;
my $total = 0;
my $each = $what eq 'each';
MCE->new(
    max_workers => 2, chunk_size => $each ? 10000 : '1m', input_data => $path,
    gather => sub { $total += ref $_[0] ? eval { my $n = 0; $n += $_ for @{ $_[0] }; $n } : $_[0] },
    user_func => sub {
        my ($mce, $chunk) = @_;
        my @found = map { /ERROR/ ? 1 : 0 } @$chunk;
        my $n = 0;
        $n += $_ for @found;
        MCE->gather($each ? \@found : $n);
    },
)->run;
print "$total\n";
