#!/bin/sh
# The rows for runners that start a program for each piece of the work:
#
#   split.sh xargs|parallel ROW COUNT CPUS [FILE]
#
# Says how many `seconds` the work took and a `result` that shows that it was
# done.
set -eu

runner=$1 row=$2 count=$3 cpus=$4 file=${5-}
split=$(dirname "$0")/split.lua

# Results come back as they do from imap, one for each line, and are summed.
pieces()
{
    case $runner in
    xargs) xargs -d '\n' -P "$cpus" lua5.4 "$split" args <"$file" ;;
    parallel) parallel -q --pipepart -a "$file" --block -4 -j "$cpus" lua5.4 "$split" lines ;;
    esac
}

seconds()
{
    awk -v n="$count" 'BEGIN {
        for (i = 1; i <= n; i++)
            printf "%.6f\n", (1 + 49 * ((i * 7919 % 200) / 199) ^ 3) / 1000
    }'
}

work()
{
    case $row in
    stream) pieces ;;
    cpu) seconds | parallel -q -j "$cpus" lua5.4 "$split" spin ;;
    start) for _ in $(seq "$count"); do seq 8 | parallel -n0 -j 8 echo 1; done ;;
    esac
}

begin=$(date +%s.%N)
result=$(work | lua5.4 "$split" sum)
end=$(date +%s.%N)
echo "seconds $(awk -v b="$begin" -v e="$end" 'BEGIN { printf "%.6f", e - b }')"
echo "result $result"
