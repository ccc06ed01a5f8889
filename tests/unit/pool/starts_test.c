/* Workers that fail before they are of use. */
#define _GNU_SOURCE
#include "job_outcomes.h"
#include "pool_testing.h"

/* How often a worker was to start, and whether it fails at that; shared. */
static _Atomic int *told;
enum { TRIES, FAILS, HOW };
enum { RAISES, DIES, HANGS };

static void say(luas__channel *c, enum luas__message code, const char *words)
{
    size_t mark;
    if (luas__frame_begin(&c->reply, code, &mark) < 0
        || (words != NULL && luas__mp_write_string(&c->reply, words, strlen(words)) < 0)
        || luas__channel_send(c, mark) < 0 || luas__channel_flush(c) < 0)
        _exit(97);
}

static int start(void *host, luas__channel *channel)
{
    atomic_fetch_add(&told[TRIES], 1);
    if (told[FAILS] && told[HOW] == HANGS)
        hang();
    if (told[FAILS] && told[HOW] == DIES)
        raise(SIGKILL);
    if (told[FAILS]) {
        say(channel, LUAS__MSG_FAILED, "no database\nstack traceback:\n\there");
        return 1;
    }
    say(channel, LUAS__MSG_READY, NULL);
    return serve(host, channel);
}

static luas__pool *open_starting(int workers, int how)
{
    luas__pool *pool;
    luas__pool_options options = {.workers = workers, .main = start, .has_init = true,
                                  .init_timeout = how == HANGS ? ample : 0, .label = "calc"};
    told[TRIES] = told[FAILS] = 0;
    told[HOW] = how;
    CHECK_INT(luas__pool_open(&pool, &options), 0);
    return pool;
}

static void wait_until(luas__pool *pool, bool (*is_so)(luas__pool *pool))
{
    for (int64_t end = luas__now() + 60 * LUAS__SECOND; !is_so(pool);) {
        int rc = luas__pool_step(pool, 100 * LUAS__MS, NULL);
        CHECK((rc >= 0 || rc == LUAS_EBROKEN) && luas__now() < end);
    }
}

static bool has_tried_again(luas__pool *pool)
{
    (void)pool;
    return told[TRIES] >= 5;
}

/* One worker goes on while the other cannot be replaced, and what it runs ends. */
static void check_one_goes_on(int how)
{
    luas__pool *pool = open_starting(2, how);
    check_works(pool, 20);
    told[FAILS] = 1;
    luas__job *job = start_job(pool, &(luas__policy){.chunk = 1});
    feed(pool, job, "k", 1);
    feed(pool, job, "s400", 1);
    feed(pool, job, "echo", 20);
    tally *t = finish(pool, job);
    CHECK_INT(t->kinds[LUAS__KIND_CRASH], 1);
    CHECK_INT(t->kinds[LUAS__KIND_VALUE], 21);
    free(t);
    told[FAILS] = 0;
    check_works(pool, 20);
    luas__pool_close(pool);
}

static void test_one_goes_on_where_others_raise(void)
{
    check_one_goes_on(RAISES);
}

static void test_one_goes_on_where_others_die(void)
{
    check_one_goes_on(DIES);
}

static void test_one_goes_on_where_others_hang(void)
{
    check_one_goes_on(HANGS);
}

/* The only worker crashes, none takes its place, and so many tasks wait. */
static luas__job *leave_waiting(luas__pool *pool, uint32_t tasks)
{
    check_works(pool, 1);
    told[FAILS] = 1;
    luas__job *job = start_job(pool, &(luas__policy){.chunk = 1});
    feed(pool, job, "k", 1);
    feed(pool, job, "echo", tasks);
    return job;
}

/* None is left; one that comes later finds all that waits. */
static void test_all_are_gone_for_a_while(void)
{
    luas__pool *pool = open_starting(1, RAISES);
    luas__job *job = leave_waiting(pool, 10);
    wait_until(pool, has_tried_again);
    told[FAILS] = 0;
    tally *t = finish(pool, job);
    CHECK_INT(t->kinds[LUAS__KIND_VALUE], 10);
    free(t);
    CHECK(told[TRIES] < 12);
    luas__pool_close(pool);
}

static void check_outcome(luas__pool *pool, luas__job *job, uint64_t tasks, int kind, const char *words)
{
    const char *payload;
    const luas__outcome *o = NULL;
    uint64_t seen = 0;
    for (bool waits = false; seen < tasks; waits = true) {
        CHECK(!waits || luas__pool_step(pool, LUAS__SECOND, NULL) >= 0);
        while (luas__pool_take(pool, job) && (o = luas__job_outcomes_next(job, &payload)) != NULL) {
            seen += o->count;
            CHECK(o->kind == kind && o->in_init);
            CHECK(memmem(payload, o->len, words, strlen(words)) != NULL);
        }
    }
    CHECK_INT(seen, tasks);
}

/* Before any has started one failure of each will do. */
static void check_given_up(int how, int kind, const char *words)
{
    luas__pool *pool = open_starting(3, how);
    told[FAILS] = 1;
    luas__job *job = start_job(pool, &(luas__policy){.chunk = 1}), *other = start_job(pool, &(luas__policy){0});
    feed(pool, job, "echo", 100);
    feed(pool, other, "echo", 7);
    check_outcome(pool, job, 100, kind, words);
    check_outcome(pool, other, 7, kind, words);
    CHECK(told[TRIES] <= 3);
    CHECK_INT(pool->stats.tasks, 107);
    luas__job *late = luas__job_new(&(luas__policy){0});
    CHECK_INT(luas__pool_start(pool, late), LUAS_EBROKEN);
    luas__job_free(late);
    CHECK_INT(luas__pool_step(pool, 0, NULL), LUAS_EBROKEN);
    feed(pool, job, "echo", 2); /* one that was there before: in the same way */
    check_outcome(pool, job, 2, kind, words);
    luas__pool_close(pool);
}

static void test_none_starts(void)
{
    check_given_up(RAISES, LUAS__KIND_ERROR, ": no database");
    check_given_up(DIES, LUAS__KIND_CRASH, ": it was killed by signal 9");
    check_given_up(HANGS, LUAS__KIND_TIMEOUT, ": timed out after 0.5 s");
}

static bool is_broken(luas__pool *pool)
{
    return pool->health.broken != 0;
}

/* After many tries it is the same as if none had started. */
static void test_none_starts_any_more(void)
{
    luas__pool *pool = open_starting(1, RAISES);
    luas__job *job = leave_waiting(pool, 5);
    pool->health.refusals = 5; /* as if it had been tried for long */
    wait_until(pool, is_broken);
    tally *t = new_tally();
    take_outcomes(pool, job, t);
    CHECK_INT(t->kinds[LUAS__KIND_CRASH], 1);
    CHECK_INT(t->kinds[LUAS__KIND_ERROR], 5);
    free(t);
    luas__pool_close(pool);
}

/* A job whose workers were forked for it alone, while others are well. */
static void test_an_inheriting_job(void)
{
    luas__pool *pool = open_starting(2, RAISES);
    check_works(pool, 20);
    told[FAILS] = 1;
    luas__job *job = start_job(pool, &(luas__policy){.flags = LUAS__JOB_INHERIT});
    pool->health.refusals = 7;
    CHECK_INT(luas__pool_inherit(pool, job, 1, 1, NULL), 0);
    CHECK_INT(luas__pool_feed_inherited(pool, job, 3), 0);
    check_outcome(pool, job, 3, LUAS__KIND_ERROR, ": no database");
    luas__pool_drop(pool, job);
    check_works(pool, 20);
    luas__pool_close(pool);
}

int main(void)
{
    told = map_counters(3);
    RUN(test_one_goes_on_where_others_raise);
    RUN(test_one_goes_on_where_others_die);
    RUN(test_one_goes_on_where_others_hang);
    RUN(test_all_are_gone_for_a_while);
    RUN(test_none_starts);
    RUN(test_none_starts_any_more);
    RUN(test_an_inheriting_job);
    munmap((void *)told, 3 * sizeof *told);
    return 0;
}
