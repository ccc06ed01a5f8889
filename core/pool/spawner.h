/*
 * Forking workers and zygotes, and what a forked child gives up.
 *
 * Workers are first prepared, each with its pipes and its first tasks, and then
 * forked one right after the other: a host copies each page of memory that it
 * writes to after a fork, and what it writes before all of them it copies once.
 *
 * The pool's lock is held all the time, or the pool is left for the fork (atfork.h),
 * so nobody else sees a worker that is still to be forked, but children that other
 * threads fork meanwhile. It has one chunk at most.
 */
#ifndef LUAS_SPAWNER_H
#define LUAS_SPAWNER_H

#include "state.h"

/* Prepares a worker, at the end of p->workers, or has a zygote fork it: from the
   snapshot of this job, or NULL. */
int luas__spawner_prepare(luas__pool *p, luas__job *snapshot_job);

/* Forks all that are prepared; `host` goes to the child's main. Where that fails
   those that are left are gone, and their tasks pending again. */
int luas__spawner_fork_pending(luas__pool *p, void *host);

/* Forks a zygote that has the host as it is now, for the job's later workers.
   Where that fails there is none. */
void luas__spawner_zygote(luas__pool *p, const luas__job *job, void *host);

#endif


