/*
 * The stream of events of a pool: what its tasks and workers do, for whoever
 * listens (progress, reports, traces, logs, an application). Nothing is
 * stamped and nothing told while nobody does.
 *
 * A listener is called with the pool's lock held, from whichever thread drives
 * the pool: it must not call the pool, nor wait. What an event points to is
 * valid during the call. Listeners are added and removed by the pool's owner.
 *
 * Only jobs that began with a listener there, or asked for it themselves, are
 * stamped (LUAS__JOB_STAMPED): events of tasks are about these. A worker
 * stamps the end of each task, and that is the start of the next one.
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
    LUAS__EVENT_STARTED,     /* at the latest told right before its end */
    LUAS__EVENT_ENDED,
    LUAS__EVENT_FORKED,    /* the first with its number */
    LUAS__EVENT_REPLACED,  /* forked with the number of one before it */
    LUAS__EVENT_DIED,      /* with `status`, also of its own will */
    LUAS__EVENT_TICK         /* time has passed: a good moment to write out */
};

typedef struct luas__pool_event {
    enum luas__event_type type;
    int64_t at;             /* ns of CLOCK_MONOTONIC, as all times here */
    int64_t job;            /* its id in the pool */
    const char *label;      /* what the job is called, or "" */
    uint64_t fed;           /* tasks that the job has so far */
    uint64_t waiting;       /* of those, not dealt */
    uint64_t index, count;  /* of the task; of tasks that were cancelled together
                               before any was dealt the index is 0 */
    int32_t worker, pid;    /* 0: none */
    int64_t start, took;    /* ENDED; took is -1 where nobody knows */
    enum luas__kind kind;   /* ENDED */
    int32_t attempts;       /* starts so far */
    bool retried;           /* ENDED, and it will be started again */
    bool ends_chunk;        /* ENDED, and nothing is left of what it was dealt with */
    int status;             /* as waitpid gives it, -1 when unknown */
    uint32_t size;          /* ENDED: bytes of the results */
    struct luas__job *source;   /* ENDED: has the input (luas__event_input), or NULL */
    const char *input;      /* MessagePack of the arguments, where there is no source */
    size_t input_len;
    const char *raised;     /* [value, message, traceback], or NULL */
    size_t raised_len;
} luas__pool_event;

/*
 * A reader of the stream: the first member of what a tally, a trace, a log is.
 * Several pools may tell it, and each tells which it is by its tag. Whoever
 * makes it is its first user.
 */
typedef struct luas__reader {
    _Atomic int users;
    pthread_mutex_t lock;   /* held while it hears, as what it keeps is several pools' */
    unsigned wants;         /* 1 << type, of the events that it is told */
    void (*hear)(struct luas__reader *self, int tag, const luas__pool_event *event);
    void (*close)(struct luas__reader *self);   /* frees it, after the last user */
} luas__reader;

void luas__reader_init(luas__reader *r, unsigned wants,
                       void (*hear)(luas__reader *, int, const luas__pool_event *),
                       void (*close)(luas__reader *));
void luas__reader_drop(luas__reader *r);

/* What a task was given, while its event is being told: MessagePack of the arguments,
   or NULL where it was inherited. */
const char *luas__event_input(const luas__pool_event *e, size_t *len);

typedef struct luas__listener {
    struct luas__listener *next;
    luas__reader *reader;
    int tag;
} luas__listener;

typedef struct luas__events {
    luas__listener *listeners;
    bool all;               /* some listener wants all jobs stamped */
    int numbers;            /* the highest worker's number that there was */
} luas__events;

struct luas__pool;
struct luas__worker;
struct luas__job;

/* Tells the reader of what happens from now on; `all`: of all jobs that begin from
   now on. LUAS_ENOMEM: it is not told. */
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

/* The first unanswered tasks of the worker are over, as `o` says; `payload` is the
   outcome's, and a run of framed values still has its stamps. LUAS_EPROTO where it
   has none: then nobody was told. */
int luas__events_ended(struct luas__pool *p, struct luas__worker *w, const luas__outcome *o,
                       const char *payload, bool retried);
void luas__events_cancelled(struct luas__pool *p, struct luas__job *job, uint64_t count);
void luas__events_forked(struct luas__pool *p, const struct luas__worker *w);
void luas__events_died(struct luas__pool *p, const struct luas__worker *w);
void luas__events_tick(struct luas__pool *p);

#endif
