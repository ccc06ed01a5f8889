/*
 * When a job has something to do: at the time until which a task of it was held, and at its
 * deadline.
 *
 * The pool's lock is held.
 */
#ifndef LUAS_WAKES_H
#define LUAS_WAKES_H

#include "state.h"

/* Notes when the job has something to do, after that has changed. The second does so for a
   job with a limit. */
void luas__wakes_set(luas__pool *p, luas__job *job);

static inline void luas__wakes_set_limit(luas__pool *p, luas__job *job)
{
    if (job->input.limit != NULL)
        luas__wakes_set(p, job);
}

/* It has nothing to do any more. */
void luas__wakes_forget(luas__pool *p, luas__job *job);

/* A job whose time has come, until it is set anew; NULL: none. */
luas__job *luas__wakes_due(const luas__pool *p, int64_t now);

/* The time (ns) of the next; INT64_MAX: there is none. */
int64_t luas__wakes_next(const luas__pool *p);

#endif
