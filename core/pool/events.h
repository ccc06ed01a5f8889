/*
 * The stream of events of a pool: it tells listeners (progress, reports, traces, logs, an
 * application) what tasks and workers do. Without a listener no event is made, and tasks
 * are not timed.
 *
 * A listener is called with the pool's lock held, by the thread that drives the pool. It must
 * not call the pool, and must not wait. Pointers in an event are valid during the call. Only
 * the pool's owner adds and removes listeners.
 *
 * Only stamped jobs (LUAS__JOB_STAMPED) have events about their tasks: jobs that began while
 * there was a listener, and jobs that asked for it. A worker stamps the end of each task;
 * that is also the start of the next one.
 */
#ifndef LUAS_EVENTS_H
#define LUAS_EVENTS_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "outcome.h"

enum luas__event_type {
    LUAS__EVENT_DEALT,       /* `count` tasks from `index` on went to a worker */
    LUAS__EVENT_STARTED,     /* may come late, but always before the task's end */
    LUAS__EVENT_ENDED,
    LUAS__EVENT_FORKED,    /* the first with its number */
    LUAS__EVENT_REPLACED,  /* forked with the number of one before it */
    LUAS__EVENT_DIED,      /* with `status`; also when it exited as it was told to */
    LUAS__EVENT_MOTHER,      /* the zygote that forks workers has died: another does it, with the
                                `pid`, or from now on the host does (0) */
    LUAS__EVENT_TICK         /* time has passed: a good moment to write out */
};

typedef struct luas__pool_event {
    enum luas__event_type type;
    int64_t at;             /* ns of CLOCK_MONOTONIC, as all times here */
    int64_t job;            /* its id in the pool */
    const char *label;      /* what the job is called, or "" */
    uint64_t fed;           /* tasks that the job has so far */
    uint64_t waiting;       /* tasks of those that are not dealt */
    uint64_t index, count;  /* of the task; of tasks that were cancelled together
                               before any was dealt the index is 0 */
    int32_t worker, pid;    /* 0: none */
    const char *workers;    /* what the pool calls its workers, before the number; or NULL */
    int32_t machine;        /* that of the worker, by a number of the pool's; 0: this one */
    const char *machine_name;   /* what that is called, or NULL */
    int64_t start, took;    /* ENDED; took is -1 when unknown */
    enum luas__kind kind;   /* ENDED */
    int32_t attempts;       /* starts so far */
    bool retried;           /* ENDED, and it will be started again */
    bool ends_chunk;        /* ENDED, and it (the last of a run) was the last of its chunk */
    int status;             /* as waitpid gives it, -1 when unknown */
    uint32_t size;          /* ENDED: bytes of the results */
    struct luas__job *source;   /* ENDED: has the input (luas__events_input), or NULL */
    const char *input;      /* MessagePack of the arguments, where there is no source */
    size_t input_len;
    const char *result;     /* ENDED with a value: `size` bytes, or NULL */
    struct luas__journal_job *journal;  /* what a journal knows of the job, or NULL */
    const char *raised;     /* [value, message, traceback, seconds], or NULL */
    size_t raised_len;
} luas__pool_event;

/* One of a run of tasks that ended with values, one after the other in a worker. */
typedef struct luas__ended {
    int64_t start, at;
    const char *result;     /* `size` bytes */
    uint32_t size;
} luas__ended;

enum { LUAS__MOST_ENDED = 64 };

/*
 * A reader of the stream. It is the first member of a tally, a trace or a log. Several pools
 * may tell one reader; it knows them apart by their tags. Who makes a reader is its first
 * user.
 */
typedef struct luas__reader {
    _Atomic int users;
    pthread_mutex_t lock;   /* held while it is told something: several pools may do so */
    _Atomic int64_t due;    /* ns; a tick is wanted then; 0: whenever one comes */
    unsigned wants;         /* which events it is told: bits 1 << type */
    void (*hear)(struct luas__reader *self, int tag, const luas__pool_event *event);
    /* NULL; or it is told of up to LUAS__MOST_ENDED values by one call. The event is then the
       first one's, without its times. */
    void (*hear_run)(struct luas__reader *self, int tag, const luas__pool_event *first,
                     const luas__ended *tasks, size_t n);
    void (*close)(struct luas__reader *self);   /* frees it, after the last user */
} luas__reader;

void luas__events_init_reader(luas__reader *r, unsigned wants,
                       void (*hear)(luas__reader *, int, const luas__pool_event *),
                       void (*close)(luas__reader *));
void luas__events_drop_reader(luas__reader *r);

/* The input of the task whose event is being told: MessagePack of the arguments, or NULL if
   it was inherited. */
const char *luas__events_input(const luas__pool_event *e, size_t *len);

typedef struct luas__listener {
    struct luas__listener *next;
    luas__reader *reader;
    int tag;
} luas__listener;

typedef struct luas__events {
    luas__listener *listeners;
    bool all;               /* some listener wants all jobs stamped */
    unsigned wanted;        /* what some reader wants: bits 1 << type */
    int numbers;            /* the highest number that a worker has had */
} luas__events;

struct luas__pool;
struct luas__worker;
struct luas__job;

/* Tells the reader what happens from now on; with `all`, about all jobs that begin from now
   on. On LUAS_ENOMEM it is not told. */
int luas__events_listen(struct luas__pool *p, luas__reader *reader, int tag, bool all);
void luas__events_ignore(struct luas__pool *p, const luas__reader *reader);

/* ---- the engine, with the lock held ---- */

static inline bool luas__events_wanted(const luas__events *e)
{
    return e->listeners != NULL;
}

void luas__events_release(luas__events *e);
void luas__events_dealt(struct luas__pool *p, const struct luas__worker *w,
                        const struct luas__job *job, uint64_t index, uint64_t count);

/* Tells that the first unanswered tasks of the worker have ended, with the outcome `o` and its
   payload. A run of framed values must still have its stamps. If it has none this returns
   LUAS_EPROTO, and nobody was told. */
int luas__events_ended(struct luas__pool *p, struct luas__worker *w, const luas__outcome *o,
                       const char *payload, bool retried);
void luas__events_unbegun(struct luas__pool *p, struct luas__job *job, uint64_t count, enum luas__kind kind);
void luas__events_forked(struct luas__pool *p, const struct luas__worker *w);
void luas__events_died(struct luas__pool *p, const struct luas__worker *w);
void luas__events_mother(struct luas__pool *p);
void luas__events_tick(struct luas__pool *p);

/* When (ns) some reader wants a tick; INT64_MAX: none does. */
int64_t luas__events_due(const struct luas__pool *p);

#endif
