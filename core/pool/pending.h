/*
 * Tasks of a job that wait to be dealt: ranges of their indices, lowest first, as
 * tasks come, are taken, come back and are cancelled. What is in the middle is
 * found as quickly as what is first.
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

/* Zeroed it is empty. No two ranges in it have a task in common. */
typedef struct luas__pending {
    luas__queue ranges;     /* by their last index, which taking leaves alone */
    size_t count;
    luas__pending_range *spare;
    size_t spares;
} luas__pending;

void luas__pending_release(luas__pending *p);

/* Makes sure that `extra` ranges can be added without a failure. */
int luas__pending_reserve(luas__pending *p, size_t extra);

/* Adds a range; new tasks with the next indices, joined with the last range if they
   can be: 0 or LUAS_ENOMEM. */
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

/* Takes the first `count` tasks of a range, or those of it from `first` on, for which
   there must be room for one range more. */
void luas__pending_take(luas__pending *p, const luas__range *range, uint64_t count);
void luas__pending_cut(luas__pending *p, const luas__range *range, uint64_t first, uint64_t count);

#endif
