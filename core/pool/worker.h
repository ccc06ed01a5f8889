/*
 * A worker as the host sees it: a child, two pipes, a shared scoreboard, and the chunks that
 * were sent and not answered yet, in order. Nothing here waits.
 *
 * The pool's lock guards all of it. Only the thread that calls the pool forks
 * workers and releases them.
 */
#ifndef LUAS_WORKER_H
#define LUAS_WORKER_H

#include <stdbool.h>

#include "channel.h"
#include "child.h"
#include "descriptors.h"
#include "job.h"
#include "output.h"
#include "scoreboard.h"
#include "poller.h"
#include "zygote.h"

typedef struct luas__chunk {
    luas__job *job;
    uint64_t index;         /* index of the first unanswered task */
    uint32_t count, seq;    /* how many are unanswered; seq of the first of them */
    uint32_t size;          /* how many tasks the chunk had when it was sent */
    uint32_t attempts;      /* earlier starts of its tasks */
} luas__chunk;

typedef struct luas__known_job {
    int64_t id;
    int defined;            /* how many of the job's definitions were sent */
    uint32_t tasks;         /* how many of its tasks were sent and not taken back */
    bool is_inherited;      /* the worker has its function since it was forked */
} luas__known_job;

enum luas__worker_state {
    LUAS__WORKER_PREPARED,  /* not forked yet; can be given tasks */
    LUAS__WORKER_RUNNING,
    LUAS__WORKER_STOPPING,  /* told to exit; gets no more tasks */
    LUAS__WORKER_REAPED,
    LUAS__WORKER_ENDED      /* reaped, and all that it sent was read and taken in */
};

/* The progress that a running task has told. */
typedef struct luas__task_progress {
    uint32_t seq;           /* of the task; 0: none has told anything */
    double done, total;     /* a total of 0 is unknown */
    char note[64];
} luas__task_progress;

typedef struct luas__worker {
    int number;             /* from 1; a worker that replaces another gets its number */
    uint32_t serial;        /* never used twice in a pool */
    enum luas__worker_state state;
    uint32_t snapshot;      /* the one it was forked from; 0: none, it does shipped jobs */
    luas__job *snapshot_job;    /* the job of that snapshot, while the job can use it; or NULL */
    int inherited_definitions;  /* how many of that job's definitions are in the snapshot */
    luas__job *process;     /* the only job of a spawned process, or NULL */
    luas__child child;
    pid_t pid;              /* kept after the child was reaped */
    int exit_status;        /* the exit status that STOP asks for */
    bool told_to_stop;      /* kept after it has ended */
    bool ready;             /* init has run */
    int64_t forked_at;      /* ns */
    int64_t wanted_at;      /* ns; when it was prepared, for tasks that it could begin at once; or 0 */
    struct {                /* rest.h: since when (ns) it has served no more than so many */
        int64_t since;
        uint64_t served;
    } rest;
    struct {                /* starts.h */
        luas__buffer why;   /* what init raised, in words, */
        bool failed;        /* if it did */
        bool timed_out;     /* it took too long, and was killed for that */
        bool counted;       /* as a try that failed */
    } start;
    struct {                /* what is around it; or NULL */
        luas__surroundings *forked, *told;  /* at its fork; for tasks that it is sent now */
    } around;
    bool counted;           /* its death has been counted against a job */
    bool retiring;          /* to be replaced: large, stuck, or its snapshot was changed */
    bool over_memory;       /* was killed for its memory */
    struct {                /* deadlock.h */
        bool may_hang;      /* its host had threads when it was forked */
        bool hangs;         /* in a lock of theirs; it was killed for that */
        uint64_t seen;      /* the wait that it was in when last looked at; 0: none */
        int64_t look_at;    /* ns; when to look next; 0: nobody looks */
    } lock;
    size_t resident;        /* its resident bytes when it was forked */
    luas__output output;    /* what its tasks print, unless it is inherited */
    luas__scoreboard *scoreboard;
    luas__bulk *bulk;       /* the pool's */
    luas__slot slot;        /* its part of `bulk`, for large results */
    struct {
        int request_reader; /* kept open so that writing never raises SIGPIPE */
        int request;        /* write end, non-blocking */
        int result;         /* read end, non-blocking; -1 after end of file */
        int writer;         /* the child's end of that pipe, until the fork */
        int prints[2];      /* the child's ends for luas__output_become, until the fork */
        bool wants_write;   /* the poller watches `request` for writing */
        bool stop_unsent;   /* there was no memory for STOP: luas__worker_flush sends it */
        luas__buffer out, in;
        int64_t sent_at;    /* coarse ns; when `out` was last empty */
        uint64_t piped;     /* stream bytes that came through the pipe */
        uint64_t received;  /* stream bytes that have come into `in`, from pipe or ring */
    } link;
    struct {                /* what it was sent and has not answered, in order */
        luas__chunk *chunks;    /* the first one, in `room` */
        int nchunks;
        uint32_t steady_seq;    /* the task that was started last, when it was looked at, */
        int64_t steady_since;   /* and since when (ns) it is that */
        luas__chunk *room;
        size_t cap_room;
        uint32_t unanswered;
        uint32_t next_seq;
        uint64_t served;    /* tasks answered */
        int64_t busy;       /* scoreboard->busy when last looked at */
        uint32_t revoked_seq;   /* the last seq taken back, until the worker is past it; or 0 */
        int64_t idle_since; /* ns; since when it has run nothing with revoked_seq set; or 0 */
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
        uint32_t stop_seq;  /* the task that was asked to stop; 0: none */
        uint16_t stop_kind; /* why: LUAS__KIND_TIMEOUT or _CANCELLED */
        int64_t kill_at;    /* ns; when the worker is killed if the task has not stopped */
        int64_t waiting_since;  /* ns; since when a timed task waits to begin; 0: none does */
        uint32_t waiting_seq;   /* of that task */
        int64_t exit_by;        /* ns; when it is killed if it has not ended; 0: nobody asked it to */
    } deadline;
    struct {                /* what it says cannot be (trust.h) */
        int64_t since;      /* ns; 0: it can */
        uint64_t received, served;  /* when it was looked at */
    } doubt;
    struct {                /* for whom watches (events.h) */
        uint32_t told_seq;  /* the last task whose start was told */
        luas__task_progress progress;
    } seen;
} luas__worker;

/* What is known of a worker before it is forked. */
typedef struct luas__spawn_request {
    int number;
    uint32_t serial;
    luas__output_mode output;
    const char *label;
    luas__bulk *bulk;       /* the pool's */
    luas__sinks *sinks;     /* the pool's */
    uint32_t snapshot;
    int inherited_definitions;
    luas__surroundings *around; /* of whom it is forked from, or NULL */
} luas__spawn_request;

/* What the child runs. The owner of the pool defines it. Returns the exit status. */
typedef int luas__child_main(void *host, luas__channel *channel);

/* Called in each child of the pool, a zygote too: adds descriptors of the host that the child
   keeps in any case. */
typedef void luas__child_keeps(void *host, luas__fd_set *kept);

/* Has somebody make the process of a worker. Returns its pid, or negative. */
typedef pid_t luas__worker_start(void *starter, const luas__zygote_request *wanted);

/*
 * There are three ways to start a worker.
 *
 * By a fork of the host: 1. luas__worker_prepare makes everything but the process; the worker can
 * be given tasks from then on. 2. luas__worker_fork. 3. In the child luas__worker_become; in the
 * host luas__worker_adopt and luas__worker_begin, which may come after the forks of other workers.
 *
 * By a zygote, or as a fresh program: luas__worker_spawn does all of that in the host; the child
 * calls luas__worker_wake.
 *
 * In each case luas__worker_close is the end.
 */

/* Returns 0, or negative with nothing left behind. */
int luas__worker_prepare(luas__worker **worker, luas__poller *poller, const luas__spawn_request *birth);

/* Returns the pid, 0 in the child, or negative with nothing changed. It does not write to the
   struct, and the child must not either: each page that one of them writes to is copied first.
   (A child that another thread forks at this moment has the scoreboard mapped, too, and does
   not use it.) */
pid_t luas__worker_fork(const luas__worker *w, const luas__child_forks *forks);

/* luas__worker_adopt returns false if the child hung in a lock before it began, where it may, and was
   killed: the worker can be forked again. `waits`: the child says when it has begun, and this waits
   for that, some seconds at most. Otherwise luas__worker_begin follows. */
bool luas__worker_adopt(luas__worker *w, pid_t pid, bool waits);
void luas__worker_begin(luas__worker *w, luas__poller *poller);

/* In the child, after it has closed all other descriptors of the host. */
void luas__worker_become(const luas__worker *w, luas__channel *channel);

/* Prepares a worker and has `start` make its process. Returns 0, or negative with nothing left
   behind. */
int luas__worker_spawn(luas__worker **worker, luas__poller *poller, const luas__spawn_request *birth,
                       luas__worker_start *start, void *starter);

/* In such a worker: takes the descriptors of `wanted` over. Returns negative
   when it cannot be a worker. */
int luas__worker_wake(luas__channel *channel, luas__zygote_request *wanted);

/* Closes and frees the worker. Its child, if it has one, must have been reaped. */
void luas__worker_close(luas__worker *w, luas__poller *poller);

/* In a forked child, which may be this worker (`is_self`): adds the descriptors that it does not
   need to `closing`. */
void luas__worker_abandon(const luas__worker *w, bool is_self, luas__fd_closing *closing);

/* The kinds of events that a poller key stands for. */
enum luas__worker_event { LUAS__ON_RESULT, LUAS__ON_REQUEST, LUAS__ON_END, LUAS__ON_OUTPUT };
uint64_t luas__worker_key(const luas__worker *w, enum luas__worker_event event);

/* Writes as much of `out` as the pipe takes. */
int luas__worker_flush(luas__worker *w, luas__poller *poller);

/* Reads what is in the pipe into `in`. */
int luas__worker_receive(luas__worker *w, luas__poller *poller);

/* Has the worker committed results that the host has not received? */
bool luas__worker_is_ahead(const luas__worker *w);

/* Copies committed results that are not in the pipe yet from the ring into `in`. */
int luas__worker_peek(luas__worker *w);

/* Queues the message STOP. */
int luas__worker_stop(luas__worker *w, int status);

#endif
