/*
 * Tasks of a job that may not be dealt yet: each until its time. In order of time.
 */
#ifndef LUAS_HELD_H
#define LUAS_HELD_H

#include <stdbool.h>

#include "pending.h"

/* All zero is empty. */
typedef struct luas__held {
    luas__queue tasks;
} luas__held;

/* A time that does not come. */
#define LUAS__HELD_FOR_GOOD INT64_MAX

void luas__held_release(luas__held *h);

/* Adds a range of one task until a time (ns). Returns 0 or LUAS_ENOMEM. */
int luas__held_add(luas__held *h, luas__range task, int64_t until);

/* The first time; LUAS__HELD_FOR_GOOD: there is none, or it does not come. */
int64_t luas__held_next(const luas__held *h);

/* A task whose time has come; one with an index from `from` to `to`; one held for good with
   this index. NULL: there is none. It is in there until it is removed. */
const luas__range *luas__held_due(const luas__held *h, int64_t now);
const luas__range *luas__held_between(const luas__held *h, uint64_t from, uint64_t to);
const luas__range *luas__held_for_good(const luas__held *h, uint64_t index);
void luas__held_remove(luas__held *h, const luas__range *task);

#endif
