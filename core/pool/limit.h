/*
 * A limit on the tasks of a job: for each key at most so many run, and so many start in a
 * second. The tasks that may not start yet wait here, and the others are pending; so a key
 * that is at its limit holds up no other.
 *
 * With a rate at most one task of a key is pending, and the next is when that was dealt and
 * the time has come.
 */
#ifndef LUAS_LIMIT_H
#define LUAS_LIMIT_H

#include <stdbool.h>

#include "buffer.h"
#include "pending.h"

typedef struct luas__limit_policy {
    uint32_t n;             /* tasks of a key that run; 0: any number */
    int64_t interval;       /* ns between two starts of a key's; 0: none */
} luas__limit_policy;

typedef struct luas__limit_key {
    luas__queue_node place; /* among those that wait for a time, when `is_timed` */
    bool is_timed;
    luas__pending waiting;
    uint32_t ready, running;    /* tasks that are pending; that were dealt */
    uint64_t left;          /* tasks whose key this is, from when that is said until they end */
    int64_t next_at;        /* ns; when the next may start */
} luas__limit_key;

typedef struct luas__limit {
    luas__limit_policy policy;
    luas__buffer numbers;   /* uint32_t: the key of each task from `first` on; 0: no limit */
    uint64_t first;
    luas__limit_key **keys; /* by number, from 1 on */
    size_t nkeys, cap_keys;
    luas__queue timed;      /* keys by the time for which they wait */
} luas__limit;

/* NULL: no memory. */
luas__limit *luas__limit_new(const luas__limit_policy *policy);
void luas__limit_free(luas__limit *l);

/* Says the keys of the next tasks. Without that all have the same. */
int luas__limit_add_keys(luas__limit *l, const uint32_t *numbers, size_t count);

/* The keys of the tasks before this one are not asked for any more. */
void luas__limit_forget(luas__limit *l, uint64_t first);

/* Writes the numbers of keys that have no task, and whose next task could start at once: another
   key may have such a number. Returns how many these are, at most `most`. */
size_t luas__limit_spare(const luas__limit *l, uint32_t *numbers, size_t most);

/* Tasks that are to wait here: new ones, or one that is started again. Those without a limit
   are made pending. Returns 0 or LUAS_ENOMEM. */
int luas__limit_wait(luas__limit *l, luas__range range, luas__pending *pending, uint64_t *added);

/* A pending task was dealt; came back; was cancelled. One that was dealt has ended, for now; for
   good. */
void luas__limit_dealt(luas__limit *l, uint64_t index);
void luas__limit_returned(luas__limit *l, uint64_t index);
void luas__limit_dropped(luas__limit *l, uint64_t index);
void luas__limit_ended(luas__limit *l, uint64_t index);
void luas__limit_settled(luas__limit *l, uint64_t index);

/* Makes tasks pending that may start now: of this one's key, or of keys whose time has come.
   Without memory they are tried again soon. Returns how many. */
uint64_t luas__limit_release(luas__limit *l, uint64_t index, luas__pending *pending);
uint64_t luas__limit_release_due(luas__limit *l, luas__pending *pending);

/* When (ns) the next key's time comes; INT64_MAX: none waits for that. */
int64_t luas__limit_next(const luas__limit *l);

/* The next key, from number *at on, with tasks that wait; NULL: none. *at becomes its number. */
luas__pending *luas__limit_waiting(luas__limit *l, size_t *at);

#endif
