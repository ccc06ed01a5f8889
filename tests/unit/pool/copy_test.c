/*
 * A process that was forked of a pool's owner has a copy of the pool, whose lock may
 * have been held at that moment: nothing that it asks the copy waits for that lock,
 * or does anything to the owner's pool; and it can take what had come by then.
 */
#define _GNU_SOURCE
#include "copy_testing.h"
#include "job_outcomes.h"
#include "pool_testing.h"

/* Runs in a copy that was made while somebody worked on the pool. */
static void check_in_copy(luas__pool *pool, luas__job *job,
                          bool (*is_right)(luas__pool *, luas__job *))
{
    pthread_mutex_lock(&pool->lock);
    pid_t child = fork_while_locked();
    if (child == 0)
        _exit(is_right(pool, job) ? 0 : 1);
    pthread_mutex_unlock(&pool->lock);
    check_succeeds(child);
}

/* Until so many of its tasks have ended; nobody takes their outcomes. */
static void await_settled(luas__pool *pool, const luas__job *job, uint64_t count)
{
    int64_t end = luas__now() + 60 * LUAS__SECOND;
    while (job->output.settled < count) {
        CHECK(luas__pool_step(pool, LUAS__SECOND, NULL) >= 0);
        CHECK(luas__now() < end);
    }
}

static bool refuses_to_submit(luas__pool *pool, luas__job *job)
{
    luas__buffer bytes = LUAS__BUFFER_INIT;
    luas__job *other = luas__job_new(&(luas__policy){0});
    size_t end = 0;
    bool refuses = luas__pool_start(pool, other) == LUAS_EFOREIGN
        && luas__pool_define(pool, job, "x", 1) == LUAS_EFOREIGN
        && luas__pool_feed(pool, job, &bytes, &end, 1) == LUAS_EFOREIGN
        && luas__pool_feed_inherited(pool, job, 1) == LUAS_EFOREIGN
        && luas__pool_populate(pool, NULL) == LUAS_EFOREIGN
        && luas__pool_inherit(pool, job, 1, 1, NULL) == LUAS_EFOREIGN;
    luas__job_free(other);
    return refuses;
}

static bool refuses_to_drive(luas__pool *pool, luas__job *job)
{
    return luas__pool_step(pool, 0, NULL) == LUAS_EFOREIGN
        && luas__pool_step(pool, -1, NULL) == LUAS_EFOREIGN
        && luas__pool_pump(pool, job) == LUAS_EFOREIGN
        && luas__pool_cancel(pool, job, 0, UINT64_MAX) == LUAS_EFOREIGN
        && luas__pool_stop(pool) == LUAS_EFOREIGN
        && luas__pool_resize(pool, 7) == LUAS_EFOREIGN
        && luas__pool_terminate(pool) == LUAS_EFOREIGN
        && luas__pool_live(pool, true) == LUAS_EFOREIGN
        && luas__pool_watch(pool, job) == LUAS_EFOREIGN
        && luas__pool_signal_process(pool, job, SIGKILL) == LUAS_EFOREIGN;
}

static bool does_nothing(luas__pool *pool, luas__job *job)
{
    luas__pool_snapshot(pool, job, NULL);
    luas__pool_seal(pool, job);
    luas__pool_drop(pool, job);
    return !luas__pool_make_room(pool) && !luas__pool_is_only(pool, job)
        && luas__pool_process(pool, job) == 0 && !job->input.sealed && !job->closed
        && pool->snapshots == NULL && pool->pumping.pump == NULL;
}

static void test_a_copy_is_refused(void)
{
    luas__pool *pool = open_pool(2, serve);
    luas__job *job = start_job(pool, &(luas__policy){0});
    feed(pool, job, "s50", 4);
    CHECK(luas__pool_step(pool, 0, NULL) >= 0);
    check_in_copy(pool, job, refuses_to_submit);
    check_in_copy(pool, job, refuses_to_drive);
    check_in_copy(pool, job, does_nothing);
    tally *t = finish(pool, job);
    CHECK_INT(t->kinds[LUAS__KIND_VALUE], 4);
    free(t);
    check_works(pool, 10);
    luas__pool_close(pool);
}

/* Those of three tasks, in order; then there are no more. */
static bool has_three(luas__pool *pool, luas__job *job)
{
    const luas__outcome *o;
    const char *payload;
    for (uint64_t i = 1; i <= 3; i++)
        if (!luas__pool_take(pool, job) || (o = luas__job_outcomes_next(job, &payload)) == NULL
            || o->index != i || o->len != 4 || memcmp(payload, "echo", 4) != 0)
            return false;
    return luas__job_outcomes_next(job, &payload) == NULL && !luas__pool_take(pool, job);
}

static bool has_none(luas__pool *pool, luas__job *job)
{
    return !luas__pool_take(pool, job);
}

static bool is_over(luas__pool *pool, luas__job *job)
{
    return job->done && luas__pool_cancel(pool, job, 0, UINT64_MAX) == 0 && has_three(pool, job);
}

static void test_what_had_come_can_be_taken(void)
{
    luas__pool *pool = open_pool(1, serve);
    luas__job *job = start_job(pool, &(luas__policy){.chunk = 1});
    check_in_copy(pool, job, has_none);
    feed(pool, job, "echo", 3);
    await_settled(pool, job, 3);
    check_in_copy(pool, job, has_three);
    check_in_copy(pool, job, has_three); /* each its own */
    luas__pool_seal(pool, job);
    check_in_copy(pool, job, is_over);
    tally *t = finish(pool, job);
    CHECK_INT(t->kinds[LUAS__KIND_VALUE], 3);
    free(t);
    luas__pool_close(pool);
}

static bool is_told_of_none(luas__pool *pool, luas__job *job)
{
    return luas__pool_ended(pool) == 0 && luas__pool_watch(pool, job) == LUAS_EFOREIGN
        && is_over(pool, job);
}

static void test_only_the_owner_is_told_of_an_end(void)
{
    luas__pool *pool = open_pool(1, serve);
    luas__job *job = start_job(pool, &(luas__policy){0});
    CHECK_INT(luas__pool_watch(pool, job), job->id);
    feed(pool, job, "echo", 3);
    luas__pool_seal(pool, job);
    await_settled(pool, job, 3);
    check_in_copy(pool, job, is_told_of_none);
    CHECK_INT(luas__pool_ended(pool), job->id);
    tally *t = finish(pool, job);
    CHECK_INT(t->kinds[LUAS__KIND_VALUE], 3);
    free(t);
    luas__pool_close(pool);
}

static void test_what_was_coming_is_left_alone(void)
{
    luas__pool *pool = open_pool(1, serve);
    luas__job *job = start_job(pool, &(luas__policy){0});
    feed(pool, job, "echo", 3);
    await_settled(pool, job, 3);
    job->posting = true; /* as while a thread adds a fourth */
    check_in_copy(pool, job, has_none);
    job->posting = false;
    check_in_copy(pool, job, has_three);
    luas__pool_drop(pool, job);
    luas__pool_close(pool);
}

static bool has_ended(luas__pool *pool, luas__job *job)
{
    const char *payload;
    const luas__outcome *o = luas__pool_take(pool, job) ? luas__job_outcomes_next(job, &payload) : NULL;
    return job->process_gone && WIFSIGNALED(job->process_status)
        && WTERMSIG(job->process_status) == SIGKILL && luas__pool_process(pool, job) == 0
        && o != NULL && o->kind == LUAS__KIND_CRASH;
}

static void test_how_a_process_ended_can_be_read(void)
{
    luas__pool *pool = open_pool(0, serve);
    luas__policy policy = {.flags = LUAS__JOB_PROCESS | LUAS__JOB_INHERIT};
    luas__job *job = start_job(pool, &policy);
    CHECK_INT(luas__pool_inherit(pool, job, 1, 1, NULL), 0);
    feed(pool, job, "k", 1);
    luas__pool_seal(pool, job);
    for (int i = 0; i < 3000 && !job->process_gone; i++)
        CHECK(luas__pool_step(pool, 20 * LUAS__MS, NULL) >= 0);
    check_in_copy(pool, job, has_ended);
    luas__pool_drop(pool, job);
    luas__pool_close(pool);
}

int main(void)
{
    RUN(test_a_copy_is_refused);
    RUN(test_what_had_come_can_be_taken);
    RUN(test_only_the_owner_is_told_of_an_end);
    RUN(test_what_was_coming_is_left_alone);
    RUN(test_how_a_process_ended_can_be_read);
}
