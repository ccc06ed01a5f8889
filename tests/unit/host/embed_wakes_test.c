/* The descriptor wakes nobody for nothing, and outcomes come at once all the same. */
#define _GNU_SOURCE
#include <time.h>

#include "embed_testing.h"

static const char functions[] =
    "function echo(...) return ... end\n"
    "function hold(path) while true do local f = io.open(path) if not f then return path end f:close() end end\n";

enum { HELD = 2 };
static char held[HELD][32];

static luas_pool *open_functions(int workers)
{
    write_script(functions);
    for (int i = 0; i < HELD; i++) {
        snprintf(held[i], sizeof held[i], "/tmp/luas-held-XXXXXX");
        int fd = mkstemp(held[i]);
        CHECK(fd >= 0);
        close(fd);
    }
    return open_pool(&(luas_options){.script = script, .workers = workers});
}

static int64_t now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* How often the descriptor is readable in so many ms, without an outcome. */
static int count_wakes(luas_pool *pool, int ms)
{
    struct pollfd p = {.fd = luas_pool_fd(pool), .events = POLLIN};
    luas_outcome o;
    int n = 0;
    for (int64_t end = now() + ms, left; (left = end - now()) > 0;) {
        n += poll(&p, 1, (int)left) > 0;
        CHECK_INT(luas_next(pool, &o), 0);
    }
    return n;
}

/* Within some seconds there is nothing more to wake for. */
static void check_quiet(luas_pool *pool)
{
    int tries = 0; /* valgrind knows no pidfds: so the ends of workers have to be looked for */
    while (count_wakes(pool, 150) > 0 && !under_valgrind())
        CHECK(++tries < 50);
}

static void release_all(luas_pool *pool, int outcomes)
{
    luas_outcome o;
    for (int i = 0; i < HELD; i++)
        (void)unlink(held[i]);
    for (int i = 0; i < outcomes; i++)
        await(pool, &o);
    CHECK_INT(luas_pending(pool), 0);
    close_pool(pool);
}

static void test_no_wake_while_calls_wait_behind_long_ones(void)
{
    luas_pool *pool = open_functions(HELD);
    for (int i = 0; i < HELD; i++)
        submit(pool, "hold", luas_string(held[i]));
    submit(pool, "echo", luas_integer(1));
    check_quiet(pool);
    for (int i = 0; i < 50; i++)
        submit(pool, "echo", luas_integer(1));
    check_quiet(pool);
    release_all(pool, HELD + 51);
}

/* The worker has a long call behind what it has done. */
static void test_outcomes_do_not_wait_for_the_next_call(void)
{
    luas_pool *pool = open_functions(1);
    luas_outcome o;
    submit(pool, "echo", luas_integer(1));
    submit(pool, "hold", luas_string(held[0]));
    submit(pool, "echo", luas_integer(2));
    submit(pool, "echo", luas_integer(3));
    submit(pool, "hold", luas_string(held[1]));
    submit(pool, "echo", luas_integer(4));
    await(pool, &o);
    CHECK_INT(o.results[0].as.integer, 1);
    count_wakes(pool, 100);
    CHECK_INT(unlink(held[0]), 0);
    await(pool, &o);
    CHECK(strcmp(o.results[0].bytes, held[0]) == 0);
    for (int i = 2; i <= 3; i++) {
        await(pool, &o);
        CHECK_INT(o.results[0].as.integer, i);
    }
    count_wakes(pool, 100);
    release_all(pool, 2);
}

int main(void)
{
    RUN(test_no_wake_while_calls_wait_behind_long_ones);
    RUN(test_outcomes_do_not_wait_for_the_next_call);
    return 0;
}
