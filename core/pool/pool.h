/*
 * A pool: workers, jobs, and the one loop that moves bytes between them.
 *
 * The owner: 1. luas__pool_open; 2. luas__pool_start a job, feed and seal it;
 * 3. luas__pool_step until luas__pool_take gives its outcomes, as long as it
 * wants them; 4. luas__pool_drop the job; 5. luas__pool_close. The functions
 * lock the pool themselves.
 *
 * Workers are forked from the owner's thread alone, inside start, inherit and
 * step. With luas__pool_pump a thread of the library's own moves bytes while
 * the owner does something else; it forks nothing, but it asks zygotes to.
 *
 * A task goes: pending in its job -> dealt to a worker -> claimed by it ->
 * settled. Between dealt and claimed it can be taken back.
 */
#ifndef LUAS_POOL_H
#define LUAS_POOL_H

#include <pthread.h>
#include <stdbool.h>

#include "fork_detect.h"
#include "poller.h"
#include "worker.h"

typedef struct luas__pool_options {
    int workers;                /* at most, but for snapshot_workers of inheriting jobs */
    luas__child_main *main;     /* what a worker runs */
    void (*abandon)(void *host);    /* first in a zygote: closes what is other pools' */
    bool has_init;              /* a worker sends READY before it is trusted */
    uint64_t max_tasks;         /* a worker is replaced after so many; 0: never */
    luas__output_mode output;
    char label[40];             /* names workers in tags */
    size_t memory;              /* bytes above which a worker is killed; 0: none */
    size_t max_memory;          /* bytes above which it is replaced when idle */
} luas__pool_options;

typedef struct luas__stats {
    uint64_t tasks, values, errors, timeouts, crashes, cancelled;
    uint64_t forks, retries, chunks, steals;
} luas__stats;

typedef struct luas__pool {
    pthread_mutex_t lock;
    luas__fork_detect fork_detect;
    luas__pool_options options;
    luas__bulk bulk;
    luas__poller poller;
    luas__definitions definitions;
    luas__stats stats;
    int cpus;                   /* that there are; 0: not asked yet */
    bool closing;               /* no new jobs, no new workers */
    bool alarmed;               /* the alarm went off and nobody looked yet */
    uint64_t progress;          /* counts what an owner could wait for */
    uint64_t noticed;           /* what the owner has had a chance to see */
    luas__job *jobs;            /* unfinished: by priority, then by age */
    luas__job *done;            /* finished, and not dropped yet */
    int64_t last_job;
    luas__worker **workers;     /* in the order in which they were prepared */
    int nworkers, cap_workers;
    struct luas__snapshot *snapshots;   /* zygotes, and what is left of them */
    struct {
        int broken;             /* why no worker can start, or 0 */
        luas__buffer why;       /* the same in words, ending in a zero */
        luas__buffer exit_error;    /* what the first exit that failed raised */
        bool exit_error_told;   /* the owner has passed it on */
        int failed_starts;      /* deaths in a row without a task started */
        bool initialized;       /* init has run in some worker */
    } health;
    struct {
        int pending;            /* workers that are prepared and still to be forked */
        uint32_t last_serial, last_snapshot;
        int64_t forked_at;      /* ns; when the last worker was forked */
        bool failed;            /* the last fork failed; try again later */
    } spawn;
    struct {
        int64_t lacks_since, lack_seen_at;  /* ns; from when to when a job had to wait for a worker */
        int64_t room_asked_at;  /* ns; when idle workers were last told to end for one */
        bool asks_only;         /* the library's thread looks for workers: it does not fork */
    } scaling;
    struct {
        bool pays;              /* the last wait was so short that looking is cheaper */
        int in_a_row;
    } spin;
    struct {
        struct luas__pump *pump;    /* the thread, once there was one */
        int jobs;               /* unfinished ones that it is to go on with */
        int drivers;            /* calls that drive the pool now */
    } pumping;
} luas__pool;

/* No worker runs yet. On failure *pool is NULL. */
int luas__pool_open(luas__pool **pool, const luas__pool_options *options);

/* Kills what still runs, reaps it, frees everything, jobs too. */
void luas__pool_close(luas__pool *p);

/* In a forked child: closes the descriptors of the pool and gives up what it
   shares with its workers, but for those of one worker, which the child is, or
   NULL; frees nothing. */
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

/* Where that failed for want of processes, descriptors or memory: idle workers are
   told to end, which the next steps see. False when none will. A caller does not
   wait for them longer than LUAS__PATIENCE. */
#define LUAS__PATIENCE (5 * LUAS__SECOND)
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

/* Makes outcomes ready for luas__job_next: false when there are none. */
bool luas__pool_take(luas__pool *p, luas__job *job);

/* A LUAS__JOB_PROCESS job's worker: its pid, 0 once it is gone; signals it, or gives
   LUAS_EFOREIGN, as a copy of the host does not hear of its end. */
pid_t luas__pool_process(luas__pool *p, const luas__job *job);
int luas__pool_signal_process(luas__pool *p, const luas__job *job, int signal);

/* Lets the library's thread do the job's work while no call does. Where there is no
   room for a thread only calls do it: that is no failure. */
int luas__pool_pump(luas__pool *p, luas__job *job);

/* Tells all workers to exit once they have done what they were given. */
void luas__pool_stop(luas__pool *p);
void luas__pool_resize(luas__pool *p, int workers);

/* Kills all workers: their tasks are settled as cancelled. */
void luas__pool_terminate(luas__pool *p);

/* ---- between these files, with the lock held ---- */

/* schedule.c: gives pending tasks to workers with room, and evens out; gives one that
   was just prepared its first, which it finds when it is forked. */
int luas__schedule_deal(luas__pool *p, bool alarmed);
int luas__schedule_first(luas__pool *p, luas__worker *w);
bool luas__schedule_needs_worker(luas__pool *p);
bool luas__schedule_is_spare(const luas__pool *p, const luas__worker *w);

/* scaling.c: brings the workers up to what the tasks can use; prepares those of jobs
   that have their own; ends those that are too many for `most`, or used up. */
int luas__scaling_up(luas__pool *p, void *host);
int luas__scaling_replace(luas__pool *p);
void luas__scaling_down(luas__pool *p, int most);

/* spawn.c: of what there is not enough now there may be later. */
bool luas__error_is_shortage(int rc);

/* spawn.c: prepares a worker, at the end of `workers`, or has a zygote fork it;
   forks all that are still to be forked. Where that fails those that are left are
   gone, and their tasks pending again. */
int luas__spawn_prepare(luas__pool *p, uint32_t snapshot);
int luas__spawn_fork_pending(luas__pool *p, void *host);

/* concurrency.c: before dealing and staffing, says of each job how many further
   workers it may go to; when (ns) it may be more. Does it go to this one? */
void luas__concurrency_update(luas__pool *p);
int64_t luas__concurrency_retry_at(const luas__pool *p);
bool luas__concurrency_has(const luas__worker *w, const luas__job *job);

/* pool.c: takes in what happened, and deals anew. */
int luas__drive_handle(luas__pool *p, const luas__event *events, int n);

/* pool.c: takes back what no worker has begun of a job. */
int luas__jobs_revoke(luas__pool *p, const luas__job *job);

/* pool.c: buries workers, and replaces them as far as that can be done without
   a fork here. */
int luas__drive_renew(luas__pool *p);

/* pool.c: as luas__job_cancel_pending, and counts. */
int luas__jobs_cancel_pending(luas__pool *p, luas__job *job, uint64_t from, uint64_t to);

/* pool.c: in a forked child, closes its copies of the pool's descriptors, but for
   what a worker, which it is, goes on with, or NULL. */
void luas__spawn_close_copies(luas__pool *p, const luas__worker *self);

/* snapshots.c: the zygote that has this image and how many of its job's definitions are in
   it, or NULL; are there zygotes of other snapshot_workers?; ends a job's; frees the ended;
   waits for the end of all; tells laden workers to end that can be replaced. */
luas__zygote *luas__snapshots_find(const luas__pool *p, uint32_t snapshot, int *definitions);
bool luas__snapshots_has_others(const luas__pool *p, uint32_t snapshot);
void luas__snapshots_end(luas__pool *p, const luas__job *job);
void luas__snapshots_free(luas__pool *p);
void luas__snapshots_close(luas__pool *p);
void luas__scaling_relieve(luas__pool *p);
void luas__snapshots_abandon(const luas__pool *p, luas__fd_closing *closing);   /* in a forked child */

/* spin.c: looks for a result that is about to come, for a moment at most:
   true when it is there; and learns from how long a wait was (ns). */
bool luas__spin_for_result(luas__pool *p);
void luas__spin_learn(luas__pool *p, int64_t waited);

/* pump.c */
int luas__pump_start(luas__pool *p);
void luas__pump_resume(luas__pool *p);
void luas__pump_end(luas__pool *p);     /* without the lock */

/* After so many workers that end before they do anything it is no accident. */
enum { LUAS__MOST_FAILED_STARTS = 3 };

/* deadlines.c */
int luas__deadlines_check(luas__pool *p);   /* deadlines, peeks; sets the alarm */
void luas__deadlines_stop_task(luas__pool *p, luas__worker *w, uint16_t kind);
bool luas__state_weighs(const luas__pool *p);    /* is memory looked at? */

/* receive.c */
int luas__drive_event(luas__pool *p, uint64_t key);
int luas__reap_worker(luas__pool *p, luas__worker *w);    /* once it may be reaped */
void luas__reap_free(luas__pool *p);   /* frees the ended; owner's thread */
int luas__receive_from(luas__pool *p, luas__worker *w);
int luas__receive_messages(luas__pool *p, luas__worker *w);
int luas__receive_catch_up(luas__pool *p, luas__worker *w); /* with what is in the ring */
void luas__state_break(luas__pool *p, int code, const char *words, size_t len);
void luas__jobs_done(luas__pool *p, luas__job *job);

#endif
