/*
 * The shared scoreboard: a task is started or revoked, never both, and a result
 * that was committed is read whole, from the pipe or from the ring. Threads
 * stand for host and worker, so that a race detector can watch as well.
 */
#define _GNU_SOURCE
#include "scoreboard.h"

#include <pthread.h>
#include <sched.h>
#include <time.h>
#include <unistd.h>

#include "testing.h"

/* ---- claims ---- */

enum { TASKS = 400000 };

typedef struct race {
    luas__scoreboard *scoreboard;
    uint32_t first;             /* seq of task 0 */
    _Atomic uint32_t given;     /* tasks that the worker may try */
    _Atomic uint32_t tried;
    unsigned char claimed[TASKS], revoked[TASKS];
} race;

static void *claim_all(void *arg)
{
    race *r = arg;
    for (uint32_t i = 0; i < TASKS; i++) {
        while (i >= atomic_load(&r->given))
            sched_yield();
        r->claimed[i] = (unsigned char)luas__scoreboard_claim(r->scoreboard, r->first + i);
        atomic_store(&r->tried, i + 1);
    }
    return NULL;
}

static void await_tried(race *r, uint32_t given)
{
    while (atomic_load(&r->tried) < given)
        sched_yield();
}

/* Gives some tasks, lets some time pass, and takes back what has not started. */
static void give_and_revoke(race *r)
{
    uint64_t random = 1;
    uint32_t given = 0, settled = 0;
    while (given < TASKS) {
        given += 1 + draw(&random, 8);
        given = given < TASKS ? given : TASKS;
        atomic_store(&r->given, given);
        if (draw(&random, 64) == 0)
            await_tried(r, given);
        for (uint32_t spin = draw(&random, 400); spin > 0; spin--)
            (void)atomic_load(&r->tried);
        uint32_t started = luas__scoreboard_revoke(r->scoreboard, r->first + given - 1) - r->first + 1;
        if (started < settled || started > given)
            started = settled;
        memset(r->revoked + started, 1, given - started);
        settled = given;
    }
}

static void race_from(uint32_t first)
{
    race *r = calloc(1, sizeof *r);
    CHECK(r != NULL);
    CHECK((r->scoreboard = luas__scoreboard_map()) != NULL);
    r->first = first;
    atomic_store(&r->scoreboard->claims, (uint64_t)(first - 1) << 32 | (first - 1));
    pthread_t worker;
    CHECK_INT(pthread_create(&worker, NULL, claim_all, r), 0);
    give_and_revoke(r);
    CHECK_INT(pthread_join(worker, NULL), 0);
    int claimed = 0;
    for (int i = 0; i < TASKS; i++) {
        CHECK_INT(r->claimed[i] + r->revoked[i], 1);
        claimed += r->claimed[i];
    }
    CHECK(claimed > 0 && claimed < TASKS);
    luas__scoreboard_unmap(r->scoreboard);
    free(r);
}

static void test_started_or_revoked_never_both(void)
{
    race_from(1);
}

static void test_the_same_when_numbers_wrap(void)
{
    race_from(UINT32_MAX - TASKS / 2);
}

/* A worker has billions of tasks, and perhaps never one revoked. */
static void test_claims_when_nothing_was_revoked_for_long(void)
{
    luas__scoreboard *p = luas__scoreboard_map();
    CHECK(p != NULL);
    for (uint64_t seq = 1; seq < UINT64_C(3) << 32; seq += UINT64_C(1) << 28) {
        CHECK_INT(luas__scoreboard_claim(p, (uint32_t)seq), 1);
        CHECK_INT(luas__scoreboard_started(p), (uint32_t)seq);
    }
    luas__scoreboard_unmap(p);
}

static void test_claims_in_one_thread(void)
{
    luas__scoreboard *p = luas__scoreboard_map();
    CHECK(p != NULL);
    CHECK_INT(luas__scoreboard_started(p), 0);
    CHECK_INT(luas__scoreboard_claim(p, 1), 1);
    CHECK_INT(luas__scoreboard_revoke(p, 3), 1);
    CHECK_INT(luas__scoreboard_claim(p, 2), 0);
    CHECK_INT(luas__scoreboard_claim(p, 3), 0);
    CHECK_INT(luas__scoreboard_started(p), 1);
    CHECK_INT(luas__scoreboard_claim(p, 4), 1);
    CHECK_INT(luas__scoreboard_started(p), 4);
    CHECK_INT(luas__scoreboard_revoke(p, 4), 4);
    luas__scoreboard_unmap(p);
}

/* ---- the ring ---- */

static char stream_byte(uint64_t at)
{
    return (char)(at * UINT64_C(0x9e3779b97f4a7c15) >> 56);
}

static void make_stream(uint64_t at, char *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++)
        bytes[i] = stream_byte(at + i);
}

static int same_stream(uint64_t at, const char *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (bytes[i] != stream_byte(at + i))
            return 0;
    return 1;
}

/* Writes out at most `most` bytes, as a pipe would take them. */
static size_t write_out(luas__scoreboard *p, size_t most)
{
    const char *bytes;
    uint64_t tail = atomic_load(&p->ring.tail);
    size_t n = luas__ring_unwritten(&p->ring, &bytes);
    n = n < most ? n : most;
    CHECK(same_stream(tail, bytes, n));
    luas__ring_written(&p->ring, n);
    return n;
}

static void test_full_ring_refuses(void)
{
    luas__scoreboard *p = luas__scoreboard_map();
    char *bytes = malloc(LUAS__RING);
    CHECK(p != NULL && bytes != NULL);
    make_stream(0, bytes, LUAS__RING);
    CHECK_INT(luas__ring_commit(&p->ring, bytes, LUAS__RING), 1);
    CHECK_INT(luas__ring_commit(&p->ring, bytes, 0), 1);
    CHECK_INT(luas__ring_commit(&p->ring, bytes, 1), 0);
    CHECK_INT(write_out(p, 10), 10);
    make_stream(LUAS__RING, bytes, 11);
    CHECK_INT(luas__ring_commit(&p->ring, bytes, 11), 0);
    CHECK_INT(luas__ring_commit(&p->ring, bytes, 10), 1);
    CHECK_INT(write_out(p, SIZE_MAX), LUAS__RING - 10); /* up to the ring's end */
    CHECK_INT(write_out(p, SIZE_MAX), 10);
    CHECK_INT(write_out(p, SIZE_MAX), 0);
    free(bytes);
    luas__scoreboard_unmap(p);
}

static void check_peek(luas__scoreboard *p, uint64_t from, int64_t wanted)
{
    luas__buffer out = LUAS__BUFFER_INIT;
    CHECK_INT(luas__ring_peek(&p->ring, from, &out), wanted);
    CHECK_INT(out.len, wanted);
    CHECK(wanted == 0 || same_stream(from, luas__buffer_bytes(&out), out.len));
    luas__buffer_release(&out);
}

/* Any length at any place of the ring, with a rest that was not written. */
static void test_ring_wraps(void)
{
    luas__scoreboard *p = luas__scoreboard_map();
    uint64_t random = 7, at = 0;
    static char bytes[5000];
    CHECK(p != NULL);
    while (at < 20 * LUAS__RING) {
        size_t len = draw(&random, sizeof bytes);
        make_stream(at, bytes, len);
        if (luas__ring_commit(&p->ring, bytes, len))
            at += len;
        else
            CHECK(len > LUAS__RING - (at - atomic_load(&p->ring.tail)));
        write_out(p, draw(&random, 6000));
        uint64_t tail = atomic_load(&p->ring.tail);
        check_peek(p, tail, (int64_t)(at - tail));
    }
    luas__scoreboard_unmap(p);
}

static void test_peek_takes_only_the_unread_rest(void)
{
    luas__scoreboard *p = luas__scoreboard_map();
    char bytes[1000];
    CHECK(p != NULL);
    make_stream(0, bytes, sizeof bytes);
    CHECK_INT(luas__ring_commit(&p->ring, bytes, sizeof bytes), 1);
    check_peek(p, 0, 1000);
    check_peek(p, 600, 400);
    check_peek(p, 1000, 0);
    check_peek(p, 1500, 0);     /* read from the pipe, not yet noted as written */
    CHECK_INT(write_out(p, 700), 700);
    check_peek(p, 600, 0);      /* these lie in the pipe */
    check_peek(p, 700, 300);
    luas__scoreboard_unmap(p);
}

static void test_bypassed_bytes_count(void)
{
    luas__scoreboard *p = luas__scoreboard_map();
    char bytes[10];
    uint64_t large = 10 * LUAS__RING + 123;
    CHECK(p != NULL);
    luas__ring_bypassed(&p->ring, large);
    check_peek(p, 0, 0);
    check_peek(p, large, 0);
    make_stream(large, bytes, sizeof bytes);
    CHECK_INT(luas__ring_commit(&p->ring, bytes, sizeof bytes), 1);
    check_peek(p, large, sizeof bytes);
    check_peek(p, large - 1, 0);
    CHECK_INT(write_out(p, SIZE_MAX), sizeof bytes);
    luas__scoreboard_unmap(p);
}

/* ---- peeking while the worker writes ---- */

typedef struct stream {
    luas__scoreboard *scoreboard;
    _Atomic int stop;
} stream;

static void *write_stream(void *arg)
{
    stream *s = arg;
    uint64_t random = 3, at = 0;
    char bytes[3000];
    while (!atomic_load(&s->stop)) {
        size_t len = draw(&random, sizeof bytes);
        make_stream(at, bytes, len);
        while (!luas__ring_commit(&s->scoreboard->ring, bytes, len))
            write_out(s->scoreboard, SIZE_MAX);
        at += len;
        if (draw(&random, 4) == 0)
            write_out(s->scoreboard, draw(&random, 4000));
        if (draw(&random, 64) == 0) {
            while (write_out(s->scoreboard, SIZE_MAX) > 0)
                ;
            luas__ring_bypassed(&s->scoreboard->ring, 2 * LUAS__RING);
            at += 2 * LUAS__RING;
        }
    }
    return NULL;
}

static void test_peek_is_never_torn(void)
{
    enum { WANTED = 20000 };
    stream s = {.scoreboard = luas__scoreboard_map()};
    luas__buffer out = LUAS__BUFFER_INIT;
    pthread_t worker;
    int whole = 0;
    CHECK(s.scoreboard != NULL);
    CHECK_INT(pthread_create(&worker, NULL, write_stream, &s), 0);
    for (time_t end = time(NULL) + 10; whole < WANTED && time(NULL) < end;) {
        uint64_t from = atomic_load(&s.scoreboard->ring.tail);
        int64_t n = luas__ring_peek(&s.scoreboard->ring, from, &out);
        CHECK(n >= 0);
        CHECK(n == 0 || same_stream(from, luas__buffer_bytes(&out), (size_t)n));
        luas__buffer_truncate(&out, 0);
        whole += n > 0;
        if (n == 0)
            sched_yield();
    }
    atomic_store(&s.stop, 1);
    CHECK_INT(pthread_join(worker, NULL), 0);
    CHECK(whole > 100);
    luas__buffer_release(&out);
    luas__scoreboard_unmap(s.scoreboard);
}

/* ---- between processes ---- */

static void test_shared_with_children(void)
{
    luas__scoreboard *p = luas__scoreboard_map();
    CHECK(p != NULL);
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0)
        _exit(luas__scoreboard_claim(p, 1) && luas__ring_commit(&p->ring, "done", 4) ? 0 : 1);
    int status;
    CHECK_INT(waitpid(pid, &status, 0), pid);
    CHECK_INT(status, 0);
    CHECK_INT(luas__scoreboard_started(p), 1);
    luas__buffer out = LUAS__BUFFER_INIT;
    CHECK_INT(luas__ring_peek(&p->ring, 0, &out), 4);
    CHECK_BYTES(luas__buffer_bytes(&out), "done", 4);
    luas__buffer_release(&out);
    luas__scoreboard_unmap(p);
    luas__scoreboard_unmap(NULL);
}

int main(void)
{
    RUN(test_claims_in_one_thread);
    RUN(test_claims_when_nothing_was_revoked_for_long);
    RUN(test_started_or_revoked_never_both);
    RUN(test_the_same_when_numbers_wrap);
    RUN(test_full_ring_refuses);
    RUN(test_ring_wraps);
    RUN(test_peek_takes_only_the_unread_rest);
    RUN(test_bypassed_bytes_count);
    RUN(test_peek_is_never_torn);
    RUN(test_shared_with_children);
}
