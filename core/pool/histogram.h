/* How long tasks took: counts in steps of a quarter octave, so that each is right
   within a tenth whatever the scale. */
#ifndef LUAS_HISTOGRAM_H
#define LUAS_HISTOGRAM_H

#include <stdint.h>

enum { LUAS__BUCKETS = 160 };   /* from 64 ns to 2 years */

typedef struct luas__histogram {
    uint64_t count, counts[LUAS__BUCKETS];
    int64_t least, most;        /* ns, exact */
    double sum;                 /* ns */
} luas__histogram;

void luas__histogram_add(luas__histogram *h, int64_t ns);

/* Where the bucket begins; it ends where the next one begins. */
double luas__histogram_from(int bucket);

/* The time (ns) below which this share of tasks stayed; 0 when there are none. */
double luas__histogram_quantile(const luas__histogram *h, double share);

#endif
