/*
 * Workers that write into the memory that they share with their host, and such as have closed
 * what leads there: each task has one outcome, in time, and what others do is not lost.
 */
#define _GNU_SOURCE
#include "pool_testing.h"

/* The ring's head and tail are behind the other words. */
enum { RING_WORDS = 2 };

/* A task for each value of the words from the first on. */
static luas__job *start_poking(luas__pool *pool, const luas__policy *policy, long first)
{
    luas__job *job = start_job(pool, policy);
    for (long i = first * VALUES; i < (long)WORDS * VALUES; i += under_valgrind() ? 7 : 1)
        feed_number(pool, job, 'P', (size_t)i);
    return job;
}

static void poked_words_end_in_time(const luas__policy *policy, long first)
{
    luas__pool *pool = open_pool(30, serve);
    luas__job *poking = start_poking(pool, policy, first);
    luas__job *others = start_job(pool, &(luas__policy){.retries = 1000, .priority = 1});
    feed(pool, others, "echo", 200);
    int64_t began = luas__now();
    tally *t = finish(pool, others);
    CHECK_INT(t->kinds[LUAS__KIND_VALUE], 200);
    free(t);
    free(finish(pool, poking));
    CHECK(luas__now() - began < within(40 * LUAS__SECOND));
    check_works(pool, 20);
    luas__pool_close(pool);
}

static void poked_words_end_in_time_where_tasks_are_timed(void)
{
    poked_words_end_in_time(&(luas__policy){.timeout = LUAS__SECOND / 5, .grace = LUAS__SECOND / 10, .chunk = 1}, 0);
}

static void poked_words_end_in_time_in_chunks(void)
{
    poked_words_end_in_time(&(luas__policy){.chunk = 7}, 0);
}

/* A worker that cannot tell what it has done waits for more. */
static void poked_words_end_in_time_where_nothing_follows(void)
{
    poked_words_end_in_time(&(luas__policy){.chunk = 1}, WORDS - RING_WORDS);
}

/* Small results are in the ring; one that is large can be told nobody. */
static void closed_descriptors_cost_no_other_task(void)
{
    luas__pool *pool = open_pool(2, serve);
    luas__job *job = start_job(pool, &(luas__policy){.chunk = 1});
    for (size_t i = 0; i < 20; i++) {
        feed_number(pool, job, 'C', i);
        feed(pool, job, "echo", 5);
    }
    tally *t = finish(pool, job);
    CHECK_INT(t->kinds[LUAS__KIND_VALUE], 120);
    free(t);
    luas__pool_close(pool);
}

static void a_result_that_cannot_be_written_is_a_crash_of_its_task(void)
{
    luas__pool *pool = open_pool(1, serve);
    luas__job *job = start_job(pool, &(luas__policy){0});
    feed(pool, job, "echo", 5);
    feed_number(pool, job, 'M', 40 << 20);
    feed(pool, job, "echo", 5);
    tally *t = finish(pool, job);
    CHECK_INT(t->kinds[LUAS__KIND_VALUE], 10);
    CHECK_INT(t->kind[6], LUAS__KIND_CRASH);
    free(t);
    luas__pool_close(pool);
}

/* Stopped for longer than words may be wrong: it goes on. */
static void a_worker_that_is_stopped_is_no_liar(void)
{
    luas__pool *pool = open_pool(1, serve);
    luas__job *job = start_job(pool, &(luas__policy){0});
    feed(pool, job, "s100", 1);
    feed(pool, job, "echo", 3);
    CHECK(luas__pool_step(pool, LUAS__SECOND / 10, NULL) >= 0);
    kill(pool->workers[0]->pid, SIGSTOP);
    for (int64_t end = luas__now() + 5 * LUAS__SECOND / 2; luas__now() < end;)
        CHECK(luas__pool_step(pool, LUAS__SECOND / 10, NULL) >= 0);
    kill(pool->workers[0]->pid, SIGCONT);
    tally *t = finish(pool, job);
    CHECK_INT(t->kinds[LUAS__KIND_VALUE], 4);
    CHECK_INT(pool->stats.forks, 1);
    free(t);
    luas__pool_close(pool);
}

int main(void)
{
    RUN(poked_words_end_in_time_where_tasks_are_timed);
    RUN(poked_words_end_in_time_in_chunks);
    RUN(poked_words_end_in_time_where_nothing_follows);
    RUN(closed_descriptors_cost_no_other_task);
    RUN(a_result_that_cannot_be_written_is_a_crash_of_its_task);
    RUN(a_worker_that_is_stopped_is_no_liar);
    return 0;
}
