/*
 * How many workers a job is dealt to. Normally to all. But a job of many short tasks gets no
 * more workers than there are CPUs. Short tasks do not wait for anything, so further workers
 * would only take turns on the CPUs, and each of them must be forked, woken and told what to
 * do. Until some tasks have ended, a job with many tasks is taken for one with short tasks. If
 * nothing is heard of it for a while it gets all workers. So does a job that may go on while
 * no worker can be forked.
 *
 * The pool's lock is held.
 */
#ifndef LUAS_CONCURRENCY_H
#define LUAS_CONCURRENCY_H

#include "state.h"

/* Begins a round, before dealing and scaling. In each round a job gets new values of
   pace.concurrency and pace.slots_left when it is first looked at. */
void luas__concurrency_begin(luas__pool *p);

/* To how many further workers the job may be dealt: pace.slots_left in this round. */
int luas__concurrency_count_slots(luas__pool *p, luas__job *job);

static inline int luas__concurrency_slots(luas__pool *p, luas__job *job)
{
    return job->pace.round == p->concurrency.round ? job->pace.slots_left
                                                   : luas__concurrency_count_slots(p, job);
}

/* When (ns) the earliest of the jobs that were looked at since the last call may go to more
   workers. */
int64_t luas__concurrency_retry_at(luas__pool *p);

/* Has this worker tasks of the job already? */
bool luas__concurrency_has(const luas__worker *w, const luas__job *job);

#endif
