/* The library's thread goes on with a job while the application does not. */
#define _GNU_SOURCE
#include "pool_testing.h"

static luas__job *start_pumped(luas__pool *pool, const luas__policy *policy, const char *input,
                               uint32_t count)
{
    luas__job *job = start_job(pool, policy);
    feed(pool, job, input, count);
    luas__pool_seal(pool, job);
    CHECK(luas__pool_step(pool, 0, NULL) >= 0); /* only that forks */
    CHECK_INT(luas__pool_pump(pool, job), 0);
    return job;
}

static bool is_done(luas__pool *pool, const luas__job *job)
{
    pthread_mutex_lock(&pool->lock);
    bool done = job->done;
    pthread_mutex_unlock(&pool->lock);
    return done;
}

static void await_done(luas__pool *pool, const luas__job *job)
{
    for (int i = 0; i < 3000 && !is_done(pool, job); i++)
        sleep_ms(10);
    CHECK(is_done(pool, job));
}

static tally *take_all(luas__pool *pool, luas__job *job)
{
    tally *t = new_tally();
    take_outcomes(pool, job, t);
    CHECK_INT(t->total, job->input.fed);
    luas__pool_drop(pool, job);
    return t;
}

static void test_work_goes_on_without_the_application(void)
{
    luas__pool *pool = open_pool(2, serve);
    luas__job *job = start_pumped(pool, &(luas__policy){.chunk = 1}, "s5", 60);
    await_done(pool, job);
    tally *t = take_all(pool, job);
    CHECK_INT(t->kinds[LUAS__KIND_VALUE], 60);
    free(t);
    luas__pool_close(pool);
}

static void test_large_results_are_taken_in(void)
{
    luas__pool *pool = open_pool(2, serve);
    luas__job *job = start_pumped(pool, &(luas__policy){.chunk = 1}, "L500000", 20);
    await_done(pool, job);
    tally *t = take_all(pool, job);
    CHECK_INT(t->bytes, 20 * 500000);
    free(t);
    luas__pool_close(pool);
}

/* The thread does not fork: with one of two workers gone the other does it all. */
static void test_a_death_meanwhile(void)
{
    luas__pool *pool = open_pool(2, serve);
    luas__job *job = start_job(pool, &(luas__policy){.chunk = 1});
    feed(pool, job, "k", 1);
    feed(pool, job, "s2", 50);
    luas__pool_seal(pool, job);
    CHECK(luas__pool_step(pool, 0, NULL) >= 0);
    CHECK_INT(luas__pool_pump(pool, job), 0);
    await_done(pool, job);
    tally *t = take_all(pool, job);
    CHECK_INT(t->kinds[LUAS__KIND_CRASH], 1);
    CHECK_INT(t->kinds[LUAS__KIND_VALUE], 50);
    free(t);
    luas__pool_close(pool);
}

static void test_deadlines_are_kept_meanwhile(void)
{
    luas__policy policy = {.timeout = 50 * LUAS__MS, .grace = 50 * LUAS__MS, .chunk = 1,
                           .flags = LUAS__JOB_TIMED};
    luas__pool *pool = open_pool(2, serve);
    luas__job *job = start_pumped(pool, &policy, "i", 2);
    await_done(pool, job);
    tally *t = take_all(pool, job);
    CHECK_INT(t->kinds[LUAS__KIND_TIMEOUT], 2);
    free(t);
    luas__pool_close(pool);
}

/* Both drive in turn, and now and then at the same time. */
static void test_application_and_thread_take_turns(void)
{
    luas__pool *pool = open_pool(3, serve);
    uint64_t random = 5;
    for (int round = scaled(50); round >= 0; round--) {
        luas__job *job = start_pumped(pool, &(luas__policy){.retries = 1}, "echo", 200);
        luas__job *other = start_job(pool, &(luas__policy){0});
        tally *t = new_tally();
        feed(pool, other, round % 5 == 0 ? "k" : "echo", 20);
        while (t->total < 200) {
            if (draw(&random, 2) == 0)
                sleep_ms(draw(&random, 3));
            CHECK(luas__pool_step(pool, (int64_t)draw(&random, 3) * LUAS__MS, NULL) >= 0);
            take_outcomes(pool, job, t);
        }
        CHECK_INT(t->kinds[LUAS__KIND_VALUE], 200);
        luas__pool_drop(pool, job);
        free(t);
        free(finish(pool, other));
    }
    luas__pool_close(pool);
}

static void test_jobs_dropped_while_it_pumps(void)
{
    luas__pool *pool = open_pool(2, serve);
    for (int i = scaled(40); i >= 0; i--) {
        luas__job *job = start_pumped(pool, &(luas__policy){.grace = LUAS__MS},
                                      i % 2 == 0 ? "s1" : "h", 10);
        sleep_ms(i % 4);
        luas__pool_drop(pool, job);
    }
    check_works(pool, 20);
    luas__pool_close(pool);
}

static void test_pools_closed_while_it_pumps(void)
{
    for (int i = scaled(200); i >= 0; i--) {
        luas__pool *pool = open_pool(2, serve);
        start_pumped(pool, &(luas__policy){0}, i % 3 == 0 ? "i" : "s1", 10);
        sleep_ms(i % 5);
        luas__pool_close(pool);
    }
}

/* The application's threads are the ones to get its signals. */
static void test_the_thread_takes_no_signals(void)
{
    luas__pool *pool = open_pool(1, serve);
    luas__job *job = start_pumped(pool, &(luas__policy){0}, "s50", 2);
    sigset_t blocked, before, pending;
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGUSR1); /* ends the process, if anyone takes it */
    pthread_sigmask(SIG_BLOCK, &blocked, &before);
    kill(getpid(), SIGUSR1);
    await_done(pool, job);
    CHECK_INT(sigpending(&pending), 0);
    CHECK(sigismember(&pending, SIGUSR1) == 1);
    CHECK_INT(sigwaitinfo(&blocked, NULL), SIGUSR1);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    free(take_all(pool, job));
    luas__pool_close(pool);
}

int main(void)
{
    RUN(test_work_goes_on_without_the_application);
    RUN(test_large_results_are_taken_in);
    RUN(test_a_death_meanwhile);
    RUN(test_deadlines_are_kept_meanwhile);
    RUN(test_application_and_thread_take_turns);
    RUN(test_jobs_dropped_while_it_pumps);
    RUN(test_pools_closed_while_it_pumps);
    RUN(test_the_thread_takes_no_signals);
}
