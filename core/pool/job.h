/*
 * A job: one function, its inputs, how they are dealt, and the outcomes that have come and
 * that nobody has taken yet. A job moves no bytes itself: the pool deals from it and settles
 * into it.
 *
 * The owner: 1. luas__job_new; 2. feeds batches of encoded inputs, or says how many inputs the
 * workers have inherited; 3. seals the job, and the pool does its part; 4. luas__job_swap, and
 * reads the outcomes; 5. luas__job_free, once no worker has a task of it. The pool's lock
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

/* Call it when nobody wants its outcomes any more. No further task is dealt. */
void luas__job_close(luas__job *j);

/* Has it tasks that may be dealt? */
bool luas__job_ready(const luas__job *j);

/* Adds tasks. The job takes over the bytes and the malloc'ed offsets; on failure
   (LUAS_ENOMEM) the caller keeps them. */
int luas__job_feed(luas__job *j, luas__buffer *bytes, size_t *ends, uint32_t count);

/* The same, for the records of a passage, which take the place of the encoded arguments. The bytes
   are empty if they are in a file. */
int luas__job_feed_records(luas__job *j, const luas__passage *of, luas__buffer *bytes, size_t *ends,
                           uint32_t count);

/* Adds tasks whose inputs the workers have inherited. */
int luas__job_feed_inherited(luas__job *j, uint64_t count);

/* As luas__job_return, for a task that has run and is to be started again. */
int luas__job_again(luas__job *j, luas__range task);

/* Of a job with a limit: a task has run so far; the time of some may have come. */
void luas__job_has_run(luas__job *j, uint64_t index);
void luas__job_release_due(luas__job *j);

/* Makes room, so that the next `extra` calls of luas__job_return cannot fail. */
int luas__job_reserve(luas__job *j, size_t extra);

/* Puts tasks back to where they were. */
int luas__job_return(luas__job *j, luas__range range);

/* Takes up to `most` consecutive pending tasks, all from one batch (NULL: inherited), for the
   worker with this serial (0: for any). Skips tasks that failed on that worker. Returns false
   when no others are pending. */
bool luas__job_take(luas__job *j, uint32_t worker, uint32_t most, luas__range *range,
                    luas__batch **batch);

/* Takes pending tasks among the `count` ones from `first` on: the first of them and those
   that follow it in the same batch. Returns false when none is pending. */
bool luas__job_take_within(luas__job *j, uint64_t first, uint64_t count, luas__range *range,
                           luas__batch **batch);

/* The batch of a task that is not settled; NULL: its input is inherited. */
luas__batch *luas__job_batch(luas__job *j, uint64_t index);

/* Where the inputs of some tasks of a batch begin, and their bytes. */
size_t luas__job_batch_range(const luas__batch *b, uint64_t first, uint64_t count, size_t *len);

/* The encoded inputs of some tasks of a batch, or their records, if no file has them. */
const char *luas__job_batch_bytes(const luas__batch *b, uint64_t first, uint64_t count, size_t *len);

/* Gives names to inherited inputs, in the form in which inputs are fed. Takes the bytes over,
   and fails, like luas__job_feed. */
int luas__job_name_inputs(luas__job *j, luas__buffer *bytes, size_t *ends, uint32_t count);

/* The input of a task that is not settled: MessagePack of its arguments, or of the name of its
   inherited input; NULL when unknown. Valid until the next call. */
const char *luas__job_input(luas__job *j, uint64_t index, size_t *len);

/* Makes room, so that luas__job_settle cannot fail for the next outcome. */
int luas__job_reserve_outcome(luas__job *j, const luas__outcome *o, const luas__buffer *printed);

/* Records an outcome, with what the task printed (NULL: not captured). It may be for several
   tasks: ones that were cancelled, or whose values are framed. On LUAS_ENOMEM nothing has
   changed. */
int luas__job_settle(luas__job *j, const luas__outcome *o, const char *payload,
                     const luas__buffer *printed);

/* Each pending task with an index between `from` and `to` has this outcome, with an index, a
   count and attempts of its own. */
int luas__job_end_pending(luas__job *j, uint64_t from, uint64_t to, const luas__outcome *as,
                          const char *payload);

bool luas__job_finished(const luas__job *j);

/* Frees the memory that a finished job no longer needs: its outcomes may wait for long. */
void luas__job_trim(luas__job *j);

/* Keeps an outcome on which the owner has to decide, with all that luas__job_settle would keep. */
int luas__job_ask(luas__job *j, const luas__outcome *o, const char *payload, const luas__buffer *printed);

/* The owner takes those that were kept. It must have used up those that it took before. */
void luas__job_swap_asked(luas__job *j);

/* The owner: the first of those that it took, until it is answered; or NULL. */
const luas__outcome *luas__job_asked(luas__job *j, const char **payload);

/* Makes it the outcome of its task. On LUAS_ENOMEM nothing has changed. */
int luas__job_settle_asked(luas__job *j, const luas__outcome *o, const char *payload);

/* The first of those that were taken is used up. */
void luas__job_answered(luas__job *j);

/* Do more outcomes wait than the policy has room for? */
bool luas__job_full(const luas__job *j);

/* The owner: swaps the inbox and the taken buffer, of which everything must have been read. */
void luas__job_swap(luas__job *j);

/* The owner: are there outcomes that were taken and not yet read? */
bool luas__job_has_taken(const luas__job *j);

/* Gives the seconds between start and end of a task, from the stamp that follows its payload;
   0 in a job that is not stamped. */
float luas__job_took(const luas__job *j, const char *stamp);

/* The owner: reads the next taken outcome, if it is one of a run of framed values, without the
   cost of luas__job_next; else returns NULL. */
static inline const char *luas__job_next_value(luas__job *j, uint64_t *index, uint32_t *len)
{
    if (j->output.framed == 0)
        return NULL;
    j->output.framed--;
    *index = ++j->output.value.index;
    const char *value = luas__frame_next_value(&j->output.frames, len);
    *len -= j->seen.stamp;
    return value;
}

/* The owner: as the next one, but framed values come together, as their frames. */
const luas__outcome *luas__job_next_run(luas__job *j, const char **payload);

/* The owner: reads the next taken outcome; NULL when there is none left. *payload is valid
   until the next call. Framed values come one by one. */
const luas__outcome *luas__job_next(luas__job *j, const char **payload);

#endif
