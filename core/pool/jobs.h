/*
 * The jobs of a pool: the unfinished, and the finished that their owner has not
 * dropped. Those with tasks to deal are in a queue, too. The pool's lock is held.
 */
#ifndef LUAS_JOBS_H
#define LUAS_JOBS_H

#include "state.h"

/* Adds one, with a number of its own. */
void luas__jobs_add(luas__pool *p, luas__job *job);

/* All its outcomes are known: it moves to the finished, and its workers hear of it. */
void luas__jobs_done(luas__pool *p, luas__job *job);

/* Of a watched one luas__jobs_next_ended gives the id once it is over: each once, in
   the order in which they ended; 0: no other is over. */
void luas__jobs_watch(luas__pool *p, luas__job *job);
int64_t luas__jobs_next_ended(luas__pool *p);

/* No worker that was forked from its snapshot is of use to the job any more. */
void luas__jobs_leave_workers(luas__pool *p, const luas__job *job);

/* Frees one that its owner has dropped, at once or when no worker has a task of it
   any more: then it is freed by the second. The third frees all there are. */
void luas__jobs_drop(luas__pool *p, luas__job *job);
void luas__jobs_free_dropped(luas__pool *p);
void luas__jobs_free_all(luas__pool *p);

/* Nobody waits for the library's thread to go on with it any more. */
void luas__jobs_stop_pumping(luas__pool *p, luas__job *job);

/* Cancels the job's tasks with an index between `from` and `to` that no worker has begun.
   What else had to be taken back for that goes where it was; not behind one of these
   tasks that runs, if the caller is about to stop it (`stops`). */
int luas__jobs_cancel(luas__pool *p, luas__job *job, uint64_t from, uint64_t to, bool stops);

#endif


