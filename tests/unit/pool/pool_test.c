/* Every task ends exactly once, whatever its worker does. */
#define _GNU_SOURCE
#include "job_outcomes.h"
#include "pool_testing.h"

static void test_opens_and_closes_without_work(void)
{
    luas__pool_close(open_pool(4, serve));
}

static void test_many_small_tasks(void)
{
    luas__pool *pool = open_pool(3, serve);
    check_works(pool, scaled(MOST_TASKS));
    check_works(pool, 1);
    CHECK_INT(pool->stats.crashes, 0);
    CHECK(pool->stats.forks <= 3);
    luas__pool_close(pool);
}

/* One task that goes wrong among many that do not. */
static tally *run_with_one(const char *input, const luas__policy *policy)
{
    luas__pool *pool = open_pool(2, serve);
    luas__job *job = start_job(pool, policy);
    feed(pool, job, "echo", 30);
    feed(pool, job, input, 1);
    feed(pool, job, "echo", 30);
    tally *t = finish(pool, job);
    check_works(pool, 50);
    luas__pool_close(pool);
    CHECK_INT(t->kinds[LUAS__KIND_VALUE] + (t->kind[31] != LUAS__KIND_VALUE), 61);
    return t;
}

static void check_one(const char *input, int kind, int status)
{
    tally *t = run_with_one(input, &(luas__policy){0});
    CHECK_INT(t->kind[31], kind);
    CHECK_INT(t->status[31], status);
    CHECK_INT(t->attempts[31], 1);
    free(t);
}

static void test_an_error_is_the_tasks_own(void)
{
    check_one("x", LUAS__KIND_ERROR, 0);
}

static void test_a_crash_says_how_the_worker_ended(void)
{
    check_one("k", LUAS__KIND_CRASH, SIGKILL);
    check_one("q7", LUAS__KIND_CRASH, 7 << 8);
    check_one("q0", LUAS__KIND_CRASH, 0);
    tally *t = run_with_one("a", &(luas__policy){0});
    CHECK_INT(t->kind[31], LUAS__KIND_CRASH);
    CHECK_INT(WTERMSIG(t->status[31]), SIGABRT);
    free(t);
}

static void test_half_a_frame_and_then_the_end(void)
{
    check_one("f", LUAS__KIND_CRASH, 3 << 8);
    check_one("F", LUAS__KIND_CRASH, 3 << 8);
}

static void test_a_worker_that_talks_nonsense_is_ended(void)
{
    tally *t = run_with_one("g", &(luas__policy){0});
    CHECK_INT(t->kind[31], LUAS__KIND_CRASH);
    free(t);
    t = run_with_one("W", &(luas__policy){0});
    CHECK_INT(t->kind[31], LUAS__KIND_CRASH);
    CHECK_INT(t->status[31], SIGKILL);
    free(t);
}

/* What the worker answered behind the nonsense is lost, and not waited for. */
static void test_answers_behind_nonsense_are_crashes(void)
{
    for (int round = scaled(100); round >= 0; round--) {
        luas__pool *pool = open_pool(1, serve);
        luas__job *job = start_job(pool, &(luas__policy){.chunk = 50});
        luas__buffer batch = LUAS__BUFFER_INIT;
        size_t *ends = malloc(50 * sizeof *ends);
        CHECK(ends != NULL);
        for (int i = 0; i < 50; i++) {
            write_input(&batch, i == 10 ? "w" : "e", 1);
            ends[i] = batch.len;
        }
        CHECK_INT(luas__pool_feed(pool, job, &batch, ends, 50), 0);
        tally *t = finish(pool, job);
        CHECK_INT(t->kind[10], LUAS__KIND_VALUE);
        CHECK_INT(t->kind[11], LUAS__KIND_CRASH);
        CHECK_INT(t->kinds[LUAS__KIND_VALUE] + t->kinds[LUAS__KIND_CRASH], 50);
        free(t);
        luas__pool_close(pool);
    }
}

/* The second outcome is nobody's, and ends the worker. */
static void test_two_outcomes_for_one_task_count_once(void)
{
    luas__pool *pool = open_pool(1, serve);
    luas__job *job = start_job(pool, &(luas__policy){0});
    feed(pool, job, "T", 1);
    tally *t = finish(pool, job);
    CHECK_INT(t->kinds[LUAS__KIND_VALUE], 1);
    free(t);
    for (int i = 0; i < 500 && pool->nworkers > 0; i++)
        CHECK(luas__pool_step(pool, 10 * LUAS__MS, NULL) >= 0);
    CHECK_INT(pool->nworkers, 0);
    check_works(pool, 50);
    luas__pool_close(pool);
}

static void test_a_finished_result_outlives_its_worker(void)
{
    tally *t = run_with_one("D", &(luas__policy){0});
    CHECK_INT(t->kind[31], LUAS__KIND_VALUE);
    free(t);
}

static void test_an_outcome_behind_a_crash_is_its_neighbours(void)
{
    luas__pool *pool = open_pool(1, serve);
    luas__job *job = start_job(pool, &(luas__policy){.chunk = 10});
    for (int i = 0; i < 10; i++)
        feed(pool, job, "D", 1); /* each answers, and takes its worker with it */
    feed(pool, job, "k", 5);
    tally *t = finish(pool, job);
    CHECK_INT(t->kinds[LUAS__KIND_VALUE], 10);
    CHECK_INT(t->kinds[LUAS__KIND_CRASH], 5);
    free(t);
    luas__pool_close(pool);
}

/* The first four end when they have their tasks, before they begin one. */
static int unlucky(void *host, luas__channel *c)
{
    luas__mp_reader body;
    if (atomic_fetch_add(&starts[0], 1) > 3)
        return serve(host, c);
    luas__channel_next(c, &body);
    _exit(7);
}

/* A definition is all tasks' of a job, but each call is on its own. */
static void test_what_ends_workers_before_they_begin(void)
{
    for (int flags = 0; flags <= LUAS__JOB_CALL; flags += LUAS__JOB_CALL) {
        map_starts();
        luas__pool *pool = open_pool(1, unlucky);
        luas__job *job = start_job(pool, &(luas__policy){.flags = flags});
        feed(pool, job, "echo", 3);
        tally *t = finish(pool, job);
        CHECK_INT(t->kind[1], LUAS__KIND_CRASH);
        CHECK_INT(t->status[1], 7 << 8);
        CHECK_INT(t->kinds[flags == 0 ? LUAS__KIND_CANCELLED : LUAS__KIND_VALUE], 2);
        free(t);
        luas__pool_close(pool);
        unmap_starts();
    }
}

/* One that was killed may outlive its job. One whose last words are read only then goes on: the
   kernel continues who may write again (orphan.c). */
static void await_one_worker(luas__pool *pool)
{
    for (int i = 0; i < 1000 && pool->nworkers > 1; i++)
        CHECK(luas__pool_step(pool, 10 * LUAS__MS, NULL) >= 0);
    CHECK_INT(pool->nworkers, 1);
}

/* A task that was dealt to a worker which is stopped is dealt anew in time,
   however often; it is not at fault. */
static void test_a_stopped_worker_keeps_no_timed_task(void)
{
    luas__pool *pool = open_pool(1, serve);
    for (int i = 0; i < 6; i++) {
        check_works(pool, 1);
        CHECK_INT(pool->nworkers, 1);
        pid_t pid = pool->workers[0]->pid;
        CHECK_INT(kill(pid, SIGSTOP), 0);
        luas__policy policy = {.timeout = ample, .flags = LUAS__JOB_TIMED};
        luas__job *job = start_job(pool, &policy);
        feed(pool, job, "echo", 3);
        tally *t = finish(pool, job);
        CHECK_INT(t->kinds[LUAS__KIND_VALUE], 3);
        CHECK_INT(t->attempts[1], 1); /* it was never started there */
        free(t);
        await_one_worker(pool);
    }
    luas__pool_close(pool);
}

static int stop_at_once(void *host, luas__channel *channel)
{
    (void)host;
    (void)channel;
    raise(SIGSTOP);
    return 0;
}

/* Stopped again and again it is still not the task's fault. */
static void test_workers_that_are_always_stopped_cost_no_task(void)
{
    luas__pool *pool = open_pool(1, stop_at_once);
    luas__policy policy = {.timeout = 10 * LUAS__MS, .flags = LUAS__JOB_TIMED};
    luas__job *job = start_job(pool, &policy);
    feed(pool, job, "echo", 1);
    luas__pool_seal(pool, job);
    while (pool->stats.forks < 8)
        CHECK(luas__pool_step(pool, 100 * LUAS__MS, NULL) >= 0);
    CHECK_INT(job->output.settled, 0);
    luas__pool_close(pool);
}

/* ---- large frames ---- */

static void test_large_inputs_and_results(void)
{
    luas__pool *pool = open_pool(2, serve);
    luas__job *job = start_job(pool, &(luas__policy){0});
    char *input = malloc(LARGE);
    CHECK(input != NULL);
    memset(input, ' ', LARGE);
    memcpy(input, "L3000000", 8);
    feed_bytes(pool, job, input, LARGE, 6);
    tally *t = finish(pool, job);
    CHECK_INT(t->kinds[LUAS__KIND_VALUE], 6);
    CHECK_INT(t->bytes, 6 * 3000000);
    free(t);
    free(input);
    luas__pool_close(pool);
}

/* A task whose bytes are still on their way is not late, however long that
   takes: moved to another worker, they would all have to be sent again. */
static void test_large_inputs_are_sent_once(void)
{
    size_t len = (size_t)scaled(20) * LARGE;
    luas__pool *pool = open_pool(2, serve);
    luas__policy policy = {.timeout = 60 * LUAS__SECOND, .flags = LUAS__JOB_TIMED};
    luas__job *job = start_job(pool, &policy);
    char *input = calloc(1, len);
    CHECK(input != NULL);
    CHECK_INT(luas__pool_populate(pool, NULL), 0);
    input[0] = 'e';
    feed_bytes(pool, job, input, len, 1);
    tally *t = finish(pool, job);
    CHECK_INT(t->kinds[LUAS__KIND_VALUE], 1);
    CHECK(pool->stats.steals <= 2);
    free(t);
    free(input);
    luas__pool_close(pool);
}

static void test_results_of_every_size_around_the_ring(void)
{
    luas__pool *pool = open_pool(2, serve);
    luas__job *job = start_job(pool, &(luas__policy){0});
    size_t sum = 0;
    int tasks = 0;
    for (size_t size = LUAS__RING / 4; size < 3 * LUAS__RING; size += size / 9, tasks++) {
        feed_number(pool, job, 'L', size);
        sum += size;
    }
    tally *t = finish(pool, job);
    CHECK_INT(t->kinds[LUAS__KIND_VALUE], tasks);
    CHECK_INT(t->bytes, sum);
    free(t);
    luas__pool_close(pool);
}

static int never_reads(void *host, luas__channel *channel)
{
    (void)host;
    (void)channel;
    hang();
    return 0;
}

/* The host waits for nobody: not to write, not to close. */
static void test_a_worker_that_never_reads(void)
{
    luas__pool *pool = open_pool(2, never_reads);
    luas__job *job = start_job(pool, &(luas__policy){0});
    char *input = calloc(1, LARGE);
    CHECK(input != NULL);
    feed_bytes(pool, job, input, LARGE, 4);
    int64_t start = luas__now();
    for (int i = 0; i < 5; i++)
        CHECK(luas__pool_step(pool, 10 * LUAS__MS, NULL) >= 0);
    CHECK(luas__now() - start < within(10 * LUAS__SECOND));
    CHECK_INT(job->output.settled, 0);
    free(input);
    luas__pool_close(pool);
}

static void test_a_slow_consumer_is_not_flooded(void)
{
    enum { TASKS = 100, SIZE = 100000 };
    luas__pool *pool = open_pool(2, serve);
    luas__job *job = start_job(pool, &(luas__policy){.room = 5 * SIZE, .chunk = 1});
    tally *t = new_tally();
    feed(pool, job, "L100000", TASKS);
    while (t->total < TASKS) {
        for (int i = 0; i < 20; i++)
            CHECK(luas__pool_step(pool, LUAS__MS, NULL) >= 0);
        CHECK(job->output.inbox.len < 30 * SIZE);
        const char *payload;
        if (luas__pool_take(pool, job))
            for (const luas__outcome *o; (o = luas__job_outcomes_next(job, &payload)) != NULL;)
                count_outcome(t, o);
    }
    luas__pool_drop(pool, job);
    free(t);
    luas__pool_close(pool);
}

/* ---- timeouts ---- */

static void test_a_task_over_its_time_is_stopped(void)
{
    luas__policy policy = {.timeout = ample, .grace = 50 * LUAS__MS,
                           .flags = LUAS__JOB_TIMED};
    tally *t = run_with_one("h", &policy);
    CHECK_INT(t->kind[31], LUAS__KIND_TIMEOUT);
    free(t);
}

static void test_a_task_that_will_not_stop_is_killed(void)
{
    luas__policy policy = {.timeout = ample, .grace = 50 * LUAS__MS,
                           .flags = LUAS__JOB_TIMED};
    tally *t = run_with_one("i", &policy);
    CHECK_INT(t->kind[31], LUAS__KIND_TIMEOUT);
    free(t);
    t = run_with_one("c", &policy);
    CHECK_INT(t->kind[31], LUAS__KIND_TIMEOUT);
    free(t);
}

/* The time counts from the start of the task, not from when it was dealt. */
static void test_waiting_is_not_part_of_the_time(void)
{
    luas__policy policy = {.timeout = 2 * LUAS__SECOND, .flags = LUAS__JOB_TIMED, .chunk = 100};
    luas__pool *pool = open_pool(1, serve);
    luas__job *job = start_job(pool, &policy);
    feed(pool, job, "s50", 50);
    tally *t = finish(pool, job);
    CHECK_INT(t->kinds[LUAS__KIND_VALUE], 50);
    free(t);
    luas__pool_close(pool);
}

/* ---- retries ---- */

static void test_retries_are_counted_and_end(void)
{
    for (int workers = 1; workers <= 3; workers++) {
        luas__pool *pool = open_pool(workers, serve);
        luas__job *job = start_job(pool, &(luas__policy){.retries = 2});
        feed(pool, job, "k", 1);
        tally *t = finish(pool, job);
        CHECK_INT(t->kinds[LUAS__KIND_CRASH], 1);
        CHECK_INT(t->attempts[1], 3);
        free(t);
        CHECK_INT(pool->stats.retries, 2);
        check_works(pool, 20);
        luas__pool_close(pool);
    }
}

static void test_a_retry_can_succeed(void)
{
    enum { TASKS = 40 };
    luas__pool *pool = open_pool(2, serve);
    luas__job *job = start_job(pool, &(luas__policy){.retries = 1});
    map_starts();
    for (size_t i = 0; i < TASKS; i++)
        feed_number(pool, job, i % 2 == 0 ? 'o' : 'n', i);
    tally *t = finish(pool, job);
    CHECK_INT(t->kinds[LUAS__KIND_VALUE], TASKS);
    for (size_t i = 0; i < TASKS; i++) {
        CHECK_INT(starts[i], i % 2 == 0 ? 2 : 1);
        CHECK_INT(t->attempts[i + 1], starts[i]);
    }
    free(t);
    unmap_starts();
    luas__pool_close(pool);
}

static void test_without_retries_nothing_starts_twice(void)
{
    luas__pool *pool = open_pool(2, serve);
    luas__job *job = start_job(pool, &(luas__policy){.chunk = 7});
    size_t tasks = (size_t)scaled(1000) / 10 * 10;
    map_starts();
    for (size_t i = 0; i < tasks; i++)
        feed_number(pool, job, i % 10 == 3 ? 'N' : 'n', i);
    tally *t = finish(pool, job);
    CHECK_INT(t->kinds[LUAS__KIND_CRASH], tasks / 10);
    CHECK_INT(t->kinds[LUAS__KIND_VALUE], tasks - tasks / 10);
    for (size_t i = 0; i < tasks; i++)
        CHECK_INT(starts[i], 1);
    CHECK_INT(pool->stats.retries, 0);
    free(t);
    unmap_starts();
    luas__pool_close(pool);
}

/* Most dealt tasks are taken back from the slow again and again. */
static void test_stolen_tasks_do_not_start_twice(void)
{
    luas__pool *pool = open_pool(4, serve);
    luas__job *job = start_job(pool, &(luas__policy){.chunk = 40});
    size_t tasks = (size_t)scaled(4000);
    map_starts();
    for (size_t i = 0; i < tasks; i++)
        if (i % 40 == 0)
            feed_number(pool, job, 's', i / 40 % 3);
        else
            feed_number(pool, job, 'n', i);
    tally *t = finish(pool, job);
    CHECK_INT(t->kinds[LUAS__KIND_VALUE], tasks);
    for (size_t i = 0; i < tasks; i++)
        CHECK_INT(starts[i], i % 40 != 0);
    free(t);
    unmap_starts();
    luas__pool_close(pool);
}

int main(void)
{
    RUN(test_opens_and_closes_without_work);
    RUN(test_many_small_tasks);
    RUN(test_an_error_is_the_tasks_own);
    RUN(test_a_crash_says_how_the_worker_ended);
    RUN(test_half_a_frame_and_then_the_end);
    RUN(test_a_worker_that_talks_nonsense_is_ended);
    RUN(test_answers_behind_nonsense_are_crashes);
    RUN(test_two_outcomes_for_one_task_count_once);
    RUN(test_a_finished_result_outlives_its_worker);
    RUN(test_what_ends_workers_before_they_begin);
    RUN(test_a_stopped_worker_keeps_no_timed_task);
    RUN(test_workers_that_are_always_stopped_cost_no_task);
    RUN(test_an_outcome_behind_a_crash_is_its_neighbours);
    RUN(test_large_inputs_and_results);
    RUN(test_large_inputs_are_sent_once);
    RUN(test_results_of_every_size_around_the_ring);
    RUN(test_a_worker_that_never_reads);
    RUN(test_a_slow_consumer_is_not_flooded);
    RUN(test_a_task_over_its_time_is_stopped);
    RUN(test_a_task_that_will_not_stop_is_killed);
    RUN(test_waiting_is_not_part_of_the_time);
    RUN(test_retries_are_counted_and_end);
    RUN(test_a_retry_can_succeed);
    RUN(test_without_retries_nothing_starts_twice);
    RUN(test_stolen_tasks_do_not_start_twice);
}
