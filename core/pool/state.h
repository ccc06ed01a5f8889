/*
 * What a pool is: its workers, its jobs, and what the files of this floor note
 * down about them. Each nested struct has one owner, the file of its name; the
 * others only read it. The pool's lock guards all of it, but for what a header
 * says of its own functions.
 *
 * A process that the owner forked has a copy of the pool, whose lock a thread may
 * have held at that moment: it stays locked for good. So no copy is ever locked.
 */
#ifndef LUAS_STATE_H
#define LUAS_STATE_H

#include <pthread.h>
#include <stdbool.h>

#include "error.h"
#include "events.h"
#include "fork_detect.h"
#include "poller.h"
#include "worker_tasks.h"

typedef struct luas__pool_options {
    int workers;                /* at most, but for snapshot_workers of inheriting jobs */
    luas__child_main *main;     /* what a worker runs */
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
    struct {
        struct luas__pool *next, **link;    /* of all pools of the process */
        bool rests;             /* or did not, when the process forked last */
        bool left;              /* its owner forks, and has given the lock up for that */
    } atfork;
    luas__pool_options options;
    luas__bulk bulk;
    luas__poller poller;
    luas__definitions definitions;
    luas__stats stats;
    luas__events events;
    luas__sinks sinks;          /* for what workers print with a tag; the line of progress */
    int cpus;                   /* that there are; 0: not asked yet */
    bool closing;               /* no new jobs, no new workers */
    bool alarmed;               /* the alarm went off and nobody looked yet */
    uint64_t progress;          /* counts what an owner could wait for */
    uint64_t noticed;           /* what the owner has had a chance to see */
    luas__job_list jobs;        /* unfinished */
    luas__job_list ended;       /* finished, and luas__pool_ended has to say so yet */
    luas__job_list done;        /* finished, and not dropped yet: all others */
    luas__job *dropped;         /* and to be freed when no worker has a task of them */
    luas__queue ready;          /* with tasks to deal, for any worker */
    luas__queue inherited;      /* the same, for workers of their own */
    int broadcasts;             /* unfinished ones with a task for each worker */
    int64_t last_job;
    luas__worker **workers;     /* in the order in which they were prepared */
    int nworkers;
    size_t cap_workers;
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
        uint32_t round;         /* of looking how many workers jobs may go to */
        int64_t retry_at;       /* ns; when one of those looked at may go to more */
    } concurrency;
    struct {
        int64_t last;           /* given to a job (luas__job_place) */
        double length;          /* ns of work for which one lasts */
    } turns;
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

/* Locks the pool; LUAS_EFOREIGN where this process has only a copy of it. */
static inline int luas__state_lock(luas__pool *p)
{
    if (!luas__fork_detect_is_here(&p->fork_detect))
        return LUAS_EFOREIGN;
    pthread_mutex_lock(&p->lock);
    return 0;
}

static inline void luas__state_unlock(luas__pool *p)
{
    pthread_mutex_unlock(&p->lock);
}

/* No worker can start: for this reason, and in these words. Only the first counts. */
void luas__state_break(luas__pool *p, int code, const char *words, size_t len);

/* Is the workers' memory looked at? */
bool luas__state_weighs(const luas__pool *p);

/* The workers that can be given tasks, now or when they are forked. */
int luas__state_active(const luas__pool *p);

/* The CPUs that this process may use, asked for once. */
int luas__state_cpus(luas__pool *p);

/* For so long a call waits for room for a worker. */
#define LUAS__PATIENCE (5 * LUAS__SECOND)

/* Of work, for a job that shares the workers with others. */
#define LUAS__SHORTEST_TURN (10 * LUAS__MS)

/* After so many workers that end before they do anything it is no accident. */
enum { LUAS__MOST_FAILED_STARTS = 3 };

#endif
