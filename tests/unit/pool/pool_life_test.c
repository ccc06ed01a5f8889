/* Pools from opening to closing: init, cancel, terminate, resize, the end. */
#define _GNU_SOURCE
#include "pool_testing.h"
#include "state.h"

#include <poll.h>

/* ---- start ---- */

static int die_at_once(void *host, luas__channel *channel)
{
    (void)host;
    (void)channel;
    return 1;
}

/* Neither for ever nor in silence: what a job's definition does to workers is
   that job's outcome. */
static void test_workers_that_die_at_once_end_their_job(void)
{
    luas__pool *pool = open_pool(2, die_at_once);
    for (int i = 1; i <= 3; i++) {
        luas__job *job = start_job(pool, &(luas__policy){0});
        feed(pool, job, "echo", 5);
        tally *t = finish(pool, job);
        CHECK(t->kinds[LUAS__KIND_CRASH] >= 1);
        CHECK_INT(t->kinds[LUAS__KIND_CRASH] + t->kinds[LUAS__KIND_CANCELLED], 5);
        free(t);
        CHECK(pool->stats.forks < (uint64_t)i * 20);
    }
    luas__pool_close(pool);
}

static int step_until_failure(luas__pool *pool)
{
    int rc = 0;
    for (int i = 0; i < 1000 && rc >= 0; i++)
        rc = luas__pool_step(pool, 100 * LUAS__MS, NULL);
    return rc;
}

static void announce(luas__channel *c, enum luas__message code, const char *words)
{
    size_t mark;
    if (luas__frame_begin(&c->reply, code, &mark) < 0
        || (words != NULL && luas__mp_write_string(&c->reply, words, strlen(words)) < 0)
        || luas__channel_send(c, mark) < 0 || luas__channel_flush(c) < 0)
        _exit(97);
}

static int fail_to_start(void *host, luas__channel *channel)
{
    (void)host;
    announce(channel, LUAS__MSG_FAILED, "no database");
    return 1;
}

static int die_in_init(void *host, luas__channel *channel)
{
    (void)host;
    (void)channel;
    raise(SIGKILL);
    return 0;
}

static int start_and_serve(void *host, luas__channel *channel)
{
    announce(channel, LUAS__MSG_READY, NULL);
    return serve(host, channel);
}

static luas__pool *open_with_init(luas__child_main *main)
{
    luas__pool *pool;
    luas__pool_options options = {.workers = 2, .main = main, .has_init = true};
    CHECK_INT(luas__pool_open(&pool, &options), 0);
    return pool;
}

static void check_broken(luas__child_main *main, const char *words)
{
    luas__pool *pool = open_with_init(main);
    CHECK_INT(luas__pool_populate(pool, NULL), 0);
    CHECK_INT(step_until_failure(pool), LUAS_EBROKEN);
    const char *why = luas__buffer_bytes(&pool->health.why), *found = strstr(why, words);
    CHECK(strncmp(why, "init, worker ", strlen("init, worker ")) == 0);
    CHECK(found != NULL && strcmp(found, words) == 0);
    luas__pool_close(pool);
}

static void test_a_failing_init_is_reported_in_its_words(void)
{
    check_broken(fail_to_start, ": no database");
    check_broken(die_in_init, ": it was killed by signal 9");
}

static void test_a_crash_after_init_breaks_nothing(void)
{
    luas__pool *pool = open_with_init(start_and_serve);
    luas__job *job = start_job(pool, &(luas__policy){0});
    feed(pool, job, "k", 10);
    feed(pool, job, "echo", 10);
    tally *t = finish(pool, job);
    CHECK_INT(t->kinds[LUAS__KIND_CRASH], 10);
    CHECK_INT(t->kinds[LUAS__KIND_VALUE], 10);
    free(t);
    luas__pool_close(pool);
}

/* The last event of a loop may be that the last worker has gone, while tasks wait for another one. */
static void test_the_descriptor_tells_that_a_worker_is_to_be_replaced(void)
{
    luas__pool *pool = open_pool(1, serve);
    luas__job *job = start_job(pool, &(luas__policy){0});
    feed(pool, job, "k", 3);
    feed(pool, job, "echo", 1);
    luas__pool_seal(pool, job);
    tally *t = calloc(1, sizeof *t);
    CHECK(t != NULL);
    CHECK(luas__pool_step(pool, 0, NULL) >= 0);
    while (take_outcomes(pool, job, t), t->total < 4) {
        CHECK_INT(poll(&(struct pollfd){.fd = pool->poller.fd, .events = POLLIN}, 1, 20000), 1);
        sleep_ms(50); /* until all is there that the end of a worker brings */
        CHECK(luas__pool_step(pool, 0, NULL) >= 0);
    }
    CHECK_INT(t->kinds[LUAS__KIND_CRASH], 3);
    CHECK_INT(t->kinds[LUAS__KIND_VALUE], 1);
    free(t);
    luas__pool_drop(pool, job);
    luas__pool_close(pool);
}

static void test_populate_forks_all_and_work_only_what_it_needs(void)
{
    luas__pool *pool = open_pool(4, serve);
    check_works(pool, 1);
    CHECK_INT(pool->nworkers, 1);
    CHECK_INT(luas__pool_populate(pool, NULL), 0);
    CHECK_INT(pool->nworkers, 4);
    luas__pool_close(pool);
}

/* ---- cancelling ---- */

static const luas__policy short_grace = {.grace = 50 * LUAS__MS, .chunk = 1};

static void test_cancelled_while_queued(void)
{
    luas__pool *pool = open_pool(1, serve);
    luas__job *job = start_job(pool, &short_grace);
    feed(pool, job, "s100", 1);
    feed(pool, job, "echo", 20);
    CHECK(luas__pool_step(pool, 0, NULL) >= 0);
    CHECK_INT(luas__pool_cancel(pool, job, 5, 5), 0);   /* dealt or not */
    CHECK_INT(luas__pool_cancel(pool, job, 11, 20), 0);
    CHECK_INT(luas__pool_cancel(pool, job, 15, 18), 0); /* again */
    CHECK_INT(luas__pool_cancel(pool, job, 500, 600), 0);
    tally *t = finish(pool, job);
    CHECK_INT(t->kinds[LUAS__KIND_CANCELLED], 11);
    CHECK_INT(t->kind[5], LUAS__KIND_CANCELLED);
    CHECK_INT(t->kind[10], LUAS__KIND_VALUE);
    CHECK_INT(t->kind[11], LUAS__KIND_CANCELLED);
    CHECK_INT(t->kind[20], LUAS__KIND_CANCELLED);
    CHECK_INT(t->kind[21], LUAS__KIND_VALUE);
    CHECK_INT(pool->stats.crashes, 0);
    CHECK_INT(pool->stats.cancelled, 11);
    free(t);
    luas__pool_close(pool);
}

/* Steps until so many tasks have started. */
static void await_starts(luas__pool *pool, luas__job *job, tally *t, int wanted)
{
    for (int i = 0; starts[0] < wanted && i < 2000; i++) {
        CHECK(luas__pool_step(pool, 5 * LUAS__MS, NULL) >= 0);
        take_outcomes(pool, job, t);
    }
    CHECK_INT(starts[0], wanted);
    sleep_ms(20); /* from its count to its hanging */
}

static void cancel_running(const char *input)
{
    luas__pool *pool = open_pool(2, serve);
    luas__job *job = start_job(pool, &short_grace);
    tally *t = new_tally();
    map_starts();
    feed(pool, job, "n0", 1);
    feed(pool, job, input, 2);
    feed(pool, job, "n0", 4);
    luas__pool_seal(pool, job);
    await_starts(pool, job, t, 1);
    CHECK_INT(luas__pool_cancel(pool, job, 2, 3), 0);
    drive(pool, job, t, 7);
    CHECK_INT(t->kinds[LUAS__KIND_CANCELLED], 2);
    CHECK_INT(t->kinds[LUAS__KIND_VALUE], 5);
    CHECK_INT(starts[0], 5);
    free(t);
    unmap_starts();
    luas__pool_close(pool);
}

static void test_cancelled_while_running(void)
{
    cancel_running("h");
    cancel_running("i"); /* does not listen: killed after the grace time */
}

static void test_drop_stops_what_runs(void)
{
    luas__pool *pool = open_pool(2, serve);
    for (int i = 0; i < 5; i++) {
        luas__job *job = start_job(pool, &short_grace);
        feed(pool, job, i % 2 == 0 ? "h" : "i", 10);
        CHECK(luas__pool_step(pool, 20 * LUAS__MS, NULL) >= 0);
        luas__pool_drop(pool, job);
    }
    check_works(pool, 30);
    luas__pool_close(pool);
}

static void test_halts_after_so_many_failures(void)
{
    luas__pool *pool = open_pool(1, serve);
    luas__job *job = start_job(pool, &(luas__policy){.halt.n = 3, .chunk = 1});
    feed(pool, job, "x", 100);
    tally *t = finish(pool, job);
    CHECK(t->kinds[LUAS__KIND_ERROR] >= 3 && t->kinds[LUAS__KIND_ERROR] < 20);
    CHECK_INT(t->kinds[LUAS__KIND_ERROR] + t->kinds[LUAS__KIND_CANCELLED], 100);
    free(t);
    luas__pool_close(pool);
}

static void test_terminate_settles_everything(void)
{
    luas__pool *pool = open_pool(2, serve);
    luas__job *a = start_job(pool, &(luas__policy){0}), *b = start_job(pool, &(luas__policy){0});
    tally *ta = new_tally(), *tb = new_tally();
    feed(pool, a, "i", 10);
    feed(pool, b, "s5", 100);
    CHECK(luas__pool_step(pool, 50 * LUAS__MS, NULL) >= 0);
    luas__pool_terminate(pool);
    drive(pool, a, ta, 10);
    drive(pool, b, tb, 100);
    CHECK_INT(ta->kinds[LUAS__KIND_CANCELLED], 10);
    CHECK_INT(tb->kinds[LUAS__KIND_CANCELLED] + tb->kinds[LUAS__KIND_VALUE], 100);
    luas__job *late = luas__job_new(&(luas__policy){0});
    CHECK_INT(luas__pool_start(pool, late), LUAS_ECLOSED);
    luas__job_free(late);
    free(ta);
    free(tb);
    luas__pool_close(pool);
}

/* ---- the end ---- */

static void test_closes_with_running_tasks(void)
{
    static const char *const inputs[] = {"h", "i", "s10", "L3000000", "c", "k"};
    for (int i = 0; i < 6; i++) {
        luas__pool *pool = open_pool(3, serve);
        luas__job *job = start_job(pool, &(luas__policy){0});
        feed(pool, job, inputs[i], 20);
        CHECK(luas__pool_step(pool, 10 * LUAS__MS, NULL) >= 0);
        luas__pool_close(pool);
    }
}

static void test_stop_lets_workers_finish(void)
{
    luas__pool *pool = open_pool(2, serve);
    luas__job *job = start_job(pool, &(luas__policy){.chunk = 1});
    tally *t = new_tally();
    feed(pool, job, "s30", 2);
    luas__pool_seal(pool, job);
    CHECK(luas__pool_step(pool, 0, NULL) >= 0);
    CHECK_INT(pool->nworkers, 2);
    luas__pool_stop(pool);
    drive(pool, job, t, 2);
    CHECK_INT(t->kinds[LUAS__KIND_VALUE], 2);
    for (int i = 0; i < 500 && pool->nworkers > 0; i++)
        CHECK(luas__pool_step(pool, 10 * LUAS__MS, NULL) >= 0);
    CHECK_INT(pool->nworkers, 0);
    free(t);
    luas__pool_close(pool);
}

static void test_resized_while_it_works(void)
{
    luas__pool *pool = open_pool(1, serve);
    luas__job *job = start_job(pool, &(luas__policy){.chunk = 1});
    tally *t = new_tally();
    feed(pool, job, "s1", 100);
    for (int i = 1; i <= 5; i++) {
        luas__pool_resize(pool, i % 4 + 1);
        drive(pool, job, t, t->total + 1);
    }
    luas__pool_resize(pool, 1);
    drive(pool, job, t, 100);
    for (int i = 0; i < 500 && pool->nworkers > 1; i++)
        CHECK(luas__pool_step(pool, 10 * LUAS__MS, NULL) >= 0);
    CHECK_INT(pool->nworkers, 1);
    free(t);
    luas__pool_close(pool);
}

static void test_workers_are_replaced_after_so_many_tasks(void)
{
    luas__pool *pool;
    luas__pool_options options = {.workers = 2, .main = serve, .max_tasks = 5};
    CHECK_INT(luas__pool_open(&pool, &options), 0);
    luas__job *job = start_job(pool, &(luas__policy){.chunk = 3});
    feed(pool, job, "echo", 100);
    tally *t = finish(pool, job);
    CHECK_INT(t->kinds[LUAS__KIND_VALUE], 100);
    CHECK(pool->stats.forks >= 20 && pool->stats.forks < 40);
    CHECK_INT(pool->stats.crashes, 0);
    free(t);
    luas__pool_close(pool);
}

/* ---- jobs ---- */

static void test_urgent_jobs_go_first(void)
{
    luas__pool *pool = open_pool(1, serve);
    luas__job *low = start_job(pool, &(luas__policy){.chunk = 1});
    luas__job *high = start_job(pool, &(luas__policy){.chunk = 1, .priority = 5});
    tally *t = new_tally();
    feed(pool, low, "s2", 200);
    feed(pool, high, "s1", 20);
    drive(pool, high, t, 20);
    CHECK(low->output.settled < 10);
    free(t);
    luas__pool_close(pool);
}

static void test_many_jobs_at_once(void)
{
    enum { JOBS = 50 };
    luas__pool *pool = open_pool(3, serve);
    luas__job *jobs[JOBS];
    for (int i = 0; i < JOBS; i++) {
        char definition[16];
        jobs[i] = start_job(pool, &(luas__policy){.priority = i % 3});
        int n = snprintf(definition, sizeof definition, "definition %d", i % 7);
        CHECK_INT(luas__pool_define(pool, jobs[i], definition, (size_t)n), 0);
        feed(pool, jobs[i], "echo", (uint32_t)i + 1);
    }
    CHECK_INT(pool->definitions.count, 7);
    for (int i = JOBS; i-- > 0;) {
        tally *t = finish(pool, jobs[i]);
        CHECK_INT(t->kinds[LUAS__KIND_VALUE], i + 1);
        free(t);
    }
    CHECK(pool->jobs.first == NULL && pool->done.first == NULL);
    luas__pool_close(pool);
}

static void run_defined(luas__pool *pool, const char *definition)
{
    luas__job *job = start_job(pool, &(luas__policy){0});
    CHECK_INT(luas__pool_define(pool, job, definition, strlen(definition)), 0);
    feed(pool, job, "echo", 10);
    tally *t = finish(pool, job);
    CHECK_INT(t->kinds[LUAS__KIND_VALUE], 10);
    free(t);
}

static void test_a_definition_is_sent_to_a_worker_once(void)
{
    frames = map_counters(MOST_CODES);
    luas__pool *pool = open_pool(1, serve);
    run_defined(pool, "definition");
    CHECK_INT(frames[LUAS__MSG_DEFINITION], 1);
    run_defined(pool, "definition");
    CHECK_INT(frames[LUAS__MSG_DEFINITION], 1);
    CHECK_INT(frames[LUAS__MSG_DEFINE], 2);
    run_defined(pool, "another one");
    CHECK_INT(frames[LUAS__MSG_DEFINITION], 2);
    luas__pool_close(pool);
    munmap((void *)frames, MOST_CODES * sizeof *frames);
    frames = NULL;
}

/* Nobody has read their outcomes; yet what they defined makes room for others. */
static void test_jobs_that_are_over_hold_no_definitions(void)
{
    enum { JOBS = 300, KEPT = 64 };
    luas__pool *pool = open_pool(2, serve);
    luas__job *jobs[JOBS];
    for (int i = 0; i < JOBS; i++) {
        char definition[24];
        int n = snprintf(definition, sizeof definition, "definition %d", i);
        jobs[i] = start_job(pool, &(luas__policy){0});
        CHECK_INT(luas__pool_define(pool, jobs[i], definition, (size_t)n), 0);
        feed(pool, jobs[i], "echo", 1);
        luas__pool_seal(pool, jobs[i]);
    }
    CHECK_INT(pool->definitions.count, JOBS);
    while (pool->jobs.first != NULL)
        CHECK(luas__pool_step(pool, LUAS__SECOND, NULL) >= 0);
    CHECK_INT(pool->definitions.count, KEPT);
    for (int i = 0; i < pool->nworkers; i++)
        CHECK(pool->workers[i]->known.ndefinitions <= KEPT);
    for (int i = 0; i < JOBS; i++)
        free(finish(pool, jobs[i]));
    luas__pool_close(pool);
}

static void test_says_which_watched_jobs_have_ended(void)
{
    enum { JOBS = 4 };
    luas__pool *pool = open_pool(1, serve);
    luas__job *jobs[JOBS];
    for (int i = 0; i < JOBS; i++)
        jobs[i] = start_job(pool, &(luas__policy){0});
    for (int i = JOBS; i-- > 0;)
        if (i != 2)
            CHECK_INT(luas__pool_watch(pool, jobs[i]), jobs[i]->id);
    CHECK_INT(luas__pool_ended(pool), 0);
    const int order[] = {3, 2, 0, 1};
    for (int i = 0; i < JOBS; i++)
        luas__pool_seal(pool, jobs[order[i]]);
    luas__pool_drop(pool, jobs[0]); /* who knows of it already need not be told */
    CHECK_INT(luas__pool_ended(pool), jobs[3]->id);
    CHECK_INT(luas__pool_watch(pool, jobs[2]), jobs[2]->id);
    CHECK_INT(luas__pool_watch(pool, jobs[3]), jobs[3]->id); /* each once */
    CHECK_INT(luas__pool_ended(pool), jobs[1]->id);
    CHECK_INT(luas__pool_ended(pool), jobs[2]->id);
    CHECK_INT(luas__pool_ended(pool), 0);
    luas__pool_close(pool);
}

static void test_a_job_without_tasks_is_done_when_sealed(void)
{
    luas__pool *pool = open_pool(1, serve);
    free(finish(pool, start_job(pool, &(luas__policy){0})));
    luas__pool_close(pool);
}

int main(void)
{
    RUN(test_workers_that_die_at_once_end_their_job);
    RUN(test_a_failing_init_is_reported_in_its_words);
    RUN(test_a_crash_after_init_breaks_nothing);
    RUN(test_the_descriptor_tells_that_a_worker_is_to_be_replaced);
    RUN(test_populate_forks_all_and_work_only_what_it_needs);
    RUN(test_cancelled_while_queued);
    RUN(test_cancelled_while_running);
    RUN(test_drop_stops_what_runs);
    RUN(test_halts_after_so_many_failures);
    RUN(test_terminate_settles_everything);
    RUN(test_closes_with_running_tasks);
    RUN(test_stop_lets_workers_finish);
    RUN(test_resized_while_it_works);
    RUN(test_workers_are_replaced_after_so_many_tasks);
    RUN(test_urgent_jobs_go_first);
    RUN(test_many_jobs_at_once);
    RUN(test_a_definition_is_sent_to_a_worker_once);
    RUN(test_jobs_that_are_over_hold_no_definitions);
    RUN(test_says_which_watched_jobs_have_ended);
    RUN(test_a_job_without_tasks_is_done_when_sealed);
}
