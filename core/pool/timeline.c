/* Bins of time. When they are used up, each two are joined. */
#define _GNU_SOURCE
#include "timeline.h"

#include <stdlib.h>

#include "array.h"
#include "clock.h"
#include "error.h"

void luas__timeline_release(luas__timeline *t)
{
    for (int i = 0; i < t->nrows; i++)
        free(t->rows[i]);
    free(t->rows);
    *t = (luas__timeline){0};
}

int luas__timeline_row(luas__timeline *t)
{
    int rc = luas__array_reserve(&t->rows, &t->cap_rows, (size_t)t->nrows + 1, sizeof(luas__row *));
    if (rc < 0)
        return rc;
    t->rows[t->nrows] = calloc(1, sizeof(luas__row));
    return t->rows[t->nrows] == NULL ? LUAS_ENOMEM : t->nrows++;
}

void luas__timeline_start(luas__timeline *t, int64_t ns)
{
    if (t->origin != 0)
        return;
    t->origin = ns;
    t->width = LUAS__MS;
}

static void fold(luas__row *row)
{
    for (int i = 0; i < LUAS__BINS / 2; i++)
        row->at[i] = row->at[2 * i] + row->at[2 * i + 1];
    for (int i = LUAS__BINS / 2; i < LUAS__BINS; i++)
        row->at[i] = 0;
}

/* The bin of this moment; joins bins until there is one. A moment before the start counts as
   the start. */
static int bin_of(luas__timeline *t, int64_t ns)
{
    if (luas__timeline_is_last(t, ns))
        return t->last; /* the usual case, without a division */
    luas__timeline_start(t, ns);
    int64_t since = ns > t->origin ? ns - t->origin : 0;
    while (since / t->width >= LUAS__BINS) {
        t->width *= 2;
        for (int i = 0; i < t->nrows; i++)
            fold(t->rows[i]);
    }
    t->last = (int)(since / t->width);
    t->begin = t->origin + t->last * t->width;
    return t->last;
}

void luas__timeline_count(luas__timeline *t, int row, int64_t ns, float n)
{
    int bin = bin_of(t, ns);
    t->rows[row]->at[bin] += n;
}

void luas__timeline_span(luas__timeline *t, int row, int64_t from, int64_t to)
{
    int last = bin_of(t, to), first = bin_of(t, from);
    if (first == last && from >= t->origin) {
        t->rows[row]->at[first] += (float)(to - from);
        return;
    }
    if (from < t->origin)
        from = t->origin;
    for (int i = first; i <= last && from < to; i++) {
        int64_t end = t->origin + (i + 1) * t->width;
        if (end > to)
            end = to;
        t->rows[row]->at[i] += (float)(end - from);
        from = end;
    }
}
