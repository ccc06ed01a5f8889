/*
 * How many workers a job is dealt to. All, but for many short tasks: these have
 * no time to wait for anything, so that more workers than CPUs would only take
 * turns, and each would have to be forked, woken and told what to do. Before
 * some tasks have ended their job is taken for one of these; a job of which
 * nothing is heard for a while has all workers again, and so has one that may go
 * on where none can be forked.
 *
 * The pool's lock is held.
 */
#ifndef LUAS_CONCURRENCY_H
#define LUAS_CONCURRENCY_H

#include "state.h"

/* Before dealing and scaling a round begins, in which a job that is looked at gets
   pace.concurrency and pace.slots_left. */
void luas__concurrency_begin(luas__pool *p);

/* To how many further workers the job may go: pace.slots_left, as this round has it. */
int luas__concurrency_count_slots(luas__pool *p, luas__job *job);

static inline int luas__concurrency_slots(luas__pool *p, luas__job *job)
{
    return job->pace.round == p->concurrency.round ? job->pace.slots_left
                                                   : luas__concurrency_count_slots(p, job);
}

/* When (ns) that will be more, for one of those looked at since this was asked last. */
int64_t luas__concurrency_retry_at(luas__pool *p);

/* Does the job go to this worker already? */
bool luas__concurrency_has(const luas__worker *w, const luas__job *job);

#endif


