/*
 * A pool: workers, jobs, and the one loop that moves bytes between them.
 *
 * The owner: 1. luas__pool_open; 2. luas__pool_start a job, feed and seal it;
 * 3. luas__pool_step until luas__pool_take gives its outcomes, as long as it
 * wants them; 4. luas__pool_drop the job; 5. luas__pool_close. The functions
 * lock the pool themselves.
 *
 * In a process that the owner forked there is a copy of the pool. What would need
 * to lock it is refused there (LUAS_EFOREIGN), or does nothing. What had come by then
 * can still be taken (luas__pool_take).
 *
 * Workers are forked from the owner's thread alone, inside start, inherit and
 * step. With luas__pool_pump a thread of the library's own moves bytes while
 * the owner does something else; it forks nothing, but it asks zygotes to.
 *
 * Any thread may fork the process: atfork.h.
 *
 * A task goes: pending in its job -> dealt to a worker -> claimed by it ->
 * settled. Between dealt and claimed it can be taken back.
 */
#ifndef LUAS_POOL_H
#define LUAS_POOL_H

#include "state.h"

/* No worker runs yet. On failure *pool is NULL. */
int luas__pool_open(luas__pool **pool, const luas__pool_options *options);

/* Ends what still runs, reaps it, frees everything, jobs too. Idle workers have a second
   to put what is buffered to their files. */
void luas__pool_close(luas__pool *p);

/* In a forked child: closes the descriptors of the pool and gives up what it
   shares with its workers, but for those of one worker, which the child is, or
   NULL; frees nothing. Again, it does nothing. */
void luas__pool_abandon(luas__pool *p, const luas__worker *self);

/* Takes the job over until luas__pool_drop, which frees it when it can. */
int luas__pool_start(luas__pool *p, luas__job *job);
void luas__pool_drop(luas__pool *p, luas__job *job);

/* Adds a definition that every worker gets before the tasks fed after it. */
int luas__pool_define(luas__pool *p, luas__job *job, const char *bytes, size_t len);

/* As luas__job_feed and luas__job_feed_inherited. */
int luas__pool_feed(luas__pool *p, luas__job *job, luas__buffer *bytes, size_t *ends,
                    uint32_t count);
int luas__pool_feed_inherited(luas__pool *p, luas__job *job, uint64_t count);
void luas__pool_seal(luas__pool *p, luas__job *job);

/* Forks all workers now instead of when tasks want them. */
int luas__pool_populate(luas__pool *p, void *host);

/* Has up to `workers` workers forked that alone will do this job: so many now,
   the others when tasks want them; `host` goes to the child's main. */
int luas__pool_inherit(luas__pool *p, luas__job *job, int workers, int now, void *host);

/* Where that failed for want of processes, descriptors or memory: tells half of the
   idle workers to end; the next steps notice. False when none will. A caller does not
   wait for them longer than LUAS__PATIENCE. */
bool luas__pool_make_room(luas__pool *p);

/*
 * Keeps the host as it is now, in a zygote, for workers that replace those of
 * luas__pool_inherit, until the job is done. Where that is impossible they are
 * forked from the host as it is then.
 */
void luas__pool_snapshot(luas__pool *p, luas__job *job, void *host);

/* Cancels the job's tasks from index `from` on, or just the one. What runs is
   asked to stop, and killed after the grace time. */
int luas__pool_cancel(luas__pool *p, luas__job *job, uint64_t from, uint64_t to);

/*
 * Drives the pool once: replaces workers, deals, waits at most `timeout` ns
 * (negative: until something happens) and takes in what came. 1 when anything
 * happened, 0 when the time ran out, LUAS_EINTR after a signal.
 */
int luas__pool_step(luas__pool *p, int64_t timeout, void *host);

/* Makes outcomes ready for luas__job_next: false when there are none. In a copy
   these are the ones that had come whole when it was forked. */
bool luas__pool_take(luas__pool *p, luas__job *job);

/* Has luas__pool_ended say when the job is finished: its id. */
int64_t luas__pool_watch(luas__pool *p, luas__job *job);

/* The id of a watched job that is finished: each once, in the order in which they
   were, unless it was dropped before. 0: none has finished since, or this is a copy. */
int64_t luas__pool_ended(luas__pool *p);

/* A LUAS__JOB_PROCESS job's worker: its pid, 0 once it is gone, and in a copy, which
   does not hear of its end; signals it. */
pid_t luas__pool_process(luas__pool *p, const luas__job *job);
int luas__pool_signal_process(luas__pool *p, const luas__job *job, int signal);

/* When (coarse ns) the oldest job that was not dropped was made; INT64_MAX: none. */
int64_t luas__pool_oldest_job(luas__pool *p);

/* Lets the library's thread do the job's work while no call does. Where there is no
   room for a thread only calls do it: that is no failure. */
int luas__pool_pump(luas__pool *p, luas__job *job);

/* The workers that have not ended; negative in a copy; and, if asked for, one more where there are zygotes. */
int luas__pool_live(luas__pool *p, bool with_zygotes);

/* Is no worker there, nor to come, but the job's own and such as are about to end? */
bool luas__pool_is_only(luas__pool *p, const luas__job *job);

/* What its workers print and is passed on goes above this line. */
int luas__pool_set_line(luas__pool *p, luas__line *line);

/* Bytes of that which wait for a reader, and how many were written so far. */
int luas__pool_unwritten(luas__pool *p, size_t *waiting, uint64_t *written);

/* Tells all workers to exit once they have done what they were given. */
int luas__pool_stop(luas__pool *p);
int luas__pool_resize(luas__pool *p, int workers);

/* Kills all workers: their tasks are settled as cancelled. */
int luas__pool_terminate(luas__pool *p);

#endif
