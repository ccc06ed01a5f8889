/*
 * An application without Lua, for the rows that luas.h alone can have:
 *
 *   app SCRIPT start N CPUS     N times: open eight workers, eight calls, close
 *   app SCRIPT first N CPUS     N times: open CPUS workers, one call, close
 *   app -v                      the version of luas
 *
 * Says how many `seconds` the work took, and a `result` that shows that it was
 * done.
 */
#include <stdbool.h>
#include <string.h>

#include "luas.h"
#include "say.h"

enum { WORKERS = 8 };

static double taken; /* by what is measured */

static void check(int rc, const char *what)
{
    if (rc >= 0)
        return;
    fprintf(stderr, "%s: %s\n", what, luas_strerror(rc));
    exit(EXIT_FAILURE);
}

/* Waits for the outcomes of all calls: how many have their argument as a result. */
static long take_all(luas_pool *pool)
{
    luas_outcome o;
    long good = 0;
    while (luas_pending(pool) > 0) {
        int rc = luas_next(pool, &o);
        check(rc, "luas_next");
        if (rc == 0)
            check(luas_wait(pool, 1), "luas_wait");
        else
            good += o.kind == LUAS_VALUE && o.results[0].as.integer == (int64_t)o.call;
    }
    return good;
}

static long call_all(luas_pool *pool, int calls)
{
    for (int i = 1; i <= calls; i++) {
        luas_value argument = luas_integer(i);
        check(luas_submit(pool, "same", 1, &argument, NULL), "luas_submit");
    }
    return take_all(pool);
}

/* The pool's end counts if there is more than one call. */
static long once(const char *script, int workers, int calls)
{
    luas_pool *pool;
    luas_options options = {.script = script, .workers = workers};
    double begin = now();
    check(luas_pool_open(&pool, &options), "luas_pool_open");
    long good = call_all(pool, calls);
    double called = now();
    luas_pool_close(pool);
    taken += (calls > 1 ? now() : called) - begin;
    return good;
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "-v") == 0)
        return puts("luas " LUAS_VERSION) < 0;
    bool is_start = argc > 4 && strcmp(argv[2], "start") == 0;
    if (argc <= 4 || (!is_start && strcmp(argv[2], "first") != 0)) {
        fprintf(stderr, "usage: app SCRIPT start|first N CPUS\n");
        return 2;
    }
    long done = 0;
    for (long n = strtol(argv[3], NULL, 10); n > 0; n--)
        done += is_start ? once(argv[1], WORKERS, WORKERS) : once(argv[1], atoi(argv[4]), 1);
    say_seconds(taken);
    printf("result %ld\n", done);
    return EXIT_SUCCESS;
}
