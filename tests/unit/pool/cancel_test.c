/* Cancelling some tasks leaves all others where they were. */
#include "job_outcomes.h"
#include "pool_testing.h"

/* What it was sent waits in it for a while. */
static int serve_late_in_the_second(void *host, luas__channel *c)
{
    if (c->worker == 2)
        sleep_ms(150);
    return serve(host, c);
}

/* Two long tasks, of which worker 1 has begun one and worker 2 none. */
static luas__job *start_two_long(luas__pool *pool)
{
    luas__job *job = start_job(pool, &(luas__policy){.chunk = 1});
    feed(pool, job, "s400", 2);
    return job;
}

static void let_the_first_begin(luas__pool *pool)
{
    for (int64_t end = luas__now() + 50 * LUAS__MS; luas__now() < end;)
        CHECK(luas__pool_step(pool, 10 * LUAS__MS, NULL) >= 0);
}

/* So that a short one is over before either only where it had gone ahead of one. */
static void check_short_ones_wait(luas__pool *pool, luas__job *longs, luas__job *shorts)
{
    tally *of_longs = new_tally(), *of_shorts = longs == shorts ? of_longs : new_tally();
    while (of_longs->kinds[LUAS__KIND_VALUE] + of_shorts->kinds[LUAS__KIND_VALUE] == 0) {
        CHECK(luas__pool_step(pool, LUAS__SECOND, NULL) >= 0);
        take_outcomes(pool, longs, of_longs);
        if (longs != shorts)
            take_outcomes(pool, shorts, of_shorts);
    }
    CHECK(of_longs->seen[1] || of_longs->seen[2]);
    if (of_shorts != of_longs)
        free(of_shorts);
    free(of_longs);
}

/* Short tasks behind the long ones, so many with each call. */
static void check_cancelled(uint64_t first, uint64_t last, uint64_t at_once)
{
    luas__pool *pool = open_pool(2, serve_late_in_the_second);
    luas__job *job = start_two_long(pool);
    feed(pool, job, "echo", 100);
    let_the_first_begin(pool);
    for (uint64_t index = first; index <= last; index += at_once)
        CHECK_INT(luas__pool_cancel(pool, job, index, index + at_once - 1), 0);
    check_short_ones_wait(pool, job, job);
    luas__pool_close(pool);
}

static void test_one_of_a_job(void)
{
    check_cancelled(3, 9, 1);
}

static void test_some_in_the_middle(void)
{
    check_cancelled(4, 60, 57);
}

static void test_another_job(void)
{
    luas__pool *pool = open_pool(2, serve_late_in_the_second);
    luas__job *longs = start_two_long(pool), *other = start_job(pool, &(luas__policy){.chunk = 1});
    luas__job *shorts = start_job(pool, &(luas__policy){.chunk = 1});
    feed(pool, other, "echo", 10);
    feed(pool, shorts, "echo", 100);
    let_the_first_begin(pool);
    luas__pool_drop(pool, other);
    check_short_ones_wait(pool, longs, shorts);
    luas__pool_close(pool);
}

/* A worker's tasks begin in the order of their indices, whatever was cancelled between. */
static void test_order_within_a_worker(void)
{
    luas__pool *pool = open_pool(1, serve);
    luas__job *job = start_job(pool, &(luas__policy){.chunk = 7});
    feed(pool, job, "s50", 1);
    feed(pool, job, "echo", 60);
    let_the_first_begin(pool);
    for (uint64_t index = 2; index <= 61; index += 3)
        CHECK(luas__pool_cancel(pool, job, index, index) == 0);
    luas__pool_seal(pool, job);
    uint64_t last = 0, values = 0, total = 0;
    while (total < 61) {
        const luas__outcome *o;
        const char *payload;
        CHECK(luas__pool_step(pool, LUAS__SECOND, NULL) >= 0);
        while (luas__pool_take(pool, job) && (o = luas__job_outcomes_next(job, &payload)) != NULL) {
            total += o->count;
            if (o->kind != LUAS__KIND_VALUE)
                continue;
            CHECK(o->index > last);
            last = o->index;
            values++;
        }
    }
    CHECK(values >= 41); /* the first, and those that were not cancelled */
    luas__pool_drop(pool, job);
    luas__pool_close(pool);
}

int main(void)
{
    RUN(test_one_of_a_job);
    RUN(test_some_in_the_middle);
    RUN(test_another_job);
    RUN(test_order_within_a_worker);
    return 0;
}
