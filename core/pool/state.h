/*
 * The state of a pool: its workers, its jobs, and what the files of this floor remember about
 * them. Each nested struct belongs to the file of its name; other files only read it. The
 * pool's lock guards everything, except where a header says otherwise.
 *
 * A process that the owner forks has a copy of the pool. If a thread held the lock at the fork,
 * the copy stays locked for good. So the lock of a copy is never taken.
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

/* Makes a zygote for a pool with these slots, which finds what `around` says. Called with the
   pool left (atfork.h). Returns 0, or negative with nothing left behind. */
typedef int luas__pool_bear(void *bearer, luas__zygote *z, const luas__surroundings *around,
                            const luas__bulk *bulk);

/* Starts a worker that is a fresh program, which finds what `around` says. Returns its pid, or
   negative; then `why`, of LUAS__LAUNCH_WORDS bytes, may say more. */
enum { LUAS__LAUNCH_WORDS = 400 };
typedef pid_t luas__pool_launch(void *launcher, const luas__zygote_request *wanted,
                                const luas__surroundings *around, const luas__bulk *bulk, char *why);

typedef struct luas__pool_options {
    int workers;                /* the most there may be, without those of inheriting jobs */
    luas__child_main *main;     /* what a worker runs */
    luas__keeping keeping;      /* of the host's descriptors a worker keeps so many, */
    luas__child_keeps *keeps;   /* and what this says */
    luas__pool_bear *bear;      /* makes the zygote that forks all workers; NULL: the host forks */
    void *bearer;               /* passed to bear */
    luas__pool_launch *launch;  /* starts each worker; NULL: they are forked */
    void *launcher;             /* passed to it */
    bool has_init;              /* a worker sends READY when init has run */
    int64_t idle;               /* ns after which a worker without a task ends; 0: none does */
    int64_t init_timeout;       /* ns that this may take; 0: no limit */
    uint64_t max_tasks;         /* a worker is replaced after so many; 0: never */
    luas__output_mode output;
    luas__output_hear *hear;    /* is given their lines, instead of the host's stdout; or NULL */
    void *hearer;               /* passed to it */
    char label[40];             /* names workers in tags */
    size_t memory;              /* bytes above which a worker is killed; 0: none */
    size_t max_memory;          /* bytes above which it is replaced when idle */
    int64_t exit_timeout;       /* ns that a worker has to end when it is told to; 0: no limit */
} luas__pool_options;

/* They have the same names in scripts, and in luas.h. */
#define LUAS__STATS(X) \
    X(tasks) X(values) X(errors) X(timeouts) X(crashes) X(cancelled) \
    X(forks) X(retries) X(chunks) X(steals)

typedef struct luas__stats {
#define LUAS__STATS_FIELD(name) uint64_t name;
    LUAS__STATS(LUAS__STATS_FIELD)
#undef LUAS__STATS_FIELD
    uint64_t resumed;       /* a journal knew them: they are not among the tasks */
} luas__stats;

/* Counts the tasks that an outcome is of. */
static inline void luas__state_count(luas__stats *s, const luas__outcome *o)
{
    uint64_t *counters[] = {&s->values, &s->errors, &s->timeouts, &s->crashes, &s->cancelled};
    *counters[o->kind] += o->count;
    s->tasks += o->count;
}

typedef struct luas__pool {
    pthread_mutex_t lock;
    luas__fork_detect fork_detect;
    struct {
        struct luas__pool *next, **link;    /* of all pools of the process */
        bool rests;             /* false: it did not rest at the last fork */
        bool left;              /* the owner has unlocked it in order to fork */
    } atfork;
    luas__pool_options options;
    luas__bulk bulk;
    luas__poller poller;
    luas__definitions definitions;
    luas__stats stats;
    luas__events events;
    luas__sinks sinks;          /* for what workers print with a tag; the line of progress */
    int cpus;                   /* how many there are; 0: not asked yet */
    bool closing;               /* no new jobs, no new workers */
    int64_t trusted_at;         /* ns; when workers' shared words were last checked (trust.h) */
    bool alarmed;               /* the alarm went off, and nobody has handled it yet */
    uint64_t progress;          /* counts everything that an owner could wait for */
    uint64_t noticed;           /* the value of `progress` that the owner has seen */
    luas__job_list jobs;        /* unfinished */
    luas__job_list ended;       /* finished and watched, not yet told by luas__pool_ended */
    luas__job_list done;        /* all others that are finished and not dropped */
    luas__job *dropped;         /* dropped; freed when no worker has a task of them */
    luas__queue ready;          /* jobs with tasks to deal, for any worker */
    luas__queue wakes;          /* with something to do at a time (wakes.h) */
    luas__queue inherited;      /* jobs with tasks to deal, for workers of their own */
    int broadcasts;             /* how many unfinished jobs have a task for each worker */
    int64_t last_job;
    luas__buffer made;          /* names of globals that workers have made, a zero after each */
    luas__surroundings *around; /* the host's when they were last looked at, or NULL */
    luas__worker **workers;     /* in the order in which they were prepared */
    int nworkers;
    size_t cap_workers;
    struct luas__snapshot *snapshots;   /* zygotes, and what is left of them */
    struct luas__snapshot *mother;      /* the one that forks workers for any job, or NULL */
    struct {
        int broken;             /* why no worker can start, or 0 */
        luas__buffer why;       /* the same in words, ending in a zero */
        luas__outcome as;       /* what tasks that no worker has begun have then, */
        luas__buffer payload;   /* with this payload */
        luas__buffer notes;     /* what nobody waits for: messages, a zero after each */
        bool exit_failed;       /* one of these says what exit raised */
        int failed_starts;      /* deaths in a row without a task started */
        bool initialized;       /* init has run in some worker */
        int refusals;           /* failed tries to start another since then (starts.h) */
        int64_t retry_at;       /* ns; when the next may be made */
    } health;
    struct {
        int pending;            /* workers that are prepared and still to be forked */
        uint32_t last_serial, last_snapshot;
        int64_t forked_at;      /* ns; when the last worker was forked */
        bool failed;            /* the last fork failed; try again later */
        int births;             /* tries to make a mother */
        bool had_mother;
    } spawn;
    struct {
        int64_t lacks_since, lack_seen_at;  /* ns; how long a job has had to wait */
        int64_t room_asked_at;  /* ns; when idle workers were last told to end for one */
        bool asks_only;         /* the library's thread is scaling: it asks zygotes, forks not */
        int64_t inherit_cost, cost_seen_at; /* ns; see luas__pool_inherit_cost */
        int64_t cost_before, cost_of;       /* without the last job that it is of, and its id */
    } scaling;
    struct {
        uint32_t round;         /* counts the rounds of luas__concurrency_begin */
        int64_t retry_at;       /* ns; when one of the jobs looked at may go to more workers */
    } concurrency;
    struct {
        int64_t last;           /* given to a job (luas__job_place) */
        double length;          /* ns of work for which one lasts */
    } turns;
    struct {
        bool pays;              /* the last wait was so short that spinning is cheaper */
        int in_a_row;
    } spin;
    struct {
        struct luas__pump *pump;    /* the thread, once there was one */
        int jobs;               /* how many unfinished jobs it has to drive */
        int drivers;            /* how many calls drive the pool now */
        bool is_polled;         /* a poll loop of the owner drives the pool instead */
        bool keeps_time;        /* the thread looks after workers without jobs, too */
    } pumping;
} luas__pool;

/* Locks the pool. LUAS_EFOREIGN if this process has only a copy of it. */
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

/* Records why no worker can start, as a code and in words. Only the first call counts. */
void luas__state_break(luas__pool *p, int code, const char *words, size_t len);

/* Notes that something went wrong that nobody waits for. The owner reports it. A note is
   lost if there is no room for it. */
void luas__state_note(luas__pool *p, const char *what, const char *words, size_t len);

/* Must the memory of workers be measured? */
bool luas__state_weighs(const luas__pool *p);

/* How many workers can be given tasks, now or once they are forked. */
int luas__state_active(const luas__pool *p);

/* How many CPUs this process may use. The system is asked once. */
int luas__state_cpus(luas__pool *p);

/* How long a call waits for room for a worker. */
#define LUAS__PATIENCE (5 * LUAS__SECOND)

/* Of work, for a job that shares the workers with others. */
#define LUAS__SHORTEST_TURN (10 * LUAS__MS)

/* If this many workers in a row end before they do anything, the next ones will, too. */
enum { LUAS__MOST_FAILED_STARTS = 3 };

#endif
