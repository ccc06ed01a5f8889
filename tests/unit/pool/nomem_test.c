/*
 * The nth allocation fails, for each n until there are none left to fail: what
 * cannot be done says so, what was begun is still brought to its end, and
 * nothing leaks.
 */
#define _GNU_SOURCE
#include "failing_malloc.h"
#include "pool_testing.h"

/* ---- what is done under these conditions ---- */

static int serve_with_memory(void *host, luas__channel *channel)
{
    until_failure = -1;
    return serve(host, channel);
}

static int try_feed(luas__pool *pool, luas__job *job, const char *input, uint32_t count)
{
    luas__buffer batch = LUAS__BUFFER_INIT;
    size_t *ends = malloc(count * sizeof *ends);
    int rc = ends == NULL ? LUAS_ENOMEM : 0;
    for (uint32_t i = 0; i < count && rc == 0; i++) {
        rc = luas__mp_write_string(&batch, input, strlen(input));
        luas__buffer_truncate(&batch, 0);
        if (rc == 0)
            rc = luas__mp_write_int(&batch, (int64_t)strlen(input));
    }
    luas__buffer_truncate(&batch, 0);
    for (uint32_t i = 0; i < count && rc == 0; i++) {
        rc = luas__buffer_reserve(&batch, strlen(input) + LUAS__MP_NUMBER);
        if (rc == 0) {
            write_input(&batch, input, strlen(input));
            ends[i] = batch.len;
        }
    }
    if (rc == 0)
        rc = luas__pool_feed(pool, job, &batch, ends, count);
    if (rc < 0) {
        luas__buffer_release(&batch);
        free(ends);
    }
    return rc;
}

/* An application that tries again what failed for want of memory. */
static void must_feed(luas__pool *pool, luas__job *job, const char *input, uint32_t count)
{
    int rc;
    while ((rc = try_feed(pool, job, input, count)) == LUAS_ENOMEM)
        continue;
    CHECK_INT(rc, 0);
}

static void must_start(luas__pool *pool, luas__job *job)
{
    int rc;
    while ((rc = luas__pool_start(pool, job)) == LUAS_ENOMEM)
        continue;
    CHECK_INT(rc, 0);
}

static void must_finish(luas__pool *pool, luas__job *job, tally *t)
{
    int64_t end = luas__now() + 30 * LUAS__SECOND;
    while (take_outcomes(pool, job, t), t->total < job->input.fed) {
        int rc = luas__pool_step(pool, LUAS__SECOND, NULL);
        CHECK(rc >= 0 || rc == LUAS_ENOMEM);
        CHECK(luas__now() < end);
    }
}

static int define(luas__pool *pool, luas__job *job)
{
    int rc = LUAS_ENOMEM;
    for (int tries = 0; tries < 10 && rc == LUAS_ENOMEM; tries++)
        rc = luas__pool_define(pool, job, "definition", 10);
    return rc;
}

static void work(luas__pool *pool, tally *t)
{
    luas__job *job = luas__job_new(&(luas__policy){.retries = 1, .chunk = 3,
                                                   .grace = 10 * LUAS__MS});
    if (job == NULL)
        return;
    must_start(pool, job);
    CHECK_INT(define(pool, job), 0);
    must_feed(pool, job, "echo", 10);
    must_feed(pool, job, "k", 1);
    must_feed(pool, job, "L100000", 3);
    must_feed(pool, job, "x", 10);
    must_feed(pool, job, "h", 1);
    int rc;
    while ((rc = luas__pool_cancel(pool, job, 20, 100)) == LUAS_ENOMEM)
        continue;
    CHECK_INT(rc, 0);
    luas__pool_seal(pool, job);
    must_finish(pool, job, t);
    luas__pool_drop(pool, job);
    CHECK_INT(t->kinds[LUAS__KIND_VALUE], 13);
    CHECK_INT(t->kinds[LUAS__KIND_CRASH], 1);
    CHECK_INT(t->kinds[LUAS__KIND_ERROR], 5);
    CHECK_INT(t->kinds[LUAS__KIND_CANCELLED], 6);
}

/* In a worker of the job's own, and in another that a zygote makes. */
static void inherit(luas__pool *pool, tally *t)
{
    int rc;
    luas__job *job = luas__job_new(&(luas__policy){.chunk = 1});
    if (job == NULL)
        return;
    must_start(pool, job);
    while ((rc = luas__pool_inherit(pool, job, 1, 1, NULL)) == LUAS_ENOMEM)
        continue;
    CHECK_INT(rc, 0);
    luas__pool_snapshot(pool, job, NULL);
    must_feed(pool, job, "k", 1);
    must_feed(pool, job, "echo", 2);
    luas__pool_seal(pool, job);
    must_finish(pool, job, t);
    luas__pool_drop(pool, job);
    CHECK_INT(t->kinds[LUAS__KIND_VALUE], 2);
    CHECK_INT(t->kinds[LUAS__KIND_CRASH], 1);
}

/* Whether it was all done before any allocation failed. */
static bool open_work_close(long successes, long failures)
{
    luas__pool *pool;
    static tally t;
    long before = live;
    t = (tally){0};
    until_failure = successes;
    failures_left = failures;
    failed = false;
    int rc = luas__pool_open(&pool, &(luas__pool_options){.workers = 2,
                                                          .main = serve_with_memory});
    CHECK(rc == 0 || (rc == LUAS_ENOMEM && pool == NULL));
    if (pool != NULL) {
        work(pool, &t);
        t = (tally){0};
        inherit(pool, &t);
        luas__pool_close(pool);
    }
    until_failure = -1;
    CHECK_INT(live, before);
    return !failed;
}

static void fail_everywhere(long failures)
{
    long n = 0;
    while (!open_work_close(n, failures)) {
        CHECK(n < 2000);
        n += under_valgrind() ? 4 : 1;
    }
    CHECK(n > 10);
}

static void test_one_allocation_fails(void)
{
    fail_everywhere(1);
}

static void test_several_allocations_fail(void)
{
    fail_everywhere(6);
}

int main(void)
{
    RUN(test_one_allocation_fails);
    RUN(test_several_allocations_fail);
}
