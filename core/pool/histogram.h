/* Counts of how long tasks took, in steps of a quarter octave. So a time is known to within a
   tenth, whether it is microseconds or hours. */
#ifndef LUAS_HISTOGRAM_H
#define LUAS_HISTOGRAM_H

#include <stddef.h>
#include <stdint.h>

enum { LUAS__BUCKETS = 160 };   /* from 64 ns to 2 years */

typedef struct luas__histogram {
    uint64_t count, counts[LUAS__BUCKETS];
    int64_t least, most;        /* ns, exact */
    double sum;                 /* ns */
} luas__histogram;

void luas__histogram_add(luas__histogram *h, int64_t ns);
void luas__histogram_add_all(luas__histogram *h, const int64_t *times, size_t n);

/* The time at which a bucket begins. It ends where the next one begins. */
double luas__histogram_from(int bucket);

/* The time (ns) that this share of tasks did not exceed; 0 when there are no tasks. */
double luas__histogram_quantile(const luas__histogram *h, double share);

#endif
