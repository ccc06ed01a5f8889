/* A histogram with logarithmic steps. */
#include "histogram.h"

/* 2^(i/4) for the four steps of an octave. */
static const double steps[] = {1, 1.1892071150027210, 1.4142135623730951, 1.6817928305074290};

enum { FIRST_OCTAVE = 6, LAST_OCTAVE = FIRST_OCTAVE + LUAS__BUCKETS / 4 - 1 };

/* The same, of numbers whose highest bit is set. */
static const uint64_t marks[] = {0, 0x9837f0518db8a970, 0xb504f333f9de6485, 0xd744fccad69d6af5};

/* Where the bits of the time begin says the octave, those after it the step. */
static int bucket_of(int64_t ns)
{
    int zeros = ns > 0 ? __builtin_clzll((unsigned long long)ns) : 63, octave = 63 - zeros;
    if (octave < FIRST_OCTAVE)
        return 0;
    if (octave > LAST_OCTAVE)
        return LUAS__BUCKETS - 1;
    uint64_t bits = (uint64_t)ns << zeros;
    return 4 * (octave - FIRST_OCTAVE) + (bits >= marks[1]) + (bits >= marks[2]) + (bits >= marks[3]);
}

void luas__histogram_add_all(luas__histogram *h, const int64_t *times, size_t n)
{
    int64_t least = h->count > 0 ? h->least : INT64_MAX, most = h->count > 0 ? h->most : INT64_MIN;
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        least = times[i] < least ? times[i] : least;
        most = times[i] > most ? times[i] : most;
        sum += (double)times[i];
        h->counts[bucket_of(times[i])]++;
    }
    h->least = least;
    h->most = most;
    h->sum += sum;
    h->count += n;
}

void luas__histogram_add(luas__histogram *h, int64_t ns)
{
    luas__histogram_add_all(h, &ns, 1);
}

double luas__histogram_from(int bucket)
{
    return (double)(INT64_C(1) << (FIRST_OCTAVE + bucket / 4)) * steps[bucket % 4];
}

static double clamp(double x, double low, double high)
{
    return x < low ? low : x > high ? high : x;
}

/* Assumes that tasks are spread evenly within a bucket. */
double luas__histogram_quantile(const luas__histogram *h, double share)
{
    double wanted = share * (double)h->count, before = 0;
    if (h->count == 0)
        return 0;
    for (int i = 0; i < LUAS__BUCKETS; i++) {
        double here = (double)h->counts[i];
        if (here > 0 && before + here >= wanted) {
            double from = luas__histogram_from(i), to = luas__histogram_from(i + 1);
            double at = from + (to - from) * (wanted - before) / here;
            return clamp(at, (double)h->least, (double)h->most);
        }
        before += here;
    }
    return (double)h->most;
}
