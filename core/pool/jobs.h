/*
 * The jobs of a pool: unfinished ones, and finished ones that their owner has not dropped yet.
 * Jobs with tasks to deal are in a queue as well. The pool's lock is held.
 */
#ifndef LUAS_JOBS_H
#define LUAS_JOBS_H

#include "state.h"

/* Adds a job and gives it an id. */
void luas__jobs_add(luas__pool *p, luas__job *job);

/* Sees to it that p->around is what is around the host now. Tasks that are fed to this job from
   now on have that. */
int luas__jobs_look_around(luas__pool *p);
int luas__jobs_surround(luas__pool *p, luas__job *job);

/* Call it when all outcomes are known. The job becomes finished, and its workers are told. */
void luas__jobs_done(luas__pool *p, luas__job *job);

/* luas__jobs_next_ended returns the ids of watched jobs that have ended: each once, in the
   order in which they ended; 0 when there is no other. */
void luas__jobs_watch(luas__pool *p, luas__job *job);
int64_t luas__jobs_next_ended(luas__pool *p);

/* Call it when the job needs the workers from its snapshot no longer. */
void luas__jobs_leave_workers(luas__pool *p, const luas__job *job);

/* luas__jobs_drop frees a job that its owner has dropped: at once, or if a worker still has a
   task of it, later by the second function. The third one frees all jobs. */
void luas__jobs_drop(luas__pool *p, luas__job *job);
void luas__jobs_free_dropped(luas__pool *p);
void luas__jobs_free_all(luas__pool *p);

/* The library's thread need not go on with this job any more. */
void luas__jobs_stop_pumping(luas__pool *p, luas__job *job);

/* What is pending of the job has this outcome, but for index, count and attempts. */
int luas__jobs_give_up(luas__pool *p, luas__job *job, const luas__outcome *as, const char *payload);

/* Cancels the job's tasks with an index between `from` and `to` that no worker has begun.
   What else had to be taken back for that goes where it was; not behind one of these
   tasks that runs, if the caller is about to stop it (`stops`). */
int luas__jobs_cancel(luas__pool *p, luas__job *job, uint64_t from, uint64_t to, bool stops);

#endif
