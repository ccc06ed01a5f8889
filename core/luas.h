/*
 * luas: run Lua functions in a pool of processes.
 *
 * Two ways to embed it. An application with a lua_State of its own calls
 * luas_openlibs(L) and has the modules `pool` and `process` in its scripts.
 * An application without one opens a pool here:
 *
 *   1. fill a luas_options and luas_pool_open(): the workers load the script;
 *   2. luas_submit() calls of the script's global functions, as many as wanted;
 *   3. poll luas_pool_fd() for POLLIN beside other descriptors, and then
 *      luas_next() until it returns 0, once for each wake-up;
 *   4. luas_pool_close().
 *
 * Functions returning int give 0 or more on success and a negative LUAS_E* or
 * -errno on failure. None of them prints, exits, blocks for good, waits for a
 * child that is not its own, or touches the process's signal handlers.
 * A pool belongs to the process that opened it; in a child that this forks calls
 * on the pool give LUAS_EFOREIGN, and luas_pool_close closes its descriptors. Calls
 * on one pool must not overlap, but different threads may use different pools.
 *
 * Any thread may fork the process at any time. Handlers of pthread_atfork see to
 * it that the child finds each pool whole and can close it. The fork waits for
 * calls and threads that move bytes in pools just then: not for long, and never
 * more than seconds.
 */
#ifndef LUAS_H
#define LUAS_H

#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define LUAS_API __attribute__((visibility("default")))
#else
#define LUAS_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

/*
 * The interface grows at the end of its enums and of the structs that begin with
 * `size`, and a program goes on working with a later library of the same SONAME
 * (libluas.so.0.MINOR): the library reads and writes as much of such a struct as
 * the program knows. The functions that take one set `size` themselves, where they
 * are called by way of this header; who calls them otherwise (a foreign function
 * interface) sets it to the size of the struct that it has. luas_value does not
 * change.
 */
#define LUAS_VERSION "0.2.0"
#define LUAS_VERSION_NUM 200    /* 10000 * major + 100 * minor + patch */

/* Of the library that the program runs with, in these two forms. */
LUAS_API int luas_version(void);
LUAS_API const char *luas_version_string(void);


#define LUAS_EFIRST (-10000)
#define LUAS_ERRORS(X) \
    X(LUAS_ENOMEM,    -10000, "not enough memory") \
    X(LUAS_EINVAL,    -10001, "invalid argument") \
    X(LUAS_EPROTO,    -10002, "malformed message") \
    X(LUAS_ETOOBIG,   -10003, "message too large") \
    X(LUAS_ECLOSED,   -10004, "pool is closed") \
    X(LUAS_EFOREIGN,  -10005, "pool belongs to another process") \
    X(LUAS_EBROKEN,   -10006, "workers cannot start") \
    X(LUAS_ETIMEDOUT, -10007, "timed out") \
    X(LUAS_EINTR,     -10008, "interrupted by a signal") \
    X(LUAS_EDEEP,     -10009, "value nested too deeply") \
    X(LUAS_EUNSENT,   -10010, "value cannot travel between processes")

enum luas_error {
#define LUAS_ERROR_ENUM(name, value, text) name = value,
    LUAS_ERRORS(LUAS_ERROR_ENUM)
#undef LUAS_ERROR_ENUM
    LUAS_ELAST = -10011
};

/* A static string for a code that any function here returned. */
LUAS_API const char *luas_strerror(int code);

/* ---- for an application with a lua_State of its own ---- */

struct lua_State;

/*
 * Makes the modules `pool` and `process` globals of L, and `require "luas"`
 * work. The standard libraries must be open: what scripts do to them later the
 * modules do not see. The first call of a verb opens the rest of the library.
 * Workers are forked from inside calls that L makes; closing L ends them.
 * Raises a Lua error on failure.
 */
LUAS_API void luas_openlibs(struct lua_State *L);

/* ---- for an application without Lua ---- */

typedef struct luas_pool luas_pool;

typedef struct luas_event luas_event;
typedef void luas_listener(void *data, const luas_event *event);

typedef struct luas_options {
    size_t size;            /* of this struct; luas_pool_open sets it */
    const char *script;     /* a file of Lua that defines functions; each worker
                               runs it once */
    int workers;            /* 0: one for each CPU that this process may use */
    double timeout;         /* seconds for a call; 0: none */
    int retries;            /* further tries after a crash or a timeout */
    struct luas_shared *shared; /* what the script's `shared` makes is in there; NULL:
                               in memory of each worker's own */
    luas_listener *on_event;    /* is told what calls and workers do; NULL: nobody is, and
                               calls are not timed */
    void *event_data;       /* goes to it */
} luas_options;

typedef enum luas_type {
    LUAS_NIL, LUAS_BOOLEAN, LUAS_INTEGER, LUAS_NUMBER, LUAS_STRING,
    LUAS_OTHER              /* a table: see luas_value */
} luas_type;

/*
 * An argument, a result, or what a call raised. As LUAS_OTHER it is one value of
 * plain MessagePack, without extension types. What C is given of a table:
 *
 *   - an array if its keys are 1 to n, as of an empty table; else a map, whose
 *     keys may have any type;
 *   - strings as str if they are UTF-8, else as bin; floats as float 64;
 *   - a table that stands in it several times each time, whole;
 *   - of an object (a table with a metatable) its own fields, as of any table;
 *     but where its class has __luas_pack, what that returns: the one value, or
 *     the array of several or none. The same of a userdata.
 *
 * No such form have functions, coroutines, other userdata and _G; what refers to
 * itself; more than 1000 tables within each other; and a message that grows by
 * more than 64 MB because tables stand in it several times. A call with such a
 * result has the outcome LUAS_ERROR, whose message names the place: `result 1,
 * field "self": refers to itself`.
 */
typedef struct luas_value {
    luas_type type;
    union {
        int boolean;
        int64_t integer;
        double number;
    } as;
    const char *bytes;      /* LUAS_STRING: the string, a zero after its end;
                               LUAS_OTHER: its MessagePack */
    size_t len;             /* of bytes */
} luas_value;

/* Arguments, made in place. The bytes stay the caller's, until submitted. */
LUAS_API luas_value luas_integer(int64_t integer);
LUAS_API luas_value luas_number(double number);
LUAS_API luas_value luas_string(const char *string);
LUAS_API luas_value luas_bytes(const char *bytes, size_t len);

typedef enum luas_kind {
    LUAS_VALUE, LUAS_ERROR, LUAS_TIMEOUT, LUAS_CRASH, LUAS_CANCELLED
} luas_kind;

/* What became of a call: every call that was submitted has exactly one. */
typedef struct luas_outcome {
    size_t size;            /* of this struct; luas_next sets it */
    uint64_t call;          /* as luas_submit gave it */
    luas_kind kind;
    int count;              /* LUAS_VALUE: how many results; LUAS_ERROR: 1; else 0 */
    const luas_value *results;  /* of an error what was raised: of error("x") a string, of
                                   error{code = 5} a map; of a call whose results have no
                                   form for C the message. If what was raised has none, it
                                   is nil, and the message says what was lost and why */
    const char *message;    /* what went wrong, for people; "" for a value */
    const char *traceback;  /* the worker's, or "" */
    int pid;                /* of the worker, or 0 */
    int exitcode, signal;   /* of a crash, or -1 and 0 */
} luas_outcome;

typedef enum luas_event_type {
    LUAS_EVENT_DEALT,       /* `count` calls from `call` on went to a worker */
    LUAS_EVENT_STARTED,     /* told when it is noticed, at the latest before its end */
    LUAS_EVENT_ENDED,       /* also of a try after which there is another one */
    LUAS_EVENT_FORKED,      /* a worker, the first with its number */
    LUAS_EVENT_REPLACED,    /* a worker that has the number of one before it */
    LUAS_EVENT_DIED         /* a worker, also of its own will */
} luas_event_type;

/*
 * What on_event is told, from inside calls on the pool: it must not make any, and
 * what it points to is valid until it returns. Times are seconds of CLOCK_MONOTONIC.
 * `size` says how much of the struct the library knows.
 */
struct luas_event {
    size_t size;
    luas_event_type type;
    uint64_t call, count;   /* of calls that were cancelled before they were dealt the
                               number is 0 */
    double time;            /* of the event */
    double start, took;     /* ENDED: of the try; took is -1 where it never began */
    luas_kind kind;         /* ENDED */
    int attempts;           /* ENDED: how often the call was started so far */
    int retried;            /* ENDED: 1 if it will be started again */
    int worker, pid;        /* 0: none */
    int exitcode, signal;   /* of a crash, or DIED; else -1 and 0 */
};

/*
 * Forks the workers and has them load the script. On failure *pool is NULL
 * and nothing is left running. A script that does not load, or is not there,
 * is reported by luas_next, as LUAS_EBROKEN.
 */
LUAS_API int luas_pool_open(luas_pool **pool, const luas_options *options);

/* LUAS_EINVAL if something is set that a library of this age does not know. */
static inline int luas_pool_open_sized(luas_pool **pool, const luas_options *options)
{
    luas_options sized = *options;
    sized.size = sizeof sized;
    return luas_pool_open(pool, &sized);
}
#define luas_pool_open luas_pool_open_sized

/*
 * Submits a call of the script's global function `name`; *call, unless NULL,
 * gets its number, counted from 1. The arguments are copied. On failure
 * nothing was submitted. Whether there is such a function the worker knows:
 * if not, the call's outcome is an error.
 */
LUAS_API int luas_submit(luas_pool *pool, const char *name, int count,
                         const luas_value *arguments, uint64_t *call);

/* Cancels a call: if it has not started it never will; if it runs it is
   stopped. Its outcome still comes, once. */
LUAS_API int luas_cancel(luas_pool *pool, uint64_t call);

/* Readable whenever luas_next has something to do; it stays the pool's. */
LUAS_API int luas_pool_fd(const luas_pool *pool);

/*
 * Moves what can be moved, without waiting, and takes the next outcome: 1,
 * with *outcome valid until the next call on the pool; 0 when none is there
 * yet. LUAS_EBROKEN: workers cannot start, and no more outcomes will come.
 * After another failure (no memory, no descriptors) nothing is lost, and the
 * descriptor becomes readable when it is worth another try. luas_pool_why
 * says in words what failed. What cannot be given of one call is that call's
 * outcome, and never keeps the next from coming.
 */
LUAS_API int luas_next(luas_pool *pool, luas_outcome *outcome);

/* Fields that a library of this age does not know are zero. */
static inline int luas_next_sized(luas_pool *pool, luas_outcome *outcome)
{
    outcome->size = sizeof *outcome;
    return luas_next(pool, outcome);
}
#define luas_next luas_next_sized

/* Waits at most `seconds` until it is time for luas_next: 1, or 0 when it is
   not, or LUAS_EINTR after a signal, or as luas_next when that would fail. For
   applications without a loop of their own. */
LUAS_API int luas_wait(luas_pool *pool, double seconds);

/* Calls that have no outcome yet. */
LUAS_API uint64_t luas_pending(const luas_pool *pool);

/* What luas_next failed for last, in words; "" if it never did. Valid until the
   next call on the pool. */
LUAS_API const char *luas_pool_why(const luas_pool *pool);

/* Ends the workers, running calls too, and frees the pool; NULL is fine. In a
   child that the application forked it only closes descriptors. */
LUAS_API void luas_pool_close(luas_pool *pool);

/* ---- what processes share: an application with its scripts ---- */

/*
 * Memory in which objects lie that all processes below this one can use: the
 * module `shared` of the scripts makes the same. luas_shared_open() before the
 * first fork; give it to pools (luas_options.shared) and states; then make
 * objects, and hand them to a script as an argument or a global.
 *
 * One luas_shared is for one thread, which must not end before it is closed:
 * another thread has one of its own by luas_shared_join. Locks and what was got
 * belong to the process. A wait is given in seconds: 0 does not wait, a negative
 * number is as long as it takes; a signal does not end it.
 */
typedef struct luas_shared luas_shared;
typedef struct luas_object luas_object;

/* For at most `bytes` of it in use, 0: a half of the machine's memory. On failure
   *shared is NULL. */
LUAS_API int luas_shared_open(luas_shared **shared, uint64_t bytes);
LUAS_API int luas_shared_join(luas_shared **shared, const luas_shared *other);

/* Its objects have to be dropped before; NULL is fine. */
LUAS_API void luas_shared_close(luas_shared *shared);

/* The state's module `shared` makes its objects in there from now on: call it
   after luas_openlibs and before anything is shared there. */
LUAS_API int luas_shared_use(struct lua_State *L, const luas_shared *shared);

/*
 * New objects. A queue has at most `max` items (0: no such limit) of at most
 * `item` bytes each (0: 16 MB); a value is an int64_t. On failure *object is NULL.
 */
LUAS_API int luas_shared_queue(luas_shared *shared, uint64_t max, uint64_t item,
                               luas_object **object);
LUAS_API int luas_shared_lock(luas_shared *shared, luas_object **object);
LUAS_API int luas_shared_value(luas_shared *shared, int64_t value, luas_object **object);

/* Its memory goes when no process has it; NULL is fine. */
LUAS_API void luas_shared_drop(luas_object *object);

/* Pushes it for scripts; or makes an argument of it for luas_submit, which is good
   as long as the object is. */
LUAS_API int luas_shared_push(struct lua_State *L, const luas_object *object);
LUAS_API luas_value luas_shared_argument(const luas_object *object);

/* Puts a string: 1; 0: the queue was full all the time; LUAS_ECLOSED; LUAS_ETOOBIG. */
LUAS_API int luas_shared_put(luas_object *queue, const char *bytes, size_t len, double seconds);

/* Gets the next item, valid until the next call with this queue: 1; 0: there was none;
   LUAS_ECLOSED: nor will there be. */
LUAS_API int luas_shared_get(luas_object *queue, luas_value *item, double seconds);

/* Nothing can be put any more. */
LUAS_API int luas_shared_finish(luas_object *queue);

/* 1: it is the caller's; 2: so it is, and who had it before died with it; 0: others had
   it all the time; -EDEADLK: the caller has it. */
LUAS_API int luas_shared_acquire(luas_object *lock, double seconds);

/* -EPERM: the caller does not have it. */
LUAS_API int luas_shared_release(luas_object *lock);

/* Adds at once for all, and gives the sum. */
LUAS_API int64_t luas_shared_add(luas_object *value, int64_t n);

#ifdef __cplusplus
}
#endif
#endif
