/*
 * A worker as its host sees it: a child, two pipes, a shared scoreboard, and the
 * chunks that it was sent and has not answered, in order. Nothing here waits.
 *
 * The pool's lock guards all of it. Only the thread that calls the pool forks
 * workers and releases them.
 */
#ifndef LUAS_WORKER_H
#define LUAS_WORKER_H

#include <stdbool.h>

#include "channel.h"
#include "child.h"
#include "job.h"
#include "output.h"
#include "scoreboard.h"
#include "poller.h"
#include "zygote.h"

typedef struct luas__chunk {
    luas__job *job;
    uint64_t index;         /* of its first unanswered task */
    uint32_t count, seq;    /* unanswered tasks; seq of the first */
    uint32_t size;          /* tasks that it had when it was sent */
    uint32_t attempts;      /* earlier starts of its tasks */
} luas__chunk;

typedef struct luas__known_job {
    int64_t id;
    int defined;            /* how many of the job's definitions were sent */
    uint32_t tasks;         /* how many of its tasks, without those taken back */
    bool is_inherited;      /* its function is in the worker's image */
} luas__known_job;

enum luas__worker_state {
    LUAS__WORKER_PREPARED,  /* can be given tasks; its process is still to be forked */
    LUAS__WORKER_RUNNING,
    LUAS__WORKER_STOPPING,  /* was told to exit: gets no more tasks */
    LUAS__WORKER_REAPED,
    LUAS__WORKER_ENDED      /* and all that it sent is in `link.in` and was taken */
};

/* What a running task said of itself. */
typedef struct luas__task_progress {
    uint32_t seq;           /* of the task; 0: none has said anything */
    double done, total;     /* a total of 0 is unknown */
    char note[64];
} luas__task_progress;

typedef struct luas__worker {
    int number;             /* from 1; a worker that replaces another has its */
    uint32_t serial;        /* never used twice in a pool */
    enum luas__worker_state state;
    uint32_t snapshot;      /* which one it was forked from; 0: it knows what is shipped */
    luas__job *snapshot_job;    /* that it was forked for, while the job can use it; or NULL */
    int inherited_definitions;  /* so many of that job's definitions are in the snapshot */
    luas__job *process;     /* the one job that it was forked for, or NULL */
    luas__child child;
    pid_t pid;              /* stays when the child is reaped */
    int exit_status;        /* with which it is to exit when it is told to stop */
    bool told_to_stop;      /* stays when it has ended */
    bool ready;             /* init has run */
    bool counted;           /* its death has been counted against a job */
    bool retiring;          /* is to be replaced: large, stuck, or from a snapshot that was used */
    bool over_memory;       /* was killed for its memory */
    size_t resident;        /* bytes that it had when it was forked */
    luas__output output;    /* what its tasks print, unless it is inherited */
    luas__scoreboard *scoreboard;
    luas__bulk *bulk;       /* the pool's */
    luas__slot slot;        /* in it, for large results */
    struct {
        int request_reader; /* kept open so that writing never raises SIGPIPE */
        int request;        /* write end, non-blocking */
        int result;         /* read end, non-blocking; -1 after end of file */
        int writer;         /* the child's end of it, until the child has it */
        int prints[2];      /* the child's, for luas__output_become, likewise */
        bool wants_write;   /* the poller watches `request` */
        bool stop_unsent;   /* there was no memory to tell it to stop: flushing does */
        luas__buffer out, in;
        int64_t sent_at;    /* coarse ns; when `out` was last empty */
        uint64_t piped;     /* stream bytes that came through the pipe */
        uint64_t received;  /* stream bytes that are or were in `in` */
    } link;
    struct {                /* what it was sent and has not answered, in order */
        luas__chunk *chunks;    /* the first one, in `room` */
        int nchunks;
        luas__chunk *room;
        size_t cap_room;
        uint32_t unanswered;
        uint32_t next_seq;
        uint64_t served;    /* tasks answered */
        int64_t busy;       /* scoreboard->busy when last looked at */
        uint32_t revoked_seq;   /* the last seq taken back, until it is known to be past it; or 0 */
        int64_t idle_since; /* ns; since when it has run nothing meanwhile; 0: not so */
    } tasks;
    struct {                /* what it has of jobs */
        luas__known_job *jobs;
        int njobs;
        size_t cap_jobs;
        int64_t *definitions;
        int ndefinitions;
        size_t cap_definitions;
    } known;
    struct {
        uint32_t stop_seq;  /* task that was asked to stop; 0: none */
        uint16_t stop_kind; /* why: LUAS__KIND_TIMEOUT or _CANCELLED */
        int64_t kill_at;    /* ns; when it is killed if it has not */
        int64_t waiting_since;  /* ns; since when a timed task has not begun; 0: it has */
        uint32_t waiting_seq;   /* of that task */
    } deadline;
    struct {                /* for whom watches (events.h) */
        uint32_t told_seq;  /* the last task whose start was told */
        luas__task_progress progress;
    } seen;
} luas__worker;

/* What there is to say of a worker before it is forked. */
typedef struct luas__spawn_request {
    int number;
    uint32_t serial;
    luas__output_mode output;
    const char *label;
    luas__bulk *bulk;       /* the pool's */
    luas__sinks *sinks;     /* the pool's */
    uint32_t snapshot;
    int inherited_definitions;
} luas__spawn_request;

/* What the child runs, as the pool's owner defines it; gives its exit status. */
typedef int luas__child_main(void *host, luas__channel *channel);

/*
 * The host: 1. luas__worker_prepare makes all of it but the process; it can be
 * given tasks from then on. 2. luas__worker_fork, 3. in the child
 * luas__worker_become, in the host luas__worker_begin, by when it may have forked
 * others. Or in place of all these luas__worker_spawn, and in the child
 * luas__worker_wake. 4. luas__worker_close.
 */

/* 0, or negative with nothing left behind. */
int luas__worker_prepare(luas__worker **worker, luas__poller *poller, const luas__spawn_request *birth);

/* The pid, 0 in the child, or negative, as before then. It leaves the struct alone, and
   so must the child: what either writes to is copied first. (A child that another
   thread forks meanwhile has the scoreboard, too, and does not know of it.) */
pid_t luas__worker_fork(const luas__worker *w, const luas__child_forks *forks);
void luas__worker_begin(luas__worker *w, pid_t pid, luas__poller *poller);

/* In the child, once all other descriptors are closed. */
void luas__worker_become(const luas__worker *w, luas__channel *channel);

/* Prepares one that the zygote forks: 0, or negative with nothing left behind. */
int luas__worker_spawn(luas__worker **worker, luas__poller *poller, const luas__spawn_request *birth,
                      luas__zygote *zygote);

/* In a worker that a zygote has forked: takes over the wanted's descriptors.
   Negative when it cannot be a worker. */
int luas__worker_wake(luas__channel *channel, luas__zygote_request *wanted);

/* Closes and frees; the child, if any, must have been reaped. */
void luas__worker_close(luas__worker *w, luas__poller *poller);

/* In a forked child, which is this worker or not: gives the descriptors that it does
   not go on with to be closed. */
void luas__worker_abandon(const luas__worker *w, bool is_self, luas__fd_closing *closing);

/* Events: what a poller key is about. */
enum luas__worker_event { LUAS__ON_RESULT, LUAS__ON_REQUEST, LUAS__ON_END, LUAS__ON_OUTPUT };
uint64_t luas__worker_key(const luas__worker *w, enum luas__worker_event event);

/* Sends what is in `out` as far as the pipe takes it. */
int luas__worker_flush(luas__worker *w, luas__poller *poller);

/* Reads what the pipe has into `in`. */
int luas__worker_receive(luas__worker *w, luas__poller *poller);

/* Has it committed results that were not received? */
bool luas__worker_is_ahead(const luas__worker *w);

/* Takes committed results that are not in the pipe yet into `in`. */
int luas__worker_peek(luas__worker *w);

/* Queues word that it is to exit. */
int luas__worker_stop(luas__worker *w, int status);

#endif
