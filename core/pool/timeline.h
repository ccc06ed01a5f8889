/*
 * What happened when, in at most LUAS__BINS steps of time: when it gets longer,
 * each two become one. A timeline has a row for each of what it tells.
 */
#ifndef LUAS_TIMELINE_H
#define LUAS_TIMELINE_H

#include <stddef.h>
#include <stdint.h>

enum { LUAS__BINS = 600 };

typedef struct luas__row {
    float at[LUAS__BINS];
} luas__row;

typedef struct luas__timeline {
    int64_t origin;     /* ns; where the first bin begins; 0: nothing happened yet */
    int64_t width;      /* ns, of a bin */
    int64_t begin;      /* ns; of the bin that was looked for last */
    int last;           /* that bin */
    luas__row **rows;
    int nrows;
    size_t cap_rows;
} luas__timeline;

void luas__timeline_release(luas__timeline *t);

/* A new row, all zero: its number, or LUAS_ENOMEM. */
int luas__timeline_row(luas__timeline *t);

/* Makes it start at `ns`, if it has no start. */
void luas__timeline_start(luas__timeline *t, int64_t ns);

/* Adds to the bin of this moment. */
void luas__timeline_count(luas__timeline *t, int row, int64_t ns, float n);

/* Adds the ns from `from` to `to` to the bins that they lie in. */
void luas__timeline_span(luas__timeline *t, int row, int64_t from, int64_t to);

#endif
