/*
 * A pool: workers, jobs, and the one loop that moves bytes between them.
 *
 * The owner: 1. luas__pool_open; 2. luas__pool_start a job, feed and seal it;
 * 3. luas__pool_step and luas__pool_take, until it has the outcomes that it wants;
 * 4. luas__pool_drop the job; 5. luas__pool_close. The functions lock the pool
 * themselves.
 *
 * A process that the owner forks has a copy of the pool. There, functions that would lock the
 * pool do nothing or return LUAS_EFOREIGN. Outcomes that had come before the fork can still be
 * taken (luas__pool_take).
 *
 * Only the owner's thread forks workers, inside start, inherit and step. After
 * luas__pool_pump a thread of the library moves bytes while the owner does something else.
 * That thread does not fork, but it may ask zygotes to.
 *
 * Any thread may fork the process: atfork.h.
 *
 * The states of a task: pending in its job -> dealt to a worker -> claimed by the worker ->
 * settled. A task that is dealt but not claimed can be taken back.
 */
#ifndef LUAS_POOL_H
#define LUAS_POOL_H

#include "state.h"

/* No worker runs yet. On failure *pool is NULL. */
int luas__pool_open(luas__pool **pool, const luas__pool_options *options);

/* Ends what still runs, reaps it, frees everything, jobs too. Idle workers have a second
   to put what is buffered to their files. */
void luas__pool_close(luas__pool *p);

/* In a forked child: closes the descriptors of the pool and unmaps the memory that it shares
   with its workers. If the child is the worker `self` it keeps what belongs to that; else
   `self` is NULL. Frees nothing. A second call does nothing. */
void luas__pool_abandon(luas__pool *p, const luas__worker *self);

/* Starts a job. The pool has it until luas__pool_drop, and frees it then or later. Tasks have
   what was around the host then (surroundings.h); or, those that are fed later, at the last call of
   luas__pool_surround. */
int luas__pool_start(luas__pool *p, luas__job *job);
int luas__pool_surround(luas__pool *p, luas__job *job);
void luas__pool_drop(luas__pool *p, luas__job *job);

/* Adds a definition. Every worker gets it before any task that is fed after this call. */
int luas__pool_define(luas__pool *p, luas__job *job, const char *bytes, size_t len);

/* As luas__job_inputs_feed, and those like it. */
int luas__pool_feed(luas__pool *p, luas__job *job, luas__buffer *bytes, size_t *ends,
                    uint32_t count);
int luas__pool_feed_at(luas__pool *p, luas__job *job, luas__range tasks, luas__buffer *bytes, size_t *ends);
int luas__pool_feed_records(luas__pool *p, luas__job *job, const luas__passage *of,
                            luas__buffer *bytes, size_t *ends, uint32_t count);
int luas__pool_feed_inherited(luas__pool *p, luas__job *job, uint64_t count);

/* Of a job with a limit: says the keys of the tasks that are fed next, as numbers from 1 on; 0: no
   limit. Without that all have the same. */
int luas__pool_add_keys(luas__pool *p, luas__job *job, const uint32_t *numbers, size_t count);

/* Writes the numbers that other keys may have (limit.h), and their number to *n, which says how many
   there is room for. */
int luas__pool_spare_keys(luas__pool *p, luas__job *job, uint32_t *numbers, size_t *n);

void luas__pool_seal(luas__pool *p, luas__job *job);

/* Forks all workers now instead of when tasks want them. */
int luas__pool_populate(luas__pool *p, void *host);

/* Gives the job up to `workers` workers of its own; no other worker does its tasks. Forks
   `now` of them at once, the others when there are tasks for them. `host` is passed to the
   child's main. */
int luas__pool_inherit(luas__pool *p, luas__job *job, int workers, int now, void *host);

/* What it has taken lately (ns) until workers forked for a job were at work on it; 0: not known. It
   depends on the host's heap: what was seen long ago is given as less, so that it is seen again. */
int64_t luas__pool_inherit_cost(luas__pool *p);

/* Call it when luas__pool_inherit failed for want of processes, descriptors or memory. Tells
   half of the idle workers to end; the next steps notice that they have. Returns false when
   none will end. */
bool luas__pool_make_room(luas__pool *p);

/*
 * Forks a zygote, which keeps the host as it is now until the job is done. Workers that
 * replace those of luas__pool_inherit are forked from it. If no zygote can be had they are
 * forked from the host as it is then.
 */
void luas__pool_snapshot(luas__pool *p, luas__job *job, void *host);

/* Forks a zygote, which keeps the host as it is now. From then on it forks the workers, but for
   those of luas__pool_inherit. If it dies the host does. Returns 0 or negative. */
int luas__pool_mother(luas__pool *p, void *host);

/* Cancels the job's tasks with an index from `from` to `to`. Tasks that run are asked to stop,
   and their workers are killed after the grace time. */
int luas__pool_cancel(luas__pool *p, luas__job *job, uint64_t from, uint64_t to);

/* Cancels what has not started, and lets the rest end. */
int luas__pool_start_no_more(luas__pool *p, luas__job *job);

/*
 * Drives the pool once: replaces workers, deals, waits at most `timeout` ns (negative: until
 * something happens) and takes in what came. Returns 1 when anything happened, 0 when the
 * time ran out, LUAS_EINTR after a signal.
 */
int luas__pool_step(luas__pool *p, int64_t timeout, void *host);

/* Makes outcomes ready for luas__job_outcomes_next. Returns false when there are none. In a copy these
   are the outcomes that were complete at the fork. */
bool luas__pool_take(luas__pool *p, luas__job *job);

/* From now on luas__pool_ended tells when the job is finished. Returns the job's id. */
int64_t luas__pool_watch(luas__pool *p, luas__job *job);

/* The id of the next watched job that has finished and was not dropped: each once, in the
   order in which they finished. 0 when there is none, and in a copy. */
int64_t luas__pool_ended(luas__pool *p);

/* For a LUAS__JOB_PROCESS job: the pid of its worker, 0 once that has ended. In a copy it is 0,
   because a copy is not told when the worker ends. The other one signals it. */
pid_t luas__pool_process(luas__pool *p, const luas__job *job);
int luas__pool_signal_process(luas__pool *p, const luas__job *job, int signal);

/* When (coarse ns) the oldest job that is not dropped was made; INT64_MAX: there is none. */
int64_t luas__pool_oldest_job(luas__pool *p);

/* Lets the library's thread drive the job while no call does. If no thread can be had only
   calls drive it; that is no failure. */
int luas__pool_pump(luas__pool *p, luas__job *job);

/* Writes the names of globals that workers have made since they were forked, a zero after each, if
   there is `room`. Returns how many bytes these are. */
size_t luas__pool_made(luas__pool *p, char *names, size_t room);

/* The workers that have not ended; negative in a copy; and, if asked for, one more where there are zygotes. */
int luas__pool_live(luas__pool *p, bool with_zygotes);

/* Has the pool no workers, and expects none, except the job's own and ones about to end? */
bool luas__pool_is_only(luas__pool *p, const luas__job *job);

/* Output of workers that is passed on goes above this line. */
int luas__pool_set_line(luas__pool *p, luas__line *line);

/* Bytes of that which wait for a reader, and how many were written so far. */
int luas__pool_unwritten(luas__pool *p, size_t *waiting, uint64_t *written);

/* Tells all workers to exit once they have done their tasks. */
int luas__pool_stop(luas__pool *p);
int luas__pool_resize(luas__pool *p, int workers);

/* Tells the workers that have nothing to do to exit: how many these are. */
int luas__pool_trim(luas__pool *p);

/* While it is so, the library's thread looks after workers that have nothing to do, also when
   there is no job. */
int luas__pool_keep_time(luas__pool *p, bool keeps);

/* Kills all workers. Their tasks become cancelled. */
int luas__pool_terminate(luas__pool *p);

#endif
