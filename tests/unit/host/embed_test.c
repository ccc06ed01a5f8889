/* The public C interface: calls by name, every kind of outcome, one descriptor. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>

#include "embed_testing.h"

#include <time.h>

static const char functions[] =
    "function echo(...) return ... end\n"
    "function fail(what) error(what, 0) end\n"
    "function deep() local x = nil; return x.y end\n"
    "function die(n) os.exit(n) end\n"
    "function hang() while true do end end\n"
    "function wait(s) local t = os.clock() + s; while os.clock() < t do end; return s end\n"
    "function pid() local f = io.open('/proc/self/stat'); return f:read('n') end\n"
    "function table_of(n) local t = {}; for i = 1, n do t[i] = i end; return t end\n";

static luas_pool *open_functions(int workers, double timeout, int retries)
{
    write_script(functions);
    return open_pool(&(luas_options){.script = script, .workers = workers, .timeout = timeout,
                                     .retries = retries});
}

static void check_text(const luas_value *v, const char *wanted, size_t len)
{
    CHECK_INT(v->type, LUAS_STRING);
    CHECK_INT(v->len, len);
    CHECK_BYTES(v->bytes, wanted, len);
    CHECK_INT(v->bytes[len], '\0');
}

/* ---- values ---- */

static void test_arguments_come_back_as_results(void)
{
    luas_pool *pool = open_functions(1, 0, 0);
    luas_value arguments[] = {
        luas_integer(INT64_MIN), luas_number(0.1), luas_string("text"), luas_bytes("a\0\xff", 3),
        {.type = LUAS_NIL}, {.type = LUAS_BOOLEAN, .as.boolean = 1}, luas_string(""),
        {.type = LUAS_OTHER, .bytes = "\x93\1\2\3", .len = 4}, {.type = LUAS_NIL},
    };
    uint64_t call;
    luas_outcome o;
    CHECK_INT(luas_submit(pool, "echo", 9, arguments, &call), 0);
    CHECK_INT(call, 1);
    CHECK_INT(luas_pending(pool), 1);
    await(pool, &o);
    CHECK_INT(luas_pending(pool), 0);
    CHECK_INT(o.call, 1);
    CHECK_INT(o.kind, LUAS_VALUE);
    CHECK_INT(o.count, 9);
    CHECK(o.results[0].type == LUAS_INTEGER && o.results[0].as.integer == INT64_MIN);
    CHECK(o.results[1].type == LUAS_NUMBER && o.results[1].as.number == 0.1);
    check_text(&o.results[2], "text", 4);
    check_text(&o.results[3], "a\0\xff", 3);
    CHECK_INT(o.results[4].type, LUAS_NIL);
    CHECK(o.results[5].type == LUAS_BOOLEAN && o.results[5].as.boolean == 1);
    check_text(&o.results[6], "", 0);
    CHECK_INT(o.results[7].type, LUAS_OTHER);
    CHECK_BYTES(o.results[7].bytes, "\x93\1\2\3", 4);
    CHECK_INT(o.results[8].type, LUAS_NIL);
    CHECK_INT(*o.message, '\0');
    close_pool(pool);
}

static void test_no_arguments_and_no_results(void)
{
    luas_pool *pool = open_functions(1, 0, 0);
    luas_outcome o;
    CHECK_INT(luas_submit(pool, "echo", 0, NULL, NULL), 0);
    await(pool, &o);
    CHECK_INT(o.kind, LUAS_VALUE);
    CHECK_INT(o.count, 0);
    close_pool(pool);
}

static void test_large_strings_and_tables(void)
{
    enum { SIZE = 5000000 };
    luas_pool *pool = open_functions(2, 0, 0);
    luas_outcome o;
    char *bytes = malloc(SIZE);
    CHECK(bytes != NULL);
    memset(bytes, 'x', SIZE);
    submit(pool, "echo", luas_bytes(bytes, SIZE));
    await(pool, &o);
    check_text(&o.results[0], bytes, SIZE);
    free(bytes);
    submit(pool, "table_of", luas_integer(100000));
    await(pool, &o);
    CHECK_INT(o.results[0].type, LUAS_OTHER);
    CHECK_BYTES(o.results[0].bytes, "\xdd\0\1\x86\xa0\1\2\3", 8);
    close_pool(pool);
}

static void test_nonsense_is_refused(void)
{
    luas_pool *pool = open_functions(1, 0, 0);
    luas_value bad = {.type = (luas_type)77};
    CHECK_INT(luas_submit(pool, NULL, 0, NULL, NULL), LUAS_EINVAL);
    CHECK_INT(luas_submit(pool, "echo", -1, NULL, NULL), LUAS_EINVAL);
    CHECK_INT(luas_submit(pool, "echo", 1, NULL, NULL), LUAS_EINVAL);
    CHECK_INT(luas_submit(pool, "echo", 1, &bad, NULL), LUAS_EINVAL);
    bad = luas_bytes(NULL, 1);
    CHECK_INT(luas_submit(pool, "echo", 1, &bad, NULL), LUAS_EINVAL);
    CHECK_INT(luas_pending(pool), 0);
    /* MessagePack that is none is the call's own error. */
    submit(pool, "echo", (luas_value){.type = LUAS_OTHER, .bytes = "\xc1", .len = 1});
    luas_outcome o;
    await(pool, &o);
    CHECK_INT(o.kind, LUAS_ERROR);
    close_pool(pool);
    luas_pool *none = pool;
    CHECK_INT(luas_pool_open(&none, &(luas_options){0}), LUAS_EINVAL);
    CHECK(none == NULL);
    CHECK_INT(luas_pool_open(&none, &(luas_options){.script = "x", .workers = -1}), LUAS_EINVAL);
    CHECK_INT(luas_pool_open(&none, &(luas_options){.script = "x", .retries = -1}), LUAS_EINVAL);
    CHECK_INT(luas_pool_open(&none, &(luas_options){.script = "x", .retry_on = (luas_retry)3}), LUAS_EINVAL);
    CHECK_INT(luas_pool_open(&none, &(luas_options){.script = "x", .retry_delay = -1}), LUAS_EINVAL);
    CHECK_INT(luas_pool_open(&none, &(luas_options){.script = "x", .timeout = 0.0 / 0.0}),
              LUAS_EINVAL);
    luas_pool_close(NULL);
}

static void test_bytes_that_are_not_there(void)
{
    write_script("function echo(...) return ... end");
    luas_pool *pool = open_pool(&(luas_options){.script = script, .workers = 1});
    submit(pool, "echo", luas_bytes(NULL, 0));
    luas_outcome o;
    await(pool, &o);
    CHECK_INT(o.kind, LUAS_VALUE);
    CHECK_INT(o.results[0].type, LUAS_STRING);
    CHECK_INT(o.results[0].len, 0);
    close_pool(pool);
}

/* ---- programs of another age ---- */

#undef luas_pool_open
#undef luas_next

/* Opens a pool with options of this size. */
static int open_sized(luas_pool **pool, luas_options *options, size_t size)
{
    options->size = size;
    return luas_pool_open(pool, options);
}

static void await_into(luas_pool *pool, luas_outcome *o)
{
    struct pollfd p = {.fd = luas_pool_fd(pool), .events = POLLIN};
    int rc;
    while ((rc = luas_next(pool, o)) == 0)
        CHECK(poll(&p, 1, 20000) == 1 || errno == EINTR);
    CHECK_INT(rc, 1);
}

/* Its structs end before `retries` and before `pid`: what comes behind is its own. */
static void test_an_older_program(void)
{
    enum { OLD = offsetof(luas_outcome, pid), MINE = 0x5a };
    union { luas_outcome o; unsigned char bytes[sizeof(luas_outcome) + 64]; } frame;
    luas_pool *pool;
    write_script("function echo(...) return ... end");
    luas_options options = {.script = script, .workers = 1, .retries = -7};
    CHECK_INT(open_sized(&pool, &options, offsetof(luas_options, retries)), 0);
    submit(pool, "echo", luas_integer(42));
    memset(&frame, MINE, sizeof frame);
    frame.o.size = OLD;
    await_into(pool, &frame.o);
    CHECK_INT(frame.o.kind, LUAS_VALUE);
    CHECK_INT(frame.o.results[0].as.integer, 42);
    CHECK_INT(frame.o.size, OLD);
    for (size_t i = OLD; i < sizeof frame; i++)
        CHECK_INT(frame.bytes[i], MINE);
    close_pool(pool);
}

/* Its structs go on: it finds zeros, and may not ask for what is not known yet. */
static void test_a_newer_program(void)
{
    enum { MORE = 32 };
    union { luas_outcome o; unsigned char bytes[sizeof(luas_outcome) + MORE]; } frame;
    union { luas_options o; unsigned char bytes[sizeof(luas_options) + MORE]; } given = {
        .o = {.script = script, .workers = 1}};
    luas_pool *pool;
    write_script("function echo(...) return ... end");
    given.bytes[sizeof given - 1] = 1;
    CHECK_INT(open_sized(&pool, &given.o, sizeof given), LUAS_EINVAL);
    CHECK(pool == NULL);
    given.bytes[sizeof given - 1] = 0;
    CHECK_INT(open_sized(&pool, &given.o, sizeof given), 0);
    submit(pool, "echo", luas_integer(42));
    memset(&frame, 0x5a, sizeof frame);
    frame.o.size = sizeof frame;
    await_into(pool, &frame.o);
    CHECK_INT(frame.o.results[0].as.integer, 42);
    CHECK_INT(frame.o.size, sizeof frame);
    for (size_t i = sizeof frame.o; i < sizeof frame; i++)
        CHECK_INT(frame.bytes[i], 0);
    close_pool(pool);
}

static void test_sizes_that_are_none(void)
{
    luas_pool *pool;
    luas_options options = {.script = "x"};
    CHECK_INT(open_sized(&pool, &options, 0), LUAS_EINVAL);
    CHECK_INT(open_sized(&pool, &options, sizeof options.size), LUAS_EINVAL);
    CHECK_INT(luas_version(), LUAS_VERSION_NUM);
    CHECK(strcmp(luas_version_string(), LUAS_VERSION) == 0);
}

#define luas_pool_open luas_pool_open_sized
#define luas_next luas_next_sized

/* ---- outcomes ---- */

static void test_errors(void)
{
    luas_pool *pool = open_functions(1, 0, 0);
    luas_outcome o;
    submit(pool, "fail", luas_string("no luck"));
    await(pool, &o);
    CHECK_INT(o.kind, LUAS_ERROR);
    CHECK(strcmp(o.message, "no luck") == 0);
    CHECK(o.pid > 0 && o.exitcode == -1);
    CHECK_INT(o.count, 1);
    check_text(&o.results[0], "no luck", 7);
    CHECK_INT(luas_submit(pool, "deep", 0, NULL, NULL), 0);
    await(pool, &o);
    CHECK(strstr(o.message, ":3: attempt to index a nil value") != NULL);
    CHECK(strstr(o.traceback, "deep") != NULL);
    CHECK_INT(luas_submit(pool, "no_such_function", 0, NULL, NULL), 0);
    await(pool, &o);
    CHECK_INT(o.kind, LUAS_ERROR);
    CHECK(strstr(o.message, "no_such_function") != NULL);
    close_pool(pool);
}

static double took(luas_pool *pool, const char *name, luas_value argument, luas_kind kind)
{
    luas_outcome o;
    submit(pool, name, argument);
    await(pool, &o);
    CHECK_INT(o.kind, kind);
    return o.took;
}

/* Whatever becomes of a call, it took some time; one that never began took none. */
static void test_times(void)
{
    luas_pool *pool = open_functions(1, 0.3, 0);
    double s = took(pool, "hang", luas_integer(0), LUAS_TIMEOUT);
    CHECK(s >= 0.3 && s < 30);
    close_pool(pool);
    pool = open_functions(1, 0, 0); /* on a busy machine any of these takes longer */
    s = took(pool, "wait", luas_number(0.1), LUAS_VALUE);
    CHECK(s >= 0.1 && s < 30);
    s = took(pool, "fail", luas_string("x"), LUAS_ERROR);
    CHECK(s > 0 && s < 30);
    s = took(pool, "die", luas_integer(1), LUAS_CRASH);
    CHECK(s >= 0 && s < 30);
    luas_outcome o;
    uint64_t behind;
    submit(pool, "wait", luas_number(0.1));
    submit(pool, "wait", luas_number(0.1));
    CHECK_INT(luas_submit(pool, "pid", 0, NULL, &behind), 0);
    CHECK_INT(luas_cancel(pool, behind), 0);
    for (int i = 0; i < 3; i++) {
        await(pool, &o);
        CHECK(o.call == behind ? o.kind == LUAS_CANCELLED && o.took == 0 : o.took >= 0.1);
    }
    luas_pool_close(pool);
    CHECK_INT(unlink(script), 0);
}

static void test_crashes(void)
{
    luas_pool *pool = open_functions(2, 0, 0);
    luas_outcome o;
    uint64_t crashed = submit(pool, "die", luas_integer(9));
    int good = 0;
    for (int i = 0; i < 10; i++)
        submit(pool, "echo", luas_integer(i));
    while (luas_pending(pool) > 0) {
        await(pool, &o);
        good += o.kind == LUAS_VALUE;
        if (o.call == crashed) {
            CHECK_INT(o.kind, LUAS_CRASH);
            CHECK_INT(o.exitcode, 9);
            CHECK(strcmp(o.message, "its worker exited with status 9") == 0);
        }
    }
    CHECK_INT(good, 10);
    CHECK_INT(luas_submit(pool, "pid", 0, NULL, NULL), 0);
    await(pool, &o);
    CHECK_INT(o.results[0].as.integer, o.pid);
    submit(pool, "hang", luas_integer(0));
    CHECK_INT(kill(o.pid, SIGKILL), 0);
    luas_pool_close(pool);
    CHECK_INT(unlink(script), 0);
}

/* One call and one worker: after each crash there is nothing but a worker to
   be replaced, of which only the descriptor can tell. */
static void test_retries_by_poll_alone(void)
{
    luas_pool *pool = open_functions(1, 0, 3);
    luas_outcome o;
    submit(pool, "die", luas_integer(1));
    await(pool, &o);
    CHECK_INT(o.kind, LUAS_CRASH);
    submit(pool, "echo", luas_integer(1));
    await(pool, &o);
    CHECK_INT(o.kind, LUAS_VALUE);
    close_pool(pool);
}

/* Errors, too, after a pause. */
static void test_retries_after_errors(void)
{
    write_script("function third() n = (n or 0) + 1 if n < 3 then error('not yet', 0) end return n end");
    luas_options options = {.script = script, .workers = 1, .retries = 4, .retry_on = LUAS_RETRY_ERRORS,
                            .retry_delay = 0.02};
    luas_pool *pool = open_pool(&options);
    luas_outcome o;
    struct timespec before, after;
    clock_gettime(CLOCK_MONOTONIC, &before);
    submit(pool, "third", luas_integer(1));
    await(pool, &o);
    clock_gettime(CLOCK_MONOTONIC, &after);
    CHECK(o.kind == LUAS_VALUE && o.results[0].as.integer == 3);
    CHECK((double)(after.tv_sec - before.tv_sec) + (double)(after.tv_nsec - before.tv_nsec) / 1e9 >= 0.06);
    close_pool(pool);
}

static void test_timeouts(void)
{
    luas_pool *pool = open_functions(1, 2, 0);
    luas_outcome o;
    submit(pool, "hang", luas_integer(0));
    submit(pool, "echo", luas_string("after"));
    await(pool, &o);
    CHECK_INT(o.kind, LUAS_TIMEOUT);
    CHECK_INT(o.call, 1);
    CHECK(strcmp(o.message, "timed out after 2 s") == 0);
    await(pool, &o);
    CHECK_INT(o.kind, LUAS_VALUE);
    close_pool(pool);
}

static void test_cancelling(void)
{
    luas_pool *pool = open_functions(1, 0, 0);
    luas_outcome o;
    submit(pool, "hang", luas_integer(0));
    for (int i = 2; i <= 5; i++)
        submit(pool, "echo", luas_integer(i));
    for (uint64_t call = 1; call <= 4; call++)
        CHECK_INT(luas_cancel(pool, call), 0);
    CHECK_INT(luas_cancel(pool, 1000), LUAS_ENOCALL);
    CHECK_INT(luas_cancel(pool, 0), LUAS_ENOCALL);
    int cancelled = 0;
    while (luas_pending(pool) > 0) {
        await(pool, &o);
        cancelled += o.kind == LUAS_CANCELLED;
        CHECK_INT(o.kind, o.call == 5 ? LUAS_VALUE : LUAS_CANCELLED);
    }
    CHECK_INT(cancelled, 4);
    close_pool(pool);
}

/* ---- the descriptor ---- */

/* What comes in during another call shows on the descriptor, though nothing
   else ever happens. */
static void test_readable_when_outcomes_wait(void)
{
    luas_pool *pool = open_functions(2, 0, 0);
    struct pollfd p = {.fd = luas_pool_fd(pool), .events = POLLIN};
    luas_outcome o;
    submit(pool, "echo", luas_integer(1));
    for (int i = 0; i < 4; i++) {
        submit(pool, "hang", luas_integer(0));
        usleep(20000);
    }
    CHECK_INT(poll(&p, 1, 20000), 1);
    await(pool, &o);
    CHECK_INT(o.call, 1);
    CHECK_INT(luas_next(pool, &o), 0);
    CHECK_INT(poll(&p, 1, 0), 0);
    CHECK_INT(luas_cancel(pool, 5), 0); /* which waits behind others */
    CHECK_INT(poll(&p, 1, 20000), 1);
    await(pool, &o);
    CHECK_INT(o.call, 5);
    CHECK_INT(o.kind, LUAS_CANCELLED);
    close_pool(pool);
}

/* A worker's end of its pipe and its exit come in one event, and no other event comes after it. */
static void test_readable_when_a_worker_is_to_be_replaced(void)
{
    write_script("function echo(x) return x end function die() os.exit(3) end");
    luas_pool *pool = open_pool(&(luas_options){.script = script, .workers = 1});
    struct pollfd p = {.fd = luas_pool_fd(pool), .events = POLLIN};
    luas_outcome o;
    int crashes = 0, values = 0;
    for (int i = 0; i < 3; i++) {
        submit(pool, "die", luas_integer(i));
        submit(pool, "echo", luas_integer(i));
    }
    while (crashes + values < 6) {
        CHECK_INT(poll(&p, 1, 20000), 1);
        usleep(100000);
        for (int rc; (rc = luas_next(pool, &o)) != 0;) {
            CHECK_INT(rc, 1);
            crashes += o.kind == LUAS_CRASH;
            values += o.kind == LUAS_VALUE;
        }
    }
    CHECK_INT(crashes, 3);
    CHECK_INT(values, 3);
    close_pool(pool);
}

static void test_waiting_without_a_loop(void)
{
    luas_pool *pool = open_functions(1, 0, 0);
    luas_outcome o;
    submit(pool, "wait", luas_number(0.05));
    while (luas_next(pool, &o) == 0)
        CHECK(luas_wait(pool, 10) >= 0);
    CHECK_INT(o.kind, LUAS_VALUE);
    CHECK(luas_wait(pool, 0.01) == 0 || luas_next(pool, &o) == 0);
    close_pool(pool);
}

/* ---- workers that have nothing to do ---- */

static void await_exit(luas_pool *pool, int pid)
{
    luas_outcome o;
    while (CHECK(luas_next(pool, &o) == 0), kill(pid, 0) == 0)
        CHECK_INT(poll(&(struct pollfd){.fd = luas_pool_fd(pool), .events = POLLIN}, 1, 10000), 1);
}

static int pid_of_worker(luas_pool *pool)
{
    luas_outcome o;
    submit(pool, "echo", luas_integer(1));
    await(pool, &o);
    CHECK_INT(o.kind, LUAS_VALUE);
    return o.pid;
}

static void test_idle_workers_end(void)
{
    write_script("function echo(x) return x end");
    luas_pool *pool = open_pool(&(luas_options){.script = script, .workers = 1, .idle = 0.05});
    int pid = pid_of_worker(pool);
    await_exit(pool, pid);
    CHECK(pid_of_worker(pool) != pid);
    close_pool(pool);
}

static void test_workers_are_trimmed(void)
{
    write_script("function echo(x) return x end");
    luas_pool *pool = open_pool(&(luas_options){.script = script, .workers = 1});
    int pid = pid_of_worker(pool);
    CHECK_INT(luas_pool_trim(pool), 1);
    CHECK_INT(luas_pool_trim(pool), 0);
    await_exit(pool, pid);
    CHECK(pid_of_worker(pool) != pid);
    close_pool(pool);
}

/* ---- scripts that do not load ---- */

static void check_unloadable(const char *path, const char *words, luas_kind kind)
{
    luas_pool *pool = open_pool(&(luas_options){.script = path, .workers = 2});
    struct pollfd p = {.fd = luas_pool_fd(pool), .events = POLLIN};
    luas_outcome o;
    int rc;
    CHECK(strcmp(luas_pool_why(pool), "") == 0);
    CHECK_INT(luas_submit(pool, "echo", 0, NULL, NULL), 0);
    while ((rc = luas_next(pool, &o)) == 0)
        CHECK_INT(poll(&p, 1, 20000), 1);
    CHECK_INT(rc, 1);
    CHECK(o.call == 1 && o.kind == kind && strncmp(o.message, "init, worker ", 13) == 0);
    CHECK(strstr(o.message, words) != NULL);
    CHECK_INT(luas_pending(pool), 0);
    while ((rc = luas_next(pool, &o)) == 0)
        CHECK_INT(poll(&p, 1, 20000), 1);
    CHECK_INT(rc, LUAS_EBROKEN);
    CHECK_INT(luas_submit(pool, "echo", 0, NULL, NULL), LUAS_EBROKEN);
    CHECK(strstr(luas_pool_why(pool), words) != NULL);
    CHECK(strcmp(luas_strerror(rc), "workers cannot start") == 0);
    luas_pool_close(pool);
}

/* Opening says so at once. */
static void check_unreadable(const char *path, const char *words, int code)
{
    luas_pool *pool;
    char why[100], little[4];
    luas_options options = {.script = path, .workers = 2, .why = why, .why_size = sizeof why};
    CHECK_INT(luas_pool_open(&pool, &options), code);
    CHECK(pool == NULL && strstr(why, words) != NULL);
    options.why = little;
    options.why_size = sizeof little;
    CHECK_INT(luas_pool_open(&pool, &options), code);
    CHECK(strlen(little) == 3 && strncmp(little, why, 3) == 0);
    options.why = NULL;
    CHECK_INT(luas_pool_open(&pool, &options), code);
}

static void test_scripts_that_do_not_load(void)
{
    check_unreadable("/no/such/script.lua", "/no/such/script.lua: No such file", -ENOENT);
    check_unreadable("/", "/: Is a directory", -EISDIR);
    write_script("local x = = 1");
    check_unreadable(script, ":1: unexpected symbol near '='", LUAS_ESCRIPT);
    CHECK_INT(unlink(script), 0);
    write_script("error('not today', 0)");
    check_unloadable(script, "not today", LUAS_ERROR);
    CHECK_INT(unlink(script), 0);
    write_script("os.exit(3)");
    check_unloadable(script, "it exited with status 3", LUAS_CRASH);
    CHECK_INT(unlink(script), 0);
}

/* ---- the application's own ---- */

static void on_child(int number)
{
    (void)number;
}

static void test_signals_and_children_are_the_applications(void)
{
    struct sigaction mine = {.sa_handler = on_child, .sa_flags = SA_RESTART}, before, after;
    sigaction(SIGCHLD, &mine, &before);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0)
        _exit(5);
    luas_pool *pool = open_functions(2, 0.2, 0);
    static const char *const names[] = {"echo", "fail", "die", "hang"};
    luas_outcome o;
    for (int i = 0; i < 12; i++)
        submit(pool, names[i % 4], luas_integer(3));
    while (luas_pending(pool) > 0)
        await(pool, &o);
    close_pool(pool);
    int status;
    CHECK_INT(waitpid(child, &status, 0), child);
    CHECK_INT(WEXITSTATUS(status), 5);
    sigaction(SIGCHLD, &before, &after);
    CHECK(after.sa_handler == on_child);
    static const int others[] = {SIGINT, SIGTERM, SIGPIPE, SIGUSR1, SIGUSR2, SIGALRM, SIGHUP};
    for (int i = 0; i < 7; i++) {
        sigaction(others[i], NULL, &after);
        CHECK(after.sa_handler == SIG_DFL);
    }
}

static void test_a_forked_application_harms_nothing(void)
{
    luas_pool *pool = open_functions(1, 0, 0);
    luas_outcome o;
    submit(pool, "wait", luas_number(0.1));
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        int refused = luas_next(pool, &o) == LUAS_EFOREIGN
            && strcmp(luas_pool_why(pool), luas_strerror(LUAS_EFOREIGN)) == 0
            && luas_submit(pool, "echo", 0, NULL, NULL) == LUAS_EFOREIGN
            && luas_cancel(pool, 1) == LUAS_EFOREIGN && luas_wait(pool, -1) == LUAS_EFOREIGN
            && luas_pool_fd(pool) == LUAS_EFOREIGN && luas_pending(pool) == 1;
        static luas_pool *volatile kept; /* where a search for leaks sees it */
        luas_pool_close(kept = pool);
        _exit(refused ? 0 : 1);
    }
    int status;
    CHECK_INT(waitpid(child, &status, 0), child);
    CHECK_INT(status, 0);
    await(pool, &o);
    CHECK_INT(o.kind, LUAS_VALUE);
    close_pool(pool);
}

static void test_every_call_ends_once(void)
{
    enum { CALLS = 90 };
    static const char *const names[] = {"echo", "echo", "echo", "fail", "echo", "die"};
    unsigned char seen[CALLS + 1] = {0};
    luas_pool *pool = open_functions(3, 0, 1);
    luas_outcome o;
    for (int i = 0; i < CALLS; i++)
        submit(pool, names[i % 6], luas_integer(i));
    while (luas_pending(pool) > 0) {
        await(pool, &o);
        CHECK(o.call >= 1 && o.call <= CALLS);
        CHECK_INT(seen[o.call]++, 0);
        static const luas_kind kinds[] = {0, 0, 0, LUAS_ERROR, 0, LUAS_CRASH};
        CHECK_INT(o.kind, kinds[(o.call - 1) % 6]);
    }
    close_pool(pool);
}

/* ---- events ---- */

typedef struct heard {
    int counts[LUAS_EVENT_ZYGOTE + 1], kinds[LUAS_CANCELLED + 1], retried;
    double took[5];     /* by call, if it gave a value */
} heard;

static void hear(void *data, const luas_event *e)
{
    heard *h = data;
    CHECK_INT(e->size, sizeof *e);
    h->counts[e->type]++;
    if (e->type != LUAS_EVENT_ENDED)
        return;
    CHECK(e->call >= 1 && e->call <= 4 && e->attempts >= 1);
    h->retried += e->retried;
    h->kinds[e->kind] += !e->retried;
    /* The time of a crash has the death of a process in it, which may be slow. */
    if (e->kind == LUAS_VALUE)
        h->took[e->call] = e->took;
}

static void test_who_listens_is_told_what_happens(void)
{
    heard h = {.retried = 0};
    luas_outcome o;
    write_script(functions);
    luas_pool *pool = open_pool(&(luas_options){.script = script, .workers = 1, .retries = 1,
                                                .on_event = hear, .event_data = &h});
    luas_value seven = luas_integer(7), moment = luas_number(0.02);
    CHECK_INT(luas_submit(pool, "echo", 1, &seven, NULL), 0);
    CHECK_INT(luas_submit(pool, "wait", 1, &moment, NULL), 0);
    CHECK_INT(luas_submit(pool, "die", 1, &seven, NULL), 0);
    CHECK_INT(luas_submit(pool, "fail", 1, &seven, NULL), 0);
    for (int i = 0; i < 4; i++)
        await(pool, &o);
    close_pool(pool);
    CHECK_INT(h.kinds[LUAS_VALUE], 2);
    CHECK_INT(h.kinds[LUAS_CRASH], 1);
    CHECK_INT(h.kinds[LUAS_ERROR], 1);
    CHECK_INT(h.retried, 1);
    CHECK_INT(h.counts[LUAS_EVENT_STARTED], 5);
    CHECK_INT(h.counts[LUAS_EVENT_FORKED], 1);
    CHECK(h.counts[LUAS_EVENT_REPLACED] >= 1);
    CHECK(h.counts[LUAS_EVENT_DEALT] > 0 && h.counts[LUAS_EVENT_DIED] >= 2);
    CHECK(h.took[1] > 0 && h.took[2] >= 0.02);
}

int main(void)
{
    RUN(test_arguments_come_back_as_results);
    RUN(test_no_arguments_and_no_results);
    RUN(test_large_strings_and_tables);
    RUN(test_nonsense_is_refused);
    RUN(test_errors);
    RUN(test_times);
    RUN(test_crashes);
    RUN(test_retries_by_poll_alone);
    RUN(test_retries_after_errors);
    RUN(test_timeouts);
    RUN(test_cancelling);
    RUN(test_readable_when_outcomes_wait);
    RUN(test_readable_when_a_worker_is_to_be_replaced);
    RUN(test_waiting_without_a_loop);
    RUN(test_idle_workers_end);
    RUN(test_workers_are_trimmed);
    RUN(test_scripts_that_do_not_load);
    RUN(test_signals_and_children_are_the_applications);
    RUN(test_a_forked_application_harms_nothing);
    RUN(test_bytes_that_are_not_there);
    RUN(test_an_older_program);
    RUN(test_a_newer_program);
    RUN(test_sizes_that_are_none);
    RUN(test_every_call_ends_once);
    RUN(test_who_listens_is_told_what_happens);
}
