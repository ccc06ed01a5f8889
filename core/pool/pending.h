/*
 * The tasks of a job that wait to be dealt, as ranges of indices, lowest first. Tasks are
 * added, taken, returned and cancelled. A range in the middle is found as quickly as the
 * first one.
 */
#ifndef LUAS_PENDING_H
#define LUAS_PENDING_H

#include <stddef.h>

#include "queue.h"

/* Tasks first .. first + count - 1. */
typedef struct luas__range {
    uint64_t first, count;
    uint32_t attempts;      /* times they were started before */
    uint32_t avoid;         /* serial of the worker that they failed on, or 0 */
} luas__range;

/* A range in its queue; those that are spare are linked by `behind`. */
typedef struct luas__pending_range {
    luas__queue_node place; /* the first field */
    luas__range range;
} luas__pending_range;

/* All zero is empty. No task is in two ranges. */
typedef struct luas__pending {
    luas__queue ranges;     /* ordered by last index: taking from the front keeps it */
    size_t count;
    luas__pending_range *spare;
    size_t spares;
} luas__pending;

void luas__pending_release(luas__pending *p);

/* Makes sure that `extra` ranges can be added without a failure. */
int luas__pending_reserve(luas__pending *p, size_t extra);

/* The first adds a range. The second adds new tasks, with the next indices, and joins them to
   the last range if it can. Returns 0 or LUAS_ENOMEM. */
int luas__pending_add(luas__pending *p, luas__range range);
int luas__pending_append(luas__pending *p, uint64_t first, uint64_t count);

/* The first range, the first that this worker may have (0: any), the first with an
   index of at least `index`, or NULL. Valid until something is added or taken. */
static inline const luas__range *luas__pending_first(const luas__pending *p)
{
    luas__queue_node *first = luas__queue_first(&p->ranges);
    return first != NULL ? &((luas__pending_range *)(void *)first)->range : NULL;
}

const luas__range *luas__pending_for(const luas__pending *p, uint32_t worker);
const luas__range *luas__pending_from(const luas__pending *p, uint64_t index);

/* Takes the first `count` tasks of a range; or the `count` tasks from `first` on, which may
   split the range, so there must be room for one more. */
void luas__pending_take(luas__pending *p, const luas__range *range, uint64_t count);
void luas__pending_cut(luas__pending *p, const luas__range *range, uint64_t first, uint64_t count);

#endif
