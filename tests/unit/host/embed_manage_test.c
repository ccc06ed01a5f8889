/* A pool as a whole: its figures, other numbers of workers, another script, its end. */
#define _GNU_SOURCE
#include "embed_testing.h"

static luas_pool *open_source(const char *text, int workers)
{
    return open_pool(&(luas_options){.source = text, .script = "=first", .workers = workers});
}

static luas_figures figures(luas_pool *pool)
{
    luas_figures f;
    CHECK_INT(luas_stats(pool, &f), 0);
    CHECK_INT(f.size, sizeof f);
    return f;
}

static int64_t ask(luas_pool *pool, const char *name)
{
    luas_outcome o;
    submit(pool, name, luas_nil());
    await(pool, &o);
    if (o.kind != LUAS_VALUE)
        fprintf(stderr, "%s: %s\n", name, o.message);
    CHECK_INT(o.kind, LUAS_VALUE);
    return o.results[0].as.integer;
}

/* Drives the pool until there are just so many workers. */
static void await_workers(luas_pool *pool, int wanted)
{
    luas_outcome o;
    for (int i = 0; figures(pool).workers != wanted; i++) {
        CHECK(i < 20000);
        CHECK_INT(luas_next(pool, &o), 0);
        usleep(1000);
    }
}

static void test_figures(void)
{
    luas_pool *pool = open_source("function f(n) return n end function fail() error 'x' end function die() os.exit(1) end", 2);
    luas_figures f = figures(pool);
    CHECK(f.tasks == 0 && f.forks == 2 && f.workers == 2 && f.busy == 0 && f.pending == 0);
    CHECK_INT(ask(pool, "f"), 0);
    luas_outcome o;
    submit(pool, "fail", luas_nil());
    await(pool, &o);
    submit(pool, "die", luas_nil());
    await(pool, &o);
    f = figures(pool);
    CHECK(f.tasks == 3 && f.values == 1 && f.errors == 1 && f.crashes == 1 && f.timeouts == 0);
    luas_pool_close(pool);
}

/* A program that was built with an older header has room for less. */
#undef luas_stats
static void test_figures_of_an_older_program(void)
{
    luas_pool *pool = open_source("", 1);
    struct { size_t size; uint64_t tasks, guard; } small = {.size = offsetof(luas_figures, values), .guard = 77};
    CHECK_INT(luas_stats(pool, (luas_figures *)(void *)&small), 0);
    CHECK_INT(small.guard, 77);
    small.size = 0;
    CHECK_INT(luas_stats(pool, (luas_figures *)(void *)&small), LUAS_EINVAL);
    luas_pool_close(pool);
}
#define luas_stats luas_stats_sized

static void test_resizing(void)
{
    luas_pool *pool = open_source("function f() return 1 end function spin(s) local t = os.clock() + s while os.clock() < t do end end", 3);
    CHECK_INT(luas_resize(pool, -1), LUAS_EINVAL);
    CHECK_INT(luas_resize(pool, 4097), LUAS_EINVAL);
    CHECK_INT(luas_resize(pool, 1), 0);
    await_workers(pool, 1);
    CHECK_INT(ask(pool, "f"), 1);
    CHECK_INT(luas_resize(pool, 2), 0);
    for (int i = 0; i < 8; i++)
        submit(pool, "spin", luas_number(0.02));
    luas_outcome o;
    for (int i = 0; i < 8; i++)
        await(pool, &o);
    CHECK(figures(pool).forks >= 4);
    CHECK_INT(luas_resize(pool, 0), 0);
    luas_pool_close(pool);
}

/* ---- reloading ---- */

static void test_another_script(void)
{
    luas_pool *pool = open_source("function version() return 1 end", 2);
    CHECK_INT(ask(pool, "version"), 1);
    luas_value two = luas_integer(2);
    CHECK_INT(luas_reload(pool, &(luas_options){.source = "local v = ... return {version = function() return v end}",
                                                .count = 1, .arguments = &two}), 0);
    for (int i = 0; i < 10; i++)
        CHECK_INT(ask(pool, "version"), 2);
    await_workers(pool, 2);
    luas_pool_close(pool);
}

static void test_old_calls_end_in_old_workers(void)
{
    luas_pool *pool = open_source("function version(s) local t = os.clock() + s while os.clock() < t do end return 1 end", 1);
    luas_outcome o;
    int64_t a_while = within(100000000);
    uint64_t old = submit(pool, "version", luas_number(3 * (double)a_while / 1e9));
    while (figures(pool).busy == 0)
        CHECK_INT(luas_next(pool, &o), 0);
    usleep((useconds_t)(a_while / 1000)); /* it has begun */
    uint64_t waits = submit(pool, "version", luas_number(0));
    CHECK_INT(luas_reload(pool, &(luas_options){.source = "function version() return 2 end"}), 0);
    for (int i = 0; i < 2; i++) {
        await(pool, &o);
        CHECK_INT(o.kind, LUAS_VALUE);
        CHECK(o.call == old || o.call == waits);
        CHECK_INT(o.results[0].as.integer, o.call == old ? 1 : 2);
    }
    await_workers(pool, 1);
    luas_pool_close(pool);
}

static void test_many_times_under_load(void)
{
    luas_pool *pool = open_source("function version() return 0 end", 2);
    char text[64];
    int64_t last = 0;
    luas_outcome o;
    for (int i = 1; i <= 5; i++) {
        snprintf(text, sizeof text, "function version() return %d end", i);
        for (int k = 0; k < 20; k++)
            submit(pool, "version", luas_nil());
        CHECK_INT(luas_reload(pool, &(luas_options){.source = text}), 0);
        submit(pool, "version", luas_nil());
    }
    while (luas_pending(pool) > 0) {
        await(pool, &o);
        CHECK_INT(o.kind, LUAS_VALUE);
        last = o.results[0].as.integer > last ? o.results[0].as.integer : last;
    }
    CHECK_INT(last, 5);
    CHECK_INT(figures(pool).values, 105);
    luas_pool_close(pool);
}

static void test_a_bad_script_changes_nothing(void)
{
    char why[100] = "";
    luas_pool *pool = open_source("function version() return 1 end", 1);
    CHECK_INT(luas_reload(pool, &(luas_options){.source = "function", .script = "=next", .why = why, .why_size = sizeof why}),
              LUAS_ESCRIPT);
    CHECK(strstr(why, "next:1:") != NULL);
    CHECK_INT(luas_reload(pool, &(luas_options){.script = "/no/such/file"}), -ENOENT);
    CHECK_INT(luas_reload(pool, &(luas_options){.count = 0}), LUAS_EINVAL);
    CHECK_INT(ask(pool, "version"), 1);
    CHECK_INT(figures(pool).forks, 1);
    luas_pool_close(pool);
}

/* The script raises when workers run it: the next one heals the pool. */
static void test_after_a_script_that_fails(void)
{
    luas_pool *pool = open_source("function version() return 1 end", 2);
    luas_outcome o;
    CHECK_INT(ask(pool, "version"), 1);
    for (int i = 0; i < 2; i++) {
        CHECK_INT(luas_reload(pool, &(luas_options){.source = "error 'no database'"}), 0);
        submit(pool, "version", luas_nil());
        await(pool, &o);
        CHECK_INT(o.kind, LUAS_ERROR);
        CHECK(strstr(o.message, "no database") != NULL);
        while (luas_next(pool, &o) == 0)
            CHECK(luas_wait(pool, 20) != 0);
        CHECK_INT(luas_next(pool, &o), LUAS_EBROKEN);
        CHECK(strstr(luas_pool_why(pool), "no database") != NULL);
        CHECK_INT(luas_reload(pool, &(luas_options){.source = "function version() return 2 end"}), 0);
        CHECK_INT(ask(pool, "version"), 2);
    }
    luas_pool_close(pool);
}

/* ---- the end ---- */

static void test_draining(void)
{
    luas_pool *pool = open_source("function spin(s) local t = os.clock() + s while os.clock() < t do end end", 2);
    luas_outcome o;
    for (int i = 0; i < 4; i++)
        submit(pool, "spin", luas_number(0.05));
    CHECK_INT(luas_drain(pool, 0), 0);
    CHECK_INT(luas_submit(pool, "spin", 0, NULL, NULL), LUAS_ECLOSED);
    CHECK_INT(luas_drain(pool, -1), LUAS_EINVAL);
    CHECK_INT(luas_drain(pool, 20), 1);
    CHECK_INT(luas_pending(pool), 4);
    for (int i = 0; i < 4; i++)
        CHECK_INT(luas_next(pool, &o), 1);
    CHECK_INT(luas_next(pool, &o), 0);
    CHECK_INT(luas_drain(pool, 0), 1);
    luas_pool_close(pool);
}

static void test_in_a_copy(void)
{
    luas_pool *pool = open_source("function f() return 1 end", 1);
    luas_figures f;
    pid_t pid = fork();
    if (pid == 0)
        _exit(luas_stats(pool, &f) != LUAS_EFOREIGN || luas_resize(pool, 1) != LUAS_EFOREIGN || luas_drain(pool, 1) != LUAS_EFOREIGN
              || luas_reload(pool, &(luas_options){.source = ""}) != LUAS_EFOREIGN);
    int status;
    CHECK(waitpid(pid, &status, 0) == pid && status == 0);
    luas_pool_close(pool);
}

int main(void)
{
    RUN(test_figures);
    RUN(test_figures_of_an_older_program);
    RUN(test_resizing);
    RUN(test_another_script);
    RUN(test_old_calls_end_in_old_workers);
    RUN(test_many_times_under_load);
    RUN(test_a_bad_script_changes_nothing);
    RUN(test_after_a_script_that_fails);
    RUN(test_draining);
    RUN(test_in_a_copy);
}
