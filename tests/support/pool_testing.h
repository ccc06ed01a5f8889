/*
 * Pools with workers written in C. What a task does is the first letter of its
 * input, and a number after that; act() has the list. Outcomes are counted,
 * so that a task with none or with two is noticed.
 */
#ifndef LUAS_POOL_TESTING_H
#define LUAS_POOL_TESTING_H

#include <signal.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "error.h"
#include "job_outcomes.h"
#include "pool.h"
#include "testing.h"

enum { MOST_TASKS = 20000, MOST_CODES = 32, LARGE = 3 << 20 };

/* Tests that take long do less under valgrind and the sanitizers. */
static inline int scaled(int n)
{
#ifdef SANITIZED
    return n / 10;
#else
    return under_valgrind() ? n / 20 : n;
#endif
}

/* A limit that short tasks keep, also where all is slow. */
static const int64_t ample = LUAS__SECOND / 2;

/* ---- the worker's side ---- */

/* How often tasks started, by the number in their input. Shared with workers;
   a test that needs it maps it. */
static _Atomic int *starts;

/* How many frames of each code workers got; shared and mapped likewise. */
static _Atomic int *frames;

static inline _Atomic int *map_counters(size_t n)
{
    void *counters = mmap(NULL, n * sizeof(_Atomic int), PROT_READ | PROT_WRITE,
                          MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(counters != MAP_FAILED);
    return counters;
}

static inline void map_starts(void)
{
    starts = map_counters(MOST_TASKS);
}

static inline void unmap_starts(void)
{
    munmap((void *)starts, MOST_TASKS * sizeof *starts);
}

static inline void sleep_ms(long ms)
{
    struct timespec rest = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    while (nanosleep(&rest, &rest) < 0 && errno == EINTR)
        continue;
}

static inline void hang(void)
{
    for (;;)
        pause();
}

static inline int answer(luas__channel *c, enum luas__message code, uint32_t seq,
                         const char *bytes, size_t len)
{
    size_t mark;
    int rc = luas__channel_begin(c, code, seq, &mark);
    if (rc == 0)
        rc = luas__buffer_append(&c->reply, bytes, len);
    return rc == 0 ? luas__channel_reply(c, mark) : rc;
}

static inline int answer_large(luas__channel *c, uint32_t seq, size_t len)
{
    char *bytes = malloc(len);
    if (bytes == NULL)
        return LUAS_ENOMEM;
    memset(bytes, 'L', len);
    int rc = answer(c, LUAS__MSG_VALUE, seq, bytes, len);
    free(bytes);
    return rc;
}

/* Past the ring, straight into the pipe, and then the end. */
static inline void write_and_die(luas__channel *c, const char *bytes, size_t len)
{
    if (luas__channel_flush(c) < 0 || write(c->out, bytes, len) < 0)
        _exit(99);
    _exit(3);
}

/* One of the words before the ring's bytes gets one of some values. */
enum { WORDS = (int)(offsetof(luas__scoreboard, ring.bytes) / sizeof(uint64_t)), VALUES = 6 };

static inline void poke(luas__scoreboard *s, long word, long value)
{
    static const uint64_t values[VALUES] = {0, 1, UINT64_MAX, INT64_MAX, UINT64_C(5) << 32 | 4,
                                             LUAS__RING};
    ((volatile uint64_t *)(void *)s)[word] = values[value];
}

static inline int act(luas__channel *c, uint32_t seq, const char *bytes, size_t len)
{
    long number = len > 1 ? strtol(bytes + 1, NULL, 10) : 0; /* a zero follows */
    switch (bytes[0]) {
    case 'e': return answer(c, LUAS__MSG_VALUE, seq, bytes, len);
    case 'x': return answer(c, LUAS__MSG_ERROR, seq, bytes, len);
    case 's': sleep_ms(number); return answer(c, LUAS__MSG_VALUE, seq, bytes, len);
    case 'L': return answer_large(c, seq, (size_t)number);
    case 'k': raise(SIGKILL); break;
    case 'a': raise(SIGABRT); break;
    case 'q': _exit((int)number);
    case 'h': hang(); break;
    case 'i': signal(SIGUSR1, SIG_IGN); hang(); break;
    case 'D': answer(c, LUAS__MSG_VALUE, seq, bytes, len); raise(SIGKILL); break; /* done, then died */
    case 'f': write_and_die(c, "\0\0", 2); break;           /* half a head */
    case 'F': write_and_die(c, "\0\0\1\0\x10\1abc", 9); break;  /* half a body */
    case 'g': write_and_die(c, "\0\0\0\4garb", 8); break;   /* a frame that means nothing */
    case 'w': return answer(c, LUAS__MSG_VALUE, seq + 1, bytes, len);   /* not its task */
    case 'W':                                               /* the same and no more */
        answer(c, LUAS__MSG_VALUE, seq + 1, bytes, len);
        luas__channel_flush(c);
        hang();
        break;
    case 'T':                                               /* two outcomes */
        answer(c, LUAS__MSG_VALUE, seq, bytes, len);
        return answer(c, LUAS__MSG_VALUE, seq, bytes, len);
    case 'c': close(c->out); hang(); break;                 /* can never answer */
    case 'C': close(c->out); close(c->in); return answer(c, LUAS__MSG_VALUE, seq, bytes, len);
    case 'M': close(c->out); return answer_large(c, seq, (size_t)number);
    case 'P':                                               /* writes where it should not */
        poke(c->scoreboard, number / VALUES, number % VALUES);
        return answer(c, LUAS__MSG_VALUE, seq, bytes, len);
    case 'n':                                               /* starts are counted */
        atomic_fetch_add(&starts[number], 1);
        return answer(c, LUAS__MSG_VALUE, seq, bytes, len);
    case 'N': atomic_fetch_add(&starts[number], 1); raise(SIGKILL); break;
    case 'o':                                               /* only the first start fails */
        return atomic_fetch_add(&starts[number], 1) == 0
            ? raise(SIGKILL) : answer(c, LUAS__MSG_VALUE, seq, bytes, len);
    default: return LUAS_EPROTO;
    }
    return 0;
}

static inline int run_chunk(luas__channel *c, luas__mp_reader *body)
{
    int64_t job, seq, index, count, size;
    char input[64];
    if (luas__mp_read_int(body, &job) < 0 || luas__mp_read_int(body, &seq) < 0
        || luas__mp_read_int(body, &index) < 0 || luas__mp_read_int(body, &count) < 0)
        return LUAS_EPROTO;
    for (int rc = 0; count > 0; count--, seq++, body->at += size) {
        if (luas__mp_read_int(body, &size) < 0 || size < 1 || size > body->end - body->at)
            return LUAS_EPROTO;
        atomic_store(&c->scoreboard->since, luas__now());
        if (!luas__scoreboard_claim(c->scoreboard, (uint32_t)seq))
            continue;
        size_t len = size < 63 ? (size_t)size : 63;
        memcpy(input, body->at, len);
        input[len] = '\0';
        if ((rc = act(c, (uint32_t)seq, input, len)) < 0)
            return rc;
    }
    atomic_store(&c->scoreboard->passed, (uint32_t)seq - 1);
    return 0;
}

static inline int serve_frame(luas__channel *c, luas__mp_reader *body, int *status)
{
    int64_t code;
    if (luas__mp_read_int(body, &code) < 0)
        return LUAS_EPROTO;
    if (frames != NULL && code > 0 && code < MOST_CODES)
        atomic_fetch_add(&frames[code], 1);
    if (code == LUAS__MSG_RUN)
        return run_chunk(c, body);
    if (code != LUAS__MSG_STOP)
        return 0;
    int64_t field;
    int rc = luas__mp_read_int(body, &field);
    *status = (int)field;
    return rc < 0 ? rc : 1;
}

/* The child main of most tests. */
static inline int serve(void *host, luas__channel *c)
{
    luas__mp_reader body;
    int status = 0;
    (void)host;
    for (;;) {
        int rc = luas__channel_next(c, &body);
        if (rc == 0)
            rc = serve_frame(c, &body, &status);
        if (rc != 0) {
            luas__channel_flush(c);
            luas__buffer_release(&c->requests);
            luas__buffer_release(&c->reply);
            return rc < 0 ? 98 : status;
        }
        luas__frame_drop(&c->requests);
    }
}

/* For child mains whose tasks are others: each chunk is one of `run`. */
static inline int serve_runs(luas__channel *c, int run(luas__channel *c, luas__mp_reader *body))
{
    luas__mp_reader body;
    int64_t code;
    while (luas__channel_next(c, &body) == 0 && luas__mp_read_int(&body, &code) == 0) {
        if (code == LUAS__MSG_STOP)
            return 0;
        if (code == LUAS__MSG_RUN && run(c, &body) < 0)
            break;
        luas__frame_drop(&c->requests);
    }
    return 98;
}

/* ---- the host's side ---- */

static inline luas__pool *open_pool(int workers, luas__child_main *main)
{
    luas__pool *pool;
    CHECK_INT(luas__pool_open(&pool, &(luas__pool_options){.workers = workers, .main = main}), 0);
    return pool;
}

static inline luas__job *start_job(luas__pool *pool, const luas__policy *policy)
{
    luas__job *job = luas__job_new(policy);
    CHECK(job != NULL);
    CHECK_INT(luas__pool_start(pool, job), 0);
    return job;
}

/* One task: its size as a worker expects it, then its bytes. */
static inline void write_input(luas__buffer *b, const char *bytes, size_t len)
{
    CHECK_INT(luas__mp_write_int(b, (int64_t)len), 0);
    CHECK_INT(luas__buffer_append(b, bytes, len), 0);
}

static inline void feed_bytes(luas__pool *pool, luas__job *job, const char *bytes, size_t len,
                              uint32_t count)
{
    luas__buffer batch = LUAS__BUFFER_INIT;
    size_t *ends = malloc(count * sizeof *ends);
    CHECK(ends != NULL);
    for (uint32_t i = 0; i < count; i++) {
        write_input(&batch, bytes, len);
        ends[i] = batch.len;
    }
    CHECK_INT(luas__pool_feed(pool, job, &batch, ends, count), 0);
}

/* One task: the letter and a number. */
static inline void feed_number(luas__pool *pool, luas__job *job, char letter, size_t number)
{
    char input[24];
    int n = snprintf(input, sizeof input, "%c%zu", letter, number);
    feed_bytes(pool, job, input, (size_t)n, 1);
}

static inline void feed(luas__pool *pool, luas__job *job, const char *input, uint32_t count)
{
    feed_bytes(pool, job, input, strlen(input), count);
}

/* What came of a job's tasks. */
typedef struct tally {
    unsigned char seen[MOST_TASKS + 1];     /* outcomes, by index */
    unsigned char kind[MOST_TASKS + 1];
    int status[MOST_TASKS + 1];
    uint16_t attempts[MOST_TASKS + 1];
    uint64_t total, kinds[5];
    size_t bytes;
    bool same;                              /* values were the inputs */
} tally;

static inline void count_outcome(tally *t, const luas__outcome *o)
{
    CHECK(o->count > 0 && o->index > 0 && o->index + o->count - 1 <= MOST_TASKS);
    for (uint64_t i = o->index; i < o->index + o->count; i++) {
        CHECK_INT(t->seen[i]++, 0);
        t->kind[i] = (unsigned char)o->kind;
        t->status[i] = o->status;
        t->attempts[i] = o->attempts;
    }
    t->total += o->count;
    t->kinds[o->kind] += o->count;
    t->bytes += o->len;
}

static inline void take_outcomes(luas__pool *pool, luas__job *job, tally *t)
{
    const luas__outcome *o;
    const char *payload;
    while (luas__pool_take(pool, job))
        while ((o = luas__job_outcomes_next(job, &payload)) != NULL)
            count_outcome(t, o);
}

/* Drives until `wanted` outcomes or more have come; not longer than a minute of an idle machine. */
static inline void drive(luas__pool *pool, luas__job *job, tally *t, uint64_t wanted)
{
    int64_t end = luas__now() + within(60 * LUAS__SECOND);
    take_outcomes(pool, job, t);
    while (t->total < wanted) {
        int rc = luas__pool_step(pool, LUAS__SECOND, NULL);
        CHECK(rc >= 0 || rc == LUAS_EINTR);
        take_outcomes(pool, job, t);
        CHECK(luas__now() < end);
    }
}

static inline tally *new_tally(void)
{
    tally *t = calloc(1, sizeof *t);
    CHECK(t != NULL);
    return t;
}

/* Seals the job, takes all its outcomes and drops it. */
static inline tally *finish(luas__pool *pool, luas__job *job)
{
    tally *t = new_tally();
    luas__pool_seal(pool, job);
    drive(pool, job, t, job->input.fed);
    CHECK_INT(t->total, job->input.fed);
    CHECK(job->done);
    luas__pool_drop(pool, job);
    return t;
}

/* Whether the pool still does what it is for. */
static inline void check_works(luas__pool *pool, int tasks)
{
    luas__job *job = start_job(pool, &(luas__policy){0});
    feed(pool, job, "echo", (uint32_t)tasks);
    tally *t = finish(pool, job);
    CHECK_INT(t->kinds[LUAS__KIND_VALUE], tasks);
    CHECK_INT(t->bytes, 4 * (size_t)tasks);
    free(t);
}

#endif
