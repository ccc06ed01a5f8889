/* A histogram with logarithmic steps. */
#include "histogram.h"

/* 2^(i/4) for the four steps of an octave. */
static const double steps[] = {1, 1.1892071150027210, 1.4142135623730951, 1.6817928305074290};

enum { FIRST_OCTAVE = 6, LAST_OCTAVE = FIRST_OCTAVE + LUAS__BUCKETS / 4 - 1 };

static int bucket_of(int64_t ns)
{
    int octave = ns > 0 ? 63 - __builtin_clzll((unsigned long long)ns) : 0, step = 3;
    if (octave < FIRST_OCTAVE)
        return 0;
    if (octave > LAST_OCTAVE)
        octave = LAST_OCTAVE;
    double rest = (double)ns / (double)(INT64_C(1) << octave);
    while (step > 0 && rest < steps[step])
        step--;
    return 4 * (octave - FIRST_OCTAVE) + step;
}

void luas__histogram_add(luas__histogram *h, int64_t ns)
{
    h->counts[bucket_of(ns)]++;
    if (h->count == 0 || ns < h->least)
        h->least = ns;
    if (h->count == 0 || ns > h->most)
        h->most = ns;
    h->sum += (double)ns;
    h->count++;
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
