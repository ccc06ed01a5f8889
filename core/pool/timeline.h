/*
 * Counts over time, in at most LUAS__BINS bins. When time goes beyond the last bin, each two
 * bins are joined into one. A timeline has a row for each thing that it counts.
 */
#ifndef LUAS_TIMELINE_H
#define LUAS_TIMELINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { LUAS__BINS = 600 };

typedef struct luas__row {
    float at[LUAS__BINS];
} luas__row;

typedef struct luas__timeline {
    int64_t origin;     /* ns; where the first bin begins; 0: nothing happened yet */
    int64_t width;      /* ns, of a bin */
    int64_t begin;      /* ns; where the bin that was used last begins */
    int last;           /* the bin that was used last */
    luas__row **rows;
    int nrows;
    size_t cap_rows;
} luas__timeline;

void luas__timeline_release(luas__timeline *t);

/* Adds a row of zeros. Returns its number, or LUAS_ENOMEM. */
int luas__timeline_row(luas__timeline *t);

/* Makes it start at `ns`, if it has no start yet. */
void luas__timeline_start(luas__timeline *t, int64_t ns);

/* Is this moment in the bin that was used last? */
static inline bool luas__timeline_is_last(const luas__timeline *t, int64_t ns)
{
    return ns >= t->begin && ns - t->begin < t->width;
}

/* Adds to the bin of this moment. */
void luas__timeline_count(luas__timeline *t, int row, int64_t ns, float n);

/* Spreads the time from `from` to `to` over the bins that it covers. */
void luas__timeline_span(luas__timeline *t, int row, int64_t from, int64_t to);

#endif
