/*
 * luas: run Lua functions in a pool of processes.
 *
 * Two ways to embed it. An application with a lua_State of its own calls
 * luas_openlibs(L) and has the modules `pool`, `process` and `shared` in its
 * scripts.
 * An application without one opens a pool here:
 *
 *   0. luas_prepare() first in main, if the application will be large or have threads;
 *   1. fill a luas_options and luas_pool_open(): the workers load the script;
 *   2. luas_submit() calls of the script's global functions, as many as wanted; luas_map() and
 *      luas_submit_call() can do more;
 *   3. poll luas_pool_fd() for POLLIN beside other descriptors, and then
 *      luas_next() until it returns 0, once for each wake-up;
 *   4. luas_pool_close().
 *
 * luas.hpp is for C++.
 *
 * Functions of type int return 0 or more on success, and a negative LUAS_E* or
 * -errno on failure. No function prints, exits, blocks for good (but for waits without a limit
 * for what is shared), waits for a child that is not its own, or touches the signal handlers of the process. A pool
 * belongs to the process that opened it. In a child of that process, calls on the
 * pool return LUAS_EFOREIGN, and luas_pool_close closes its descriptors. Calls on
 * one pool must not overlap, but different threads may use different pools.
 *
 * Any thread may fork the process at any time. Handlers of pthread_atfork make sure
 * that the child finds each pool whole and can close it. The fork waits while calls
 * and threads move bytes in pools: not for long, and never more than seconds. The
 * application's own handlers run in the forks of its threads, so in that of
 * luas_prepare, but not in those of zygotes.
 *
 * Memory that the application has marked with MADV_DONTFORK or MADV_WIPEONFORK is not, or empty, in
 * workers that it forks. No zygote has memory of after luas_prepare anyhow. A lua_State for
 * luas_openlibs, and what its scripts and setup functions use, must not be marked so.
 *
 * Workers keep none of the descriptors that the application has open, but for 0 to 2 and
 * those that the program was started with. So what the application closes is closed: its
 * clients see the end, ports and locks are free, and nothing stays in an epoll set.
 * They are forked by a quiet process (luas_prepare) that has none. luas_options.keep_files is for
 * scripts that are given descriptors by number. Before a fork the streams of stdio are flushed as
 * far as that does not wait for a thread or a reader; workers do not print what is left.
 *
 * What forks: luas_prepare, or without it the first luas_pool_open, unless start is
 * LUAS_START_EXEC; calls of luas_openlibs' modules;
 * and where workers cannot come from a zygote (keep_files; two zygotes have died; another system
 * than Linux with glibc) luas_pool_open, luas_submit, luas_submit_call, luas_map, luas_cancel,
 * luas_next and luas_wait, in the thread that calls them. None of them takes a lock of the
 * application's. A worker has /dev/null as stdin, and the application's stdout and stderr. It uses
 * SIGUSR1, by which a call is stopped, and SIGUSR2 and SIGALRM for the end of the application; it
 * ignores SIGTTOU, and leads a process group of its own. Handlers that the application has
 * set are not in it.
 *
 * Outcomes come in the order in which calls end. When they start: see luas_submit_call. Memory is
 * taken for each call that has no outcome yet (its arguments and some 100 bytes), and for each
 * outcome that was not taken. A string, and the arguments or results of a call, have less than
 * 4 GB, tables at most 1000 levels, and luas_map takes at most 2^32 - 1 inputs.
 *
 * A worker is not scheduled like the thread that opened the pool: FIFO, RR and DEADLINE
 * become OTHER (BATCH, IDLE and nice stay), its CPUs are those that the main thread had
 * when the library was loaded, and its stack has the usual size.
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
 * The interface grows only at the end of its enums, and at the end of the structs that
 * begin with `size`. A program works with any later library of the same SONAME
 * (libluas.so.0.MINOR), because the library reads and writes only as much of such a
 * struct as the program knows. Functions that take such a struct set `size` themselves
 * when they are called through this header. Other callers (a foreign function
 * interface) set it to the size of their struct. luas_value does not change.
 */
#define LUAS_VERSION "0.2.0"
#define LUAS_VERSION_NUM 200    /* 10000 * major + 100 * minor + patch */

/* The version of the library that the program runs with, in these two forms. */
LUAS_API int luas_version(void);
LUAS_API const char *luas_version_string(void);


/* What functions return, LUAS_E...: not to be taken for kinds of outcomes, LUAS_ERROR and
   LUAS_TIMEOUT among them. */
#define LUAS_EFIRST (-10000)
#define LUAS_CODES(X) \
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
    X(LUAS_EUNSENT,   -10010, "value cannot travel between processes") \
    X(LUAS_ESCRIPT,   -10011, "the script does not compile") \
    X(LUAS_ENOCALL,   -10012, "no such call without an outcome")

enum luas_code {
#define LUAS_CODE_ENUM(name, value, text) name = value,
    LUAS_CODES(LUAS_CODE_ENUM)
#undef LUAS_CODE_ENUM
    LUAS_ELAST = -10013
};

/* A static string for a code that a function here has returned. */
LUAS_API const char *luas_strerror(int code);

/* ---- for an application with a lua_State of its own ---- */

struct lua_State;

/*
 * Makes the modules `pool`, `process` and `shared` globals of L, and `require "luas"`
 * work. The basic and the string library must be open, and others that scripts use: for itself the
 * library makes what a sandbox lacks. What scripts do to them later does not
 * affect the modules. The first call of a verb opens the rest of the library. Workers
 * are forked inside calls that L makes. Closing L ends them: running tasks are told to
 * stop and are killed half a second later, and idle workers have one second to flush
 * their files. What was submitted is not waited for. Raises a Lua error on failure.
 */
LUAS_API void luas_openlibs(struct lua_State *L);

/*
 * Workers do not have the debug hook that L has (lua_sethook). If `keeps` is not 0 those that are
 * forked from now on do: so a count hook that bounds what scripts do in L bounds it in workers, too.
 * It runs there, and what it raises is the task's error. It may raise an error.
 */
LUAS_API void luas_keep_hook(struct lua_State *L, int keeps);

/* ---- for an application without Lua ---- */

typedef enum luas_type {
    LUAS_NIL, LUAS_BOOLEAN, LUAS_INTEGER, LUAS_NUMBER, LUAS_STRING,
    LUAS_OTHER              /* a table: see luas_value and luas_reader */
} luas_type;

/*
 * An argument, a result, or what a call raised. LUAS_OTHER is one value of plain
 * MessagePack, without extension types. A table becomes:
 *
 *   - an array if its keys are 1 to n, or if it is empty; else a map, whose keys may
 *     have any type;
 *   - with strings as str if they are UTF-8, else as bin, and floats as float 64;
 *   - with a full copy of a nested table wherever that occurs;
 *   - if it is an object (a table with a metatable): its own fields, as for any table.
 *     But if its class has __luas_pack: what that returns, which is one value, or an
 *     array of several or none. The same holds for a userdata.
 *
 * Light userdata that is NULL, as cjson.null is, is nil, unless it is a key. There is no
 * such form for functions, coroutines, other userdata and _G; for a table that refers to
 * itself; for more than 1000 tables inside each other; and for a message that would grow
 * by more than 64 MB through tables that occur several times. A call with such a result
 * has the outcome LUAS_ERROR. Its message names the place: `result 1, field "self":
 * refers to itself`.
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

/* Make arguments. The caller keeps the bytes valid until the call is submitted. */
LUAS_API luas_value luas_nil(void);
LUAS_API luas_value luas_boolean(int boolean);
LUAS_API luas_value luas_integer(int64_t integer);
LUAS_API luas_value luas_number(double number);
LUAS_API luas_value luas_string(const char *string);
LUAS_API luas_value luas_bytes(const char *bytes, size_t len);

/*
 * Writes tables, as arguments: 1. luas_writer_array() or luas_writer_map() begins one; 2.
 * luas_writer_add() adds what is in it, in a map each key before its value; tables may be begun
 * there, too; 3. luas_writer_end() ends it; 4. luas_writer_value() gives the value, and the
 * writer can write another one. Nothing has to be checked before that: it tells what failed first.
 * A writer belongs to no pool, and is used by one thread at a time.
 */
typedef struct luas_writer luas_writer;

/* NULL without memory: the others may be called all the same. */
LUAS_API luas_writer *luas_writer_new(void);
LUAS_API void luas_writer_array(luas_writer *writer);
LUAS_API void luas_writer_map(luas_writer *writer);

/* Copies the value, which may be LUAS_OTHER: a table that was written or has come. */
LUAS_API void luas_writer_add(luas_writer *writer, luas_value value);
LUAS_API void luas_writer_end(luas_writer *writer);

/*
 * Returns 0, and in *value what was written since the last call. It is valid until
 * luas_writer_free. Else *value is nil. LUAS_EINVAL: there is not one whole value, a key is nil
 * or NaN, a LUAS_OTHER is not one value of MessagePack. LUAS_EDEEP: more than 1000 tables inside
 * each other.
 */
LUAS_API int luas_writer_value(luas_writer *writer, luas_value *value);

/* It may be NULL. */
LUAS_API void luas_writer_free(luas_writer *writer);

/*
 * Reads a LUAS_OTHER, in place: what it points to must stay as it is meanwhile. 1.
 * luas_reader_open(), which stands before the first value; 2. luas_reader_next() until it returns
 * 0, or luas_reader_find(); 3. luas_reader_enter() goes into the table that came last, where these
 * work in the same way, and luas_reader_leave() back; 4. luas_reader_close().
 *
 * Bytes that are no MessagePack give LUAS_EPROTO, and are never read beyond their end. Strings
 * are valid until the reader is closed, with a zero after their end. Other values have
 * the type LUAS_OTHER. A reader is used by one thread at a time.
 */
typedef struct luas_reader luas_reader;

/* LUAS_EINVAL, with *reader NULL: it is no table. */
LUAS_API int luas_reader_open(luas_reader **reader, const luas_value *value);

/* How many values there are in the table where it is. */
LUAS_API uint32_t luas_reader_count(const luas_reader *reader);

/* Returns 1 and the next value; 0 at the end of the table. *key, unless `key` is NULL, gets its
   key; of an array that is the index, from 1. A failure changes nothing. */
LUAS_API int luas_reader_next(luas_reader *reader, luas_value *key, luas_value *value);

/* Returns 1 and the value with this key; 0 and nil if there is none. What luas_reader_next gives
   next does not depend on it. */
LUAS_API int luas_reader_find(luas_reader *reader, const char *name, luas_value *value);

/* LUAS_EINVAL: no table came last. LUAS_EDEEP: as for writers. */
LUAS_API int luas_reader_enter(luas_reader *reader);

/* LUAS_EINVAL: it is in no other table. */
LUAS_API int luas_reader_leave(luas_reader *reader);

/* It may be NULL. */
LUAS_API void luas_reader_close(luas_reader *reader);

typedef struct luas_pool luas_pool;

typedef struct luas_event luas_event;
typedef void luas_listener(void *data, const luas_event *event);

/*
 * Makes a worker's state ready for the script: registers C functions, for example. All libraries
 * are open. Returns 0; with another result, or when it raises, the worker cannot start. It runs in
 * the worker, not in the application: what it changes there the application does not see.
 */
typedef int luas_setup(struct lua_State *L, void *data);

#define LUAS_INIT_TIMEOUT 60    /* seconds */

/* What becomes of what workers print: it goes where the application's goes; or there, in whole lines
   with the worker's name before them; or into outcomes; or to on_line. */
typedef enum luas_output {
    LUAS_OUTPUT_INHERIT, LUAS_OUTPUT_TAG, LUAS_OUTPUT_CAPTURE, LUAS_OUTPUT_LINES
} luas_output;

/* Is given a line that a worker has printed to stdout (0) or stderr (1): as it is, mostly with its
   end. It is called inside calls on the pool, also luas_pool_close, and must not make such
   calls itself. */
typedef void luas_line(void *data, int worker, int stream, const char *line, size_t len);

/* What workers are: forked from a zygote; or each a fresh program, `luas --worker`. */
typedef enum luas_start { LUAS_START_ZYGOTE, LUAS_START_EXEC } luas_start;

typedef enum luas_retry { LUAS_RETRY_CRASHES, LUAS_RETRY_ERRORS, LUAS_RETRY_ANY } luas_retry;

typedef struct luas_options {
    size_t size;            /* of this struct; luas_pool_open sets it */
    const char *script;     /* a Lua file that defines functions; each worker runs it once */
    int workers;            /* at most 4096; 0: one for each CPU that this process may use */
    double timeout;         /* seconds for a call; 0: none */
    int retries;            /* further tries of a call that failed: see retry_on */
    struct luas_shared *shared; /* the script's module `shared` makes its objects in this
                               memory; NULL: each worker has memory of its own */
    luas_listener *on_event;    /* is told what calls and workers do; or NULL */
    void *event_data;       /* passed to on_event */
    double init_timeout;    /* seconds that a worker may take to run the script, before it is
                               killed; 0: LUAS_INIT_TIMEOUT; negative: no limit */
    luas_retry retry_on;    /* after crashes and timeouts, errors, or any of these */
    double retry_delay;     /* seconds before the first further try, */
    double retry_factor;    /* by which the next pause is longer; 0: 2, */
    double retry_max;       /* and the most; 0: 60. Up to a quarter is added by chance */
    int keep_files;         /* 1: workers keep all descriptors that the application has open
                               when they are forked, until they end: so the application forks
                               them, and not the quiet process */
    double idle;            /* seconds after which a worker that has had no call ends (luas_next or
                               luas_wait sees to it); another is forked for the next call.
                               0: none does */
    const char *source;     /* the script's text instead of a file; then `script` is what
                               messages call it ("=name"), or NULL */
    size_t source_size;     /* of that; 0: it ends with a zero */
    luas_setup *setup;      /* is called in each worker before the script; or NULL */
    void *setup_data;       /* passed to setup */
    size_t setup_size;      /* so many bytes of it are copied by luas_pool_open, and each worker has
                               a copy. 0: the pointer itself is passed; what it points to must have
                               been there at luas_prepare, and is as it was then */
    char *why;              /* gets in words why luas_pool_open has failed; or NULL */
    size_t why_size;        /* of that */
    int count;              /* of arguments */
    const luas_value *arguments;    /* of the script: what is `...` there. They are copied */
    const char *init;       /* names a function that each worker calls after the script; or NULL */
    const char *exit;       /* another one, which a worker calls when it is told to end; or NULL */
    double exit_timeout;    /* seconds that a worker has from then on; 0: no limit */
    uint64_t max_tasks;     /* after so many calls a worker is replaced; 0: never */
    uint64_t memory;        /* bytes, at least 1 MB, that a worker may have: Lua raises an error when there would be
                               more, and the worker is killed if it has them all the same; 0: no
                               limit */
    uint64_t max_memory;    /* bytes, at least 1 MB, from which on a worker is replaced after its call; 0: none */
    luas_output output;
    luas_line *on_line;     /* with LUAS_OUTPUT_LINES, and only then */
    void *line_data;        /* passed to on_line */
    const char *name;       /* of workers, for people: in tags, messages and for scripts; NULL:
                               "worker" */
    double grace;           /* seconds that a call has when it is told to stop, before its worker is
                               killed; 0: half a second; negative: none */
    luas_start start;       /* see luas_pool_open */
    const char *program;    /* with LUAS_START_EXEC: the path of the program luas; NULL: the one that
                               was installed with this library, or one in PATH */
} luas_options;

typedef enum luas_kind {
    LUAS_VALUE, LUAS_ERROR, LUAS_TIMEOUT, LUAS_CRASH, LUAS_CANCELLED
} luas_kind;

/* What became of a call. Every call that is submitted has exactly one outcome. */
typedef struct luas_outcome {
    size_t size;            /* of this struct; luas_next sets it */
    uint64_t call;          /* the number from luas_submit */
    luas_kind kind;
    int count;              /* LUAS_VALUE: how many results; LUAS_ERROR: 1; else 0 */
    const luas_value *results;  /* for an error: what was raised, a string for error("x"), a
                                   map for error{code = 5}. If that has no form for C it is
                                   nil, and the message says what was lost and why. If the
                                   results of the call have no form for C: the message */
    const char *message;    /* what went wrong, for people; "" for a value */
    const char *traceback;  /* the worker's, or "" */
    int pid;                /* of the worker, or 0 */
    int exitcode, signal;   /* of a crash, or -1 and 0 */
    double took;            /* seconds that the call ran, the last time; 0 if it never began */
    void *data;             /* these three are the call's: see luas_call */
    const char *label;      /* "" if it has none */
    uint64_t position;      /* of its input in luas_map, from 0; else 0 */
    const char *printed;    /* with LUAS_OUTPUT_CAPTURE: what the call printed, a zero after its
                               end; of more than 1 MB the middle is left out */
    size_t printed_size;    /* of that; 0: nothing */
} luas_outcome;

typedef enum luas_event_type {
    LUAS_EVENT_DEALT,       /* `count` calls from `call` on went to a worker */
    LUAS_EVENT_STARTED,     /* may come late, but always before the call's end */
    LUAS_EVENT_ENDED,       /* also for a try that will be followed by another one */
    LUAS_EVENT_FORKED,      /* a worker was forked, the first with its number */
    LUAS_EVENT_REPLACED,    /* a worker was forked that takes the number of an earlier one */
    LUAS_EVENT_DIED,        /* a worker has ended, also if it was told to */
    LUAS_EVENT_ZYGOTE       /* the pool's zygote has died. Another one, with this pid, forks the
                               workers; 0: from now on the application does */
} luas_event_type;

/*
 * What on_event is told. It is called inside calls on the pool, and must not make such
 * calls itself. Pointers are valid until it returns. Times are seconds of
 * CLOCK_MONOTONIC. `size` says how much of the struct the library knows.
 */
struct luas_event {
    size_t size;
    luas_event_type type;
    uint64_t call, count;   /* calls that are cancelled before they were dealt have the
                               number 0 */
    double time;            /* of the event */
    double start, took;     /* ENDED: of the try; took is -1 if it never began */
    luas_kind kind;         /* ENDED */
    int attempts;           /* ENDED: how often the call was started so far */
    int retried;            /* ENDED: 1 if it will be started again */
    int worker, pid;        /* 0: none */
    int exitcode, signal;   /* of a crash, or DIED; else -1 and 0 */
};

/*
 * Forks the quiet process now: a child with one thread, and nothing of what the application will
 * have later. It forks the zygotes of all pools, which fork their workers; the application forks
 * no more. So call it first in main, before there are threads, and large memory:
 *
 *   - opening a pool, and replacing a worker, costs as much in a large application as in a small
 *     one, and the application's memory is not copied when it writes to it afterwards;
 *   - no thread is waited for, whatever locks it holds (of stdio, malloc, time zones, ...); no
 *     worker finds such a lock held;
 *   - workers have nothing of the application: no descriptors but 0 to 2 and those that it was
 *     started with, no keys in memory. Resource limits, user and groups, namespaces are those
 *     of this moment.
 *
 * Without it the first luas_pool_open does it; then the quiet process ends with the last pool.
 * Otherwise it ends with the application. It is a child of this process: who waits for any child
 * until there is none waits for it, too. Returns 0, or negative: then the application forks
 * the workers itself. A further call does nothing. Handlers of pthread_atfork run in this
 * fork, not in those of the workers. Signals are as in a program that was just started; stdin is
 * empty.
 */
LUAS_API int luas_prepare(void);

/*
 * Reads the script, once: what becomes of the file later does not matter. Starts the workers,
 * which run it. They are forked by a zygote, which has compiled it; it is a child of the
 * application, and so are they. Each runs setup and the script in a Lua state of its own, in the
 * working directory, environment, locale and umask that the application has now. On failure
 * *pool is NULL and nothing is left running: -errno if the script cannot be read, LUAS_ESCRIPT if
 * it does not compile. If the zygote dies another one is made, once; after that the application
 * forks workers itself. LUAS_EVENT_ZYGOTE tells of that.
 *
 * With LUAS_START_EXEC nothing is forked: each worker is a fresh program, a child of the application,
 * started by posix_spawn. That costs the same however large the application is, with luas_prepare or
 * without, and needs no room for a copy of it. A worker has nothing of the application's memory, another
 * address layout, and no descriptors but 0 to 2. setup and keep_files are LUAS_EINVAL. -ENOENT: the
 * program is not there; LUAS_EPROTO: it is of another version. `why` says which. Starting one
 * takes some milliseconds, which is several times what a zygote needs.
 *
 * If setup or the script fails in each worker, each call that was submitted has an outcome
 * that says so. After that luas_next and luas_submit return LUAS_EBROKEN. If it was run by
 * some worker and fails in others, the pool tries these again, after pauses that grow to 5 s.
 * Meanwhile the other workers run the calls. The pool gives the calls up when it has had no
 * worker at all for more than 6 s.
 */
LUAS_API int luas_pool_open(luas_pool **pool, const luas_options *options);

/* LUAS_EINVAL if an option is set that this library does not know. */
static inline int luas_pool_open_sized(luas_pool **pool, const luas_options *options)
{
    luas_options sized = *options;
    sized.size = sizeof sized;
    return luas_pool_open(pool, &sized);
}
#define luas_pool_open luas_pool_open_sized

/*
 * Submits a call of the script's function `name`, which may be `mod.f`: that is looked for in the
 * table that the script has returned, in the module `mod` if that is loaded, and in globals. *call, unless `call` is NULL, gets
 * its number; numbers count from 1. The arguments are copied. On failure nothing was
 * submitted. If the script has no such function the outcome of the call is an error.
 */
LUAS_API int luas_submit(luas_pool *pool, const char *name, int count,
                         const luas_value *arguments, uint64_t *call);

/* Is given an outcome, which is valid until it returns. It may submit and cancel calls, but must
   not call luas_next, luas_wait and luas_pool_close for the pool. */
typedef void luas_receiver(void *data, const luas_outcome *outcome);

/* A call with everything that it can have. What is 0 or NULL is as for luas_submit. */
typedef struct luas_call {
    size_t size;            /* of this struct; the functions that take it set it */
    const char *name;       /* of the script's function: see luas_submit */
    int count;
    const luas_value *arguments;
    void *data;             /* comes back with the outcome; the library does not look at it */
    luas_receiver *on_outcome;  /* gets data and the outcome, inside luas_next */
    const char *label;      /* is copied, and comes back with the outcome */
    double timeout;         /* seconds; 0: the pool's; negative: none */
    int priority;           /* higher is started first; a call has 0 else, and it may be negative */
    int retries;            /* 0: the pool's; negative: none */
    luas_retry retry_on;    /* if there are retries here: after what */
} luas_call;

/*
 * As luas_submit, with a luas_call. Calls of one priority are started in the order in which they
 * were submitted, if they also have the same timeout and retries; those that differ there take
 * turns. A call that waits at a worker already (LUAS_EVENT_DEALT) is not overtaken. Up to 16 such
 * kinds of calls cost nothing; more of them are set up anew when they come again. A timeout counts from when the call starts in a worker, and for each try anew.
 */
LUAS_API int luas_submit_call(luas_pool *pool, const luas_call *call, uint64_t *number);

/*
 * Submits `n` calls: each has one of the inputs as its first argument, before those of *call.
 * *first, unless `first` is NULL, gets the number of the first; the others follow it. It is much
 * faster than `n` calls of luas_submit. On failure nothing was submitted.
 */
LUAS_API int luas_map(luas_pool *pool, const luas_call *call, size_t n, const luas_value *inputs,
                      uint64_t *first);

static inline int luas_submit_call_sized(luas_pool *pool, const luas_call *call, uint64_t *number)
{
    luas_call sized = *call;
    sized.size = sizeof sized;
    return luas_submit_call(pool, &sized, number);
}
#define luas_submit_call luas_submit_call_sized

static inline int luas_map_sized(luas_pool *pool, const luas_call *call, size_t n,
                                 const luas_value *inputs, uint64_t *first)
{
    luas_call sized = *call;
    sized.size = sizeof sized;
    return luas_map(pool, &sized, n, inputs, first);
}
#define luas_map luas_map_sized

/* From now on outcomes whose call has no on_outcome go to this function, with this data, inside
   luas_next; that returns 0 when there are no more, or after some hundred, and then the descriptor
   is still readable. NULL: luas_next returns them again. */
LUAS_API void luas_on_outcome(luas_pool *pool, luas_receiver *receiver, void *data);

/* Cancels a call. If it has not started it never will; if it runs it is stopped. Its
   outcome still comes, once. LUAS_ENOCALL: there is no such call, or its outcome was taken. */
LUAS_API int luas_cancel(luas_pool *pool, uint64_t call);

/* Tells the workers that have no call to exit; returns how many these are. Others are forked when
   calls want them. */
LUAS_API int luas_pool_trim(luas_pool *pool);

/* From now on there are at most so many workers; 0: as luas_options.workers. Others are forked when
   calls want them, and end when they have no call. */
LUAS_API int luas_resize(luas_pool *pool, int workers);

/*
 * From now on calls begin in workers that have run another script: that of the options, with what
 * they say of arguments, setup, init, exit and why. What else they say is ignored. Workers
 * end when they have done the calls that they have begun; calls that have not begun go to the new
 * ones. On failure everything is as before: as for luas_pool_open the script cannot be read or
 * does not compile. That it fails when workers run it is seen later, as there; and a pool whose
 * workers cannot start (LUAS_EBROKEN) goes on with a script that can.
 */
LUAS_API int luas_reload(luas_pool *pool, const luas_options *options);

static inline int luas_reload_sized(luas_pool *pool, const luas_options *options)
{
    luas_options sized = *options;
    sized.size = sizeof sized;
    return luas_reload(pool, &sized);
}
#define luas_reload luas_reload_sized

/*
 * Before the end: submits return LUAS_ECLOSED from now on. Waits at most `seconds` until all calls
 * have an outcome. Returns 1 when they have, else 0, or as luas_wait. The outcomes wait
 * for luas_next; what has none is cancelled by luas_pool_close.
 */
LUAS_API int luas_drain(luas_pool *pool, double seconds);

/* What a pool has done so far. */
typedef struct luas_figures {
    size_t size;            /* of this struct; luas_stats sets it */
    uint64_t tasks;         /* calls with an outcome; of these */
    uint64_t values, errors, timeouts, crashes, cancelled;
    uint64_t forks, retries, chunks, steals;    /* chunks: calls went to workers so many times;
                               steals: they were taken from one for another */
    uint64_t pending;       /* calls whose outcome luas_next has not given yet */
    int workers, busy;      /* that live; of these: have calls */
} luas_figures;

LUAS_API int luas_stats(luas_pool *pool, luas_figures *figures);

static inline int luas_stats_sized(luas_pool *pool, luas_figures *figures)
{
    figures->size = sizeof *figures;
    return luas_stats(pool, figures);
}
#define luas_stats luas_stats_sized

/* A descriptor that is readable whenever luas_next has something to do. The pool closes
   it. */
LUAS_API int luas_pool_fd(const luas_pool *pool);

/*
 * Drives the pool without waiting, and takes the next outcome. Returns 1, with *outcome
 * valid until the next call on the pool; 0 when there is none yet. LUAS_EBROKEN: workers
 * cannot start, and no more outcomes will come. After another failure (no memory, no
 * descriptors) nothing is lost, and the descriptor becomes readable when another try is
 * worth it. luas_pool_why says in words what failed. If the results of a call have no form
 * for C its outcome is an error; the next outcome comes all the same.
 */
LUAS_API int luas_next(luas_pool *pool, luas_outcome *outcome);

/* Fields that this library does not know are zero. */
static inline int luas_next_sized(luas_pool *pool, luas_outcome *outcome)
{
    outcome->size = sizeof *outcome;
    return luas_next(pool, outcome);
}
#define luas_next luas_next_sized

/* Waits at most `seconds` until there is work for luas_next. Returns 1; 0 when the time is
   over; LUAS_EINTR after a signal; or the failure that luas_next would return. For
   applications without a loop of their own. */
LUAS_API int luas_wait(luas_pool *pool, double seconds);

/* How many calls have no outcome yet. */
LUAS_API uint64_t luas_pending(const luas_pool *pool);

/* The last failure of luas_next in words; "" if it never failed. Valid until the next call
   on the pool. */
LUAS_API const char *luas_pool_why(const luas_pool *pool);

/* Ends the workers, also those with running calls, and frees the pool; it may be NULL. That
   takes no longer than a second or so, in which workers call their exit function and flush their files. In a
   child that the application has forked it only closes descriptors. */
LUAS_API void luas_pool_close(luas_pool *pool);

/* ---- what processes share: an application with its scripts ---- */

/*
 * Memory for objects that all processes below this one can use. They are the same objects
 * as those of the scripts' module `shared`. 1. luas_shared_open() before the first fork.
 * 2. Give it to pools (luas_options.shared) and states. 3. Make objects, and hand them to
 * a script as an argument or a global.
 *
 * A luas_shared belongs to one thread, which must not end before it is closed. Another
 * thread gets one of its own by luas_shared_join. Locks, and items that were got, belong to
 * the process. Waits are given in seconds: 0 does not wait, a negative number waits as long
 * as it takes. A signal does not end a wait.
 */
typedef struct luas_shared luas_shared;
typedef struct luas_object luas_object;

/* At most `bytes` of it can be in use; 0: half of the machine's memory. On failure *shared
   is NULL. */
LUAS_API int luas_shared_open(luas_shared **shared, uint64_t bytes);
LUAS_API int luas_shared_join(luas_shared **shared, const luas_shared *other);

/* Drop its objects first. It may be NULL. */
LUAS_API void luas_shared_close(luas_shared *shared);

/* From now on the module `shared` of the state makes its objects in this memory. Call it
   after luas_openlibs and before the state shares anything. */
LUAS_API int luas_shared_use(struct lua_State *L, const luas_shared *shared);

/*
 * Make objects. A queue has at most `max` items (0: no limit) of at most `item` bytes each
 * (0: 16 MB). A value is an int64_t. On failure *object is NULL.
 */
LUAS_API int luas_shared_queue(luas_shared *shared, uint64_t max, uint64_t item,
                               luas_object **object);
LUAS_API int luas_shared_lock(luas_shared *shared, luas_object **object);
LUAS_API int luas_shared_value(luas_shared *shared, int64_t value, luas_object **object);

/* The memory of an object is freed when no process has it. It may be NULL. */
LUAS_API void luas_shared_drop(luas_object *object);

/* The first pushes the object for scripts. The second makes an argument of it for
   luas_submit, which is valid as long as the object. */
LUAS_API int luas_shared_push(struct lua_State *L, const luas_object *object);
LUAS_API luas_value luas_shared_argument(const luas_object *object);

/* Puts a string. Returns 1; 0 if the queue was full all the time; LUAS_ECLOSED if it is
   closed; LUAS_ETOOBIG if the string will never fit. */
LUAS_API int luas_shared_put(luas_object *queue, const char *bytes, size_t len, double seconds);

/* Gets the next item, which is valid until the next call with this queue. Returns 1; 0 if
   there was none; LUAS_ECLOSED if there will never be one. */
LUAS_API int luas_shared_get(luas_object *queue, luas_value *item, double seconds);

/* Closes the queue: nothing can be put any more. */
LUAS_API int luas_shared_finish(luas_object *queue);

/* Returns 1 when the caller has the lock; 2 if its last holder also died with it; 0 if others
   had it all the time; -EDEADLK if the caller has it already. */
LUAS_API int luas_shared_acquire(luas_object *lock, double seconds);

/* -EPERM if the caller does not have the lock. */
LUAS_API int luas_shared_release(luas_object *lock);

/* Adds atomically, and returns the sum; 0 if the object is no value. */
LUAS_API int64_t luas_shared_add(luas_object *value, int64_t n);

#ifdef __cplusplus
}
#endif
#endif
