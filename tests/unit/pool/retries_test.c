/* Further starts: after what, when, and who decides. */
#include "pool_testing.h"

#include "retries.h"

static luas__policy policy_of(int retries, enum luas__retry_on on, int64_t delay)
{
    return (luas__policy){.retries = retries, .chunk = 1,
                          .retry = {.on = on, .delay = delay, .max = 100 * LUAS__SECOND, .factor = 2}};
}

static void check_attempts(enum luas__retry_on on, const char *input, int attempts)
{
    luas__pool *pool = open_pool(2, serve);
    luas__policy policy = policy_of(2, on, 0);
    luas__job *job = start_job(pool, &policy);
    feed(pool, job, input, 1);
    tally *t = finish(pool, job);
    CHECK_INT(t->attempts[1], attempts);
    free(t);
    luas__pool_close(pool);
}

static void test_what_is_started_again(void)
{
    check_attempts(LUAS__RETRY_CRASHES, "k", 3);
    check_attempts(LUAS__RETRY_CRASHES, "x", 1);
    check_attempts(LUAS__RETRY_ERRORS, "k", 1);
    check_attempts(LUAS__RETRY_ERRORS, "x", 3);
    check_attempts(LUAS__RETRY_ANY, "k", 3);
    check_attempts(LUAS__RETRY_ANY, "x", 3);
    check_attempts(LUAS__RETRY_ANY, "e", 1);
}

/* 20 ms, 40 ms and 80 ms, and up to a quarter more; others go on meanwhile. */
static void test_pauses_grow(void)
{
    luas__pool *pool = open_pool(1, serve);
    const int64_t pause = within(20 * LUAS__MS);
    luas__policy policy = policy_of(3, LUAS__RETRY_ERRORS, pause);
    luas__job *job = start_job(pool, &policy);
    int64_t began = luas__now();
    feed(pool, job, "x", 1);
    feed(pool, job, "echo", 50);
    luas__pool_seal(pool, job);
    tally *t = new_tally();
    drive(pool, job, t, 50);
    CHECK(!t->seen[1]);
    drive(pool, job, t, 51);
    CHECK(luas__now() - began >= 7 * pause);
    CHECK_INT(t->attempts[1], 4);
    CHECK_INT(pool->stats.retries, 3);
    free(t);
    luas__pool_drop(pool, job);
    luas__pool_close(pool);
}

static void test_no_pause_is_longer_than_the_longest(void)
{
    luas__pool *pool = open_pool(1, serve);
    luas__policy policy = policy_of(5, LUAS__RETRY_ERRORS, LUAS__MS);
    policy.retry.factor = 1e9;
    policy.retry.max = 2 * LUAS__MS;
    luas__job *job = start_job(pool, &policy);
    feed(pool, job, "x", 3);
    tally *t = finish(pool, job);
    CHECK_INT(t->kinds[LUAS__KIND_ERROR], 3);
    CHECK_INT(t->attempts[3], 6);
    free(t);
    luas__pool_close(pool);
}

/* One of those that wait for their next start, then the job with the others. */
static void test_waiting_tasks_are_cancelled(void)
{
    luas__pool *pool = open_pool(1, serve);
    luas__policy policy = policy_of(5, LUAS__RETRY_ANY, 100 * LUAS__SECOND);
    policy.retry.max = 100 * LUAS__SECOND;
    luas__job *job = start_job(pool, &policy);
    feed(pool, job, "x", 4);
    while (pool->stats.retries < 4)
        CHECK(luas__pool_step(pool, LUAS__SECOND, NULL) >= 0);
    tally *t = new_tally();
    CHECK_INT(luas__pool_cancel(pool, job, 2, 2), 0);
    take_outcomes(pool, job, t);
    CHECK(t->total == 1 && t->kind[2] == LUAS__KIND_CANCELLED && t->attempts[2] == 1);
    luas__pool_seal(pool, job);
    CHECK_INT(luas__pool_cancel(pool, job, 0, UINT64_MAX), 0);
    take_outcomes(pool, job, t);
    CHECK(t->kinds[LUAS__KIND_CANCELLED] == 4 && job->done);
    free(t);
    luas__pool_drop(pool, job);
    job = start_job(pool, &policy);
    feed(pool, job, "x", 2);
    CHECK(luas__pool_step(pool, 50 * LUAS__MS, NULL) >= 0);
    luas__pool_drop(pool, job);
    check_works(pool, 5);
    luas__pool_close(pool);
}

/* The owner decides on each: the first again, the second not, the third is cancelled meanwhile. */
static void test_the_owner_decides(void)
{
    luas__pool *pool = open_pool(1, serve);
    luas__policy policy = policy_of(1, LUAS__RETRY_ASK, 0);
    luas__job *job = start_job(pool, &policy);
    feed(pool, job, "x", 3);
    luas__pool_seal(pool, job);
    const luas__outcome *o;
    const char *payload;
    for (int asked = 0; asked < 3; asked++) {
        while ((o = luas__retries_asked(pool, job, &payload)) == NULL)
            CHECK(luas__pool_step(pool, LUAS__SECOND, NULL) >= 0);
        CHECK(o->kind == LUAS__KIND_ERROR && o->len > 0 && !job->done);
        if (o->index == 3)
            CHECK_INT(luas__pool_cancel(pool, job, 3, 3), 0);
        CHECK_INT(luas__retries_answer(pool, job, o->index != 2), 0);
    }
    tally *t = new_tally();
    drive(pool, job, t, 3);
    CHECK(t->attempts[1] == 2 && t->attempts[2] == 1 && t->kind[2] == LUAS__KIND_ERROR);
    CHECK(t->kind[3] == LUAS__KIND_CANCELLED && t->attempts[3] == 1);
    CHECK_INT(pool->stats.retries, 1);
    free(t);
    luas__pool_drop(pool, job);
    luas__pool_close(pool);
}

/* What is left when the time is over is cancelled; what is fed later is so, too. */
static void test_a_deadline(void)
{
    luas__pool *pool = open_pool(2, serve);
    luas__policy policy = policy_of(9, LUAS__RETRY_ANY, LUAS__SECOND);
    policy.deadline = within(100 * LUAS__MS);
    policy.grace = 10 * LUAS__MS;
    luas__job *job = start_job(pool, &policy);
    feed(pool, job, "echo", 3);
    feed(pool, job, "h", 1);
    feed(pool, job, "x", 1);    /* waits for its next start then */
    feed(pool, job, "s20000", 9);
    tally *t = new_tally();
    drive(pool, job, t, 14);
    CHECK(t->kinds[LUAS__KIND_VALUE] == 3 && t->kinds[LUAS__KIND_CANCELLED] == 11);
    feed(pool, job, "echo", 2);
    luas__pool_seal(pool, job);
    drive(pool, job, t, 16);
    CHECK(t->kinds[LUAS__KIND_CANCELLED] == 13 && job->done);
    free(t);
    luas__pool_drop(pool, job);
    check_works(pool, 5);
    luas__pool_close(pool);
}

int main(void)
{
    RUN(test_what_is_started_again);
    RUN(test_pauses_grow);
    RUN(test_no_pause_is_longer_than_the_longest);
    RUN(test_waiting_tasks_are_cancelled);
    RUN(test_the_owner_decides);
    RUN(test_a_deadline);
    return 0;
}
