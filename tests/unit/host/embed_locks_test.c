/* A thread of the application that logs holds a lock of the C library at most forks: calls that need
   it have their results all the same. */
#define _GNU_SOURCE
#include <pthread.h>
#include <time.h>

#include "embed_testing.h"

enum { POOLS = 4, WORKERS = 2, CALLS = 4 };

static const char functions[] =
    "function now() return os.date('%Y') end\n"
    "function die() os.exit(3) end\n";

static _Atomic int ends;

static void *log_times(void *unused)
{
    struct tm parts;
    while (!ends) {
        time_t now = time(NULL);
        localtime_r(&now, &parts);
        for (volatile int i = 0; i < 500; i++) /* half of the time the lock is free */
            continue;
    }
    return unused;
}

static void check_dates(luas_pool *pool)
{
    luas_outcome o;
    for (int i = 0; i < CALLS; i++)
        CHECK_INT(luas_submit(pool, "now", 0, NULL, NULL), 0);
    for (int i = 0; i < CALLS; i++) {
        await(pool, &o);
        CHECK_INT(o.kind, LUAS_VALUE);
        CHECK_INT(o.results[0].len, 4);
    }
}

/* The first workers, and one that replaces another. */
static void check_pool(int keep_files)
{
    luas_outcome o;
    write_script(functions);
    luas_pool *pool = open_pool(&(luas_options){.script = script, .workers = WORKERS,
                                                .keep_files = keep_files});
    check_dates(pool);
    CHECK_INT(luas_submit(pool, "die", 0, NULL, NULL), 0);
    await(pool, &o);
    CHECK_INT(o.kind, LUAS_CRASH);
    check_dates(pool);
    close_pool(pool);
}

static void test_calls_take_locks_that_a_thread_held_at_the_fork(void)
{
    pthread_t logger;
    CHECK_INT(pthread_create(&logger, NULL, log_times, NULL), 0);
    for (int i = 0; i < POOLS; i++)
        check_pool(i % 2);
    ends = 1;
    CHECK_INT(pthread_join(logger, NULL), 0);
}

int main(void)
{
    RUN(test_calls_take_locks_that_a_thread_held_at_the_fork);
    return 0;
}
