/*
 * Forks workers and zygotes. A forked child gives up here what belongs to the host.
 *
 * Workers are prepared first: each gets its pipes, its scoreboard and its first tasks. Then all
 * of them are forked in a row. The reason is copy-on-write: after a fork the host copies every
 * page that it writes to. If it writes only before the first fork, it copies each page once.
 *
 * During all this the pool's lock is held, or the pool is left for the fork (atfork.h). So
 * nobody sees a worker that is prepared and not yet forked, except children that other threads
 * fork at that moment. Such a worker has at most one chunk.
 */
#ifndef LUAS_SPAWNER_H
#define LUAS_SPAWNER_H

#include "state.h"

/* Prepares a worker and appends it to p->workers. If it is for the snapshot of an inheriting job
   that has a zygote, the zygote forks it at once. NULL: it is for any job. */
int luas__spawner_prepare(luas__pool *p, luas__job *snapshot_job);

/* Forks all workers that are prepared. `host` is passed to the child's main. If a fork fails,
   the workers that are left are removed, and their tasks are pending again. */
int luas__spawner_fork_pending(luas__pool *p, void *host);

/* Forks a zygote that keeps the host as it is now, for later workers of the job. If that fails
   the job has no zygote. */
void luas__spawner_zygote(luas__pool *p, const luas__job *job, void *host);

/* Forks a zygote that keeps the host as it is now, and forks all workers that have no snapshot.
   Returns 0 or negative. */
int luas__spawner_mother(luas__pool *p, void *host);

#endif
