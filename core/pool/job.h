/*
 * A job: one function, its inputs, how they are dealt (job_inputs.h), and the outcomes that have
 * come and that nobody has taken yet (job_outcomes.h). A job moves no bytes itself: the pool deals
 * from it and settles into it.
 *
 * The owner: 1. luas__job_new; 2. feeds batches of encoded inputs, or says how many inputs the
 * workers have inherited; 3. seals the job, and the pool does its part; 4. luas__job_outcomes_swap,
 * and reads the outcomes; 5. luas__job_free, once no worker has a task of it. The pool's lock
 * guards all of it but `taken`.
 *
 * The process may fork while the pool's thread is working, and the child cannot lock its copy
 * of the pool. The atomics tell which parts of the copy are complete.
 */
#ifndef LUAS_JOB_H
#define LUAS_JOB_H

#include <stdatomic.h>
#include <stdbool.h>

#include "definition.h"
#include "fd_set.h"
#include "frame.h"
#include "held.h"
#include "limit.h"
#include "outcome.h"
#include "pending.h"
#include "queue.h"
#include "surroundings.h"
#include "text.h"

/* Inputs that were fed together: of each its size and its arguments. */
typedef struct luas__batch {
    uint64_t first;         /* index of the first task */
    uint32_t count;
    uint32_t unsettled;     /* tasks without an outcome; at 0 it is freed */
    luas__buffer bytes;
    size_t *ends;           /* count offsets: where each task's bytes end */
    luas__passage of;       /* each input is a record of this text, and `bytes` has them, or the
                               file has; its text is NULL: arguments, as the codec writes them */
    luas__surroundings *around; /* those of the job when it was fed, or NULL */
} luas__batch;

/* The batch whose tasks have indices from `first` on; NULL once it was freed. */
typedef struct luas__batch_place {
    uint64_t first;
    luas__batch *batch;
} luas__batch_place;

/* After what a task is started again. ASK: its owner decides. */
enum luas__retry_on { LUAS__RETRY_CRASHES, LUAS__RETRY_ERRORS, LUAS__RETRY_ANY, LUAS__RETRY_ASK };

typedef struct luas__policy {
    int64_t timeout;        /* ns for a task; 0: none */
    int64_t grace;          /* ns between asking a task to stop and killing it */
    int64_t deadline;       /* ns for the whole job; 0: none */
    int32_t retries;        /* further starts of a task that failed */
    struct {
        enum luas__retry_on on; /* CRASHES counts timeouts, too */
        int64_t delay, max; /* ns before the first of these starts, and the most */
        double factor;      /* by which the next pause is longer */
    } retry;
    luas__limit_policy limit;   /* all zero: none */
    uint32_t chunk;         /* tasks a frame; 0: adapted to their time */
    struct {
        uint32_t n;         /* failures after which no more is dealt; 0: none */
        double percent;     /* or so many of a hundred tasks */
        bool now;           /* what runs then is stopped */
    } halt;
    int32_t priority;       /* higher is dealt first */
    size_t room;            /* bytes of outcomes that may wait; 0: no limit */
    int flags;              /* LUAS__JOB_* */
    int64_t seed;
} luas__policy;

/* Jobs in the order in which they were added. When it is empty, `last` is &first. */
typedef struct luas__job_list {
    struct luas__job *first, **last;
} luas__job_list;

typedef struct luas__job {
    luas__queue_node place;     /* in the queue; the first member: luas__job_in */
    luas__queue *queue;         /* the queue for when it has tasks to deal, or NULL */
    bool queued;                /* it is in that queue now */
    struct luas__job *next, **link; /* in a list of the pool's */
    luas__job_list *list;       /* that list, or NULL */
    struct luas__job *next_dropped; /* in the pool's list of dropped jobs */
    int64_t id;
    int64_t made_at;                /* coarse ns */
    luas__policy policy;
    bool pumped;                /* goes on while no call drives the pool */
    atomic_bool done;           /* all outcomes are known, and in the inbox */
    bool watched;               /* the owner wants to be told when it is done */
    atomic_bool posting;        /* the inbox is being changed: in a copy it may be torn */
    bool closed;                /* nobody wants outcomes any more */
    uint64_t dealt;             /* tasks in workers now */
    int failed_starts;          /* workers in a row that ended before they began a task */
    luas__definition **definitions; /* workers must have them, in this order, before a task */
    int ndefinitions;
    size_t cap_definitions;
    luas__surroundings *around;     /* of the host, for tasks that are fed now; or NULL */
    struct {
        uint32_t id;            /* workers forked from it can do the job; 0: any can */
        int workers;            /* how many such workers there should be */
        bool has_zygote;        /* the host goes on and changes: only a zygote is as it was */
        int64_t begun_at;       /* ns; when its workers were asked for */
    } snapshot;
    luas__fd_set captured;      /* descriptors of the host that its own workers keep */
    struct {
        uint64_t fed;           /* tasks 1 .. fed exist */
        bool sealed;            /* nothing more will be fed */
        luas__batch_place *batches; /* by index, from first_batch to nbatches - 1 */
        size_t first_batch, nbatches, cap_batches;
        luas__pending pending;
        uint64_t waiting;       /* tasks in pending */
        luas__held held;        /* others, which will be there later (retries.h) */
        luas__limit *limit;     /* and those that its limit keeps back, or NULL */
        luas__buffer record;    /* the input that was asked for last, if it is a record */
    } input;
    struct {
        double task_ns;         /* measured time of a task; 0: not yet known */
        double steady_ns;       /* the same, smoothed: a single task changes it little */
        uint32_t last_chunk;
        int concurrency;        /* how many workers it is dealt to; 0: all */
        int slots_left;         /* to how many more it may be dealt now */
        uint32_t round;         /* the round in which these two were computed */
        uint64_t heard;         /* output.settled, when it was last looked at */
        int64_t heard_at;       /* ns; when it was last seen to change; 0: never looked at */
        double turn;            /* ns of work that it was dealt in this turn of its */
    } pace;
    struct {
        uint64_t settled, failures, cancelled;
        luas__buffer inbox;     /* luas__outcome and payload, one after other */
        luas__buffer taken;     /* the owner's: swapped with an inbox */
        size_t inputs;          /* bytes of inputs that went with outcomes */
        luas__outcome value;    /* in a run of framed values: the one that was read last */
        uint64_t framed;        /* how many of the run are left */
        const char *frames;     /* where these are, in `taken` */
        struct {
            luas__buffer inbox, taken;  /* outcomes that its owner has to decide on */
        } asked;
    } output;
    struct {                    /* for whom watches it (events.h); times are ns, or 0 */
        uint32_t stamp;         /* bytes at the end of each result */
        char label[48];         /* what its function is called, for people */
        int64_t first_start, last_end, slowest;
        luas__batch *names;     /* what inherited inputs are called, or NULL */
        struct luas__journal_job *journal;  /* what a journal knows of its tasks, or NULL */
    } seen;
    struct {
        luas__queue_node place; /* in the pool's queue of wakes, when it is set */
        bool is_set;
        int64_t deadline;       /* ns; 0: none, or it has passed */
    } wake;
    bool expired;               /* its deadline has passed */
    struct {
        bool reached;           /* too many tasks have failed */
        bool stops;             /* so those that run are to be stopped */
    } halt;
    int process_status;         /* LUAS__JOB_PROCESS: how its worker ended */
    atomic_bool process_gone;   /* that worker has ended, and its outcome is there */
} luas__job;

luas__job *luas__job_new(const luas__policy *policy);
void luas__job_free(luas__job *j);
void luas__job_free_batch(luas__batch *b);

/* Moves the job from its list to the end of another one; NULL: to no list. */
void luas__job_move(luas__job *j, luas__job_list *list);

/* Its place among the jobs of its priority; lower goes first. */
void luas__job_place(luas__job *j, int64_t turn);

/*
 * From now on the job is in this queue whenever it has tasks that may be dealt. The functions
 * below see to that. NULL: it is in no queue.
 */
void luas__job_enqueue(luas__job *j, luas__queue *q);

static inline luas__job *luas__job_in(luas__queue_node *place)
{
    return (luas__job *)(void *)place;
}

/* Call it after every change that can change the answer of luas__job_ready. */
void luas__job_requeue(luas__job *j);

/* Call it when nobody wants its outcomes any more. No further task is dealt. */
void luas__job_close(luas__job *j);

/* Has it tasks that may be dealt? */
bool luas__job_ready(const luas__job *j);

bool luas__job_finished(const luas__job *j);

/* Do more outcomes wait than the policy has room for? */
bool luas__job_full(const luas__job *j);

#endif
