/*
 * Every system call fails in its turn: for each call and each error that it
 * may give, the first one fails, then the second, and so on until a run has
 * none left to fail. What cannot be done says so, each task has one outcome,
 * none starts twice, and nothing stays behind. EINTR and EAGAIN are noticed
 * by nobody.
 */
#define _GNU_SOURCE
#include "pool_testing.h"
#include "nosys_calls.h"

static struct stat host_stdin, host_stdout;

/* ---- what is done under these conditions ---- */

enum { GIVE_UP = 40 };

typedef struct run {
    luas__pool *pool;
    tally all;
    int errors;     /* what calls into the pool gave */
    bool over;      /* nothing helped, and the application gave up */
} run;

/* An application that tries again what failed, but not for ever. */
static bool again(run *r, int rc)
{
    if (rc >= 0)
        return false;
    CHECK(rc == -fault.error || rc == LUAS_EBROKEN || rc == LUAS_EINTR
          || (rc == LUAS_ENOMEM && fault.call == MMAP));
    r->errors += rc != LUAS_EINTR;
    r->over = r->errors >= GIVE_UP || rc == LUAS_EBROKEN;
    return !r->over;
}

#define TRY(r, call) \
    while (!(r)->over && again(r, call)) \
        continue

static void finish_under_fault(run *r, luas__job *job, tally *t)
{
    memset(t, 0, sizeof *t);
    luas__pool_seal(r->pool, job);
    while (take_outcomes(r->pool, job, t), t->total < job->input.fed && !r->over)
        again(r, luas__pool_step(r->pool, LUAS__SECOND, NULL));
    CHECK(r->over || t->total == job->input.fed);
    r->all.total += t->total;
    for (int kind = 0; kind < 5; kind++)
        r->all.kinds[kind] += t->kinds[kind];
    luas__pool_drop(r->pool, job);
}

/* NULL when the application has given up. */
static luas__job *new_job(run *r, const luas__policy *policy)
{
    luas__job *job = r->over ? NULL : luas__job_new(policy);
    if (job != NULL)
        again(r, luas__pool_start(r->pool, job));
    if (!r->over)
        return job;
    luas__job_free(job);
    return NULL;
}

static void do_all_kinds(run *r, tally *t)
{
    luas__job *job = new_job(r, &(luas__policy){.chunk = 3});
    TRY(r, luas__pool_define(r->pool, job, "definition", 10));
    feed(r->pool, job, "echo", 4);
    for (size_t i = 0; i < 4; i++)
        feed_number(r->pool, job, 'n', i);
    feed(r->pool, job, "k", 1);
    feed(r->pool, job, "L200000", 1);
    feed(r->pool, job, "x", 2);
    finish_under_fault(r, job, t);
}

static void time_out(run *r, tally *t)
{
    luas__job *job = new_job(r, &(luas__policy){.timeout = LUAS__MS, .grace = LUAS__MS});
    if (job == NULL)
        return;
    feed(r->pool, job, "i", 1);
    finish_under_fault(r, job, t);
}

static void cancel(run *r, tally *t)
{
    luas__job *job = new_job(r, &(luas__policy){.grace = LUAS__MS});
    if (job == NULL)
        return;
    feed(r->pool, job, "i", 1);
    TRY(r, luas__pool_step(r->pool, LUAS__MS, NULL));
    TRY(r, luas__pool_cancel(r->pool, job, 1, 1));
    finish_under_fault(r, job, t);
}

/* While the owner sleeps. */
static void pump(run *r, tally *t)
{
    luas__job *job = new_job(r, &(luas__policy){0});
    if (job == NULL)
        return;
    feed(r->pool, job, "echo", 2);
    TRY(r, luas__pool_pump(r->pool, job));
    TRY(r, luas__pool_step(r->pool, 0, NULL));
    sleep_ms(1);
    finish_under_fault(r, job, t);
}

/* In workers of the job's own, of which one is replaced by way of a zygote. */
static void inherit(run *r, tally *t)
{
    luas__job *job = new_job(r, &(luas__policy){0});
    if (job == NULL)
        return;
    TRY(r, luas__pool_inherit(r->pool, job, 1, 1, NULL));
    luas__pool_snapshot(r->pool, job, NULL);
    feed(r->pool, job, "echo", 1);
    feed(r->pool, job, "k", 1);
    feed(r->pool, job, "echo", 1);
    finish_under_fault(r, job, t);
}

/* Closing the pool ends it. */
static void leave_one_running(run *r)
{
    luas__job *job = new_job(r, &(luas__policy){0});
    if (job == NULL)
        return;
    feed(r->pool, job, "i", 1);
    TRY(r, luas__pool_step(r->pool, 0, NULL));
}

static void check_kinds(const run *r)
{
    CHECK_INT(r->all.kinds[LUAS__KIND_VALUE], 13);
    CHECK_INT(r->all.kinds[LUAS__KIND_ERROR], 2);
    CHECK_INT(r->all.kinds[LUAS__KIND_TIMEOUT], 1);
    CHECK_INT(r->all.kinds[LUAS__KIND_CRASH], 2);
    CHECK_INT(r->all.kinds[LUAS__KIND_CANCELLED], 1);
}

static void check_starts(void)
{
    for (int i = 0; i < 4; i++)
        CHECK(atomic_exchange(&starts[i], 0) <= 1);
}

static bool same_file(int fd, const struct stat *file)
{
    struct stat now;
    return fstat(fd, &now) == 0 && now.st_dev == file->st_dev && now.st_ino == file->st_ino;
}

static int serve_under_fault(void *host, luas__channel *channel)
{
    here = SERVING;
    if (same_file(STDIN_FILENO, &host_stdin) || same_file(STDOUT_FILENO, &host_stdout))
        atomic_fetch_add(&shared->strayed, 1);
    ssize_t n = write(STDOUT_FILENO, "printed\n", 8);
    (void)n;
    return serve(host, channel);
}

/* To be tried again at once, and nobody hears of it. */
static bool is_harmless(void)
{
    return fault.error == EINTR
        || (fault.error == EAGAIN && (fault.call == READ || fault.call == WRITE));
}

static void open_work_close(luas__output_mode output)
{
    static run r;
    static tally t;
    r = (run){.pool = NULL};
    const luas__pool_options options = {.workers = 2, .main = serve_under_fault,
                                        .output = output, .memory = (size_t)1 << 30};
    TRY(&r, luas__pool_open(&r.pool, &options));
    if (r.pool == NULL)
        return;
    do_all_kinds(&r, &t);
    time_out(&r, &t);
    cancel(&r, &t);
    pump(&r, &t);
    inherit(&r, &t);
    leave_one_running(&r);
    luas__pool_close(r.pool);
    check_starts();
    CHECK(!is_harmless() || r.errors == 0);
    if (!r.over && (fault.place != SERVING || is_harmless()))
        check_kinds(&r);
}

/* A thread that was joined may be in the folder for another moment. */
static void check_one_thread(void)
{
    for (int i = 0; i < 500 && count_files("/proc/self/task") > 1; i++)
        usleep(2000);
    CHECK_INT(count_files("/proc/self/task"), 1);
}

/* Whether anything failed in this run. */
static bool run_with(luas__output_mode output, long successes, long failures)
{
    leftovers before = count_leftovers();
    alarm(60);
    atomic_store(&shared->failed, 0);
    atomic_store(&failures_left, failures);
    atomic_store(&until_failure, successes);
    open_work_close(output);
    atomic_store(&until_failure, -1);
    alarm(0);
    check_leftovers(before);
    check_one_thread();
    CHECK_INT(atomic_load(&shared->strayed), 0);
    return atomic_load(&shared->failed) > 0;
}

typedef struct candidate {
    enum call call;
    const char *name;
    int errors[4];
    bool lasts;     /* if it fails once it may do so for ever */
} candidate;

#define CANDIDATE(call, lasts, ...) {call, #call, {__VA_ARGS__}, lasts}

static const candidate in_host[] = {
    CANDIDATE(READ, false, EINTR, EAGAIN, EIO),
    CANDIDATE(WRITE, false, EINTR, EAGAIN, EIO, ENOMEM),
    CANDIDATE(CLOSE, true, EINTR, EIO),
    CANDIDATE(PIPE, true, EMFILE, ENFILE),
    CANDIDATE(FCNTL, true, EPERM),
    CANDIDATE(POLL, false, EINTR, ENOMEM),
    CANDIDATE(EPOLL_CREATE, true, EMFILE, ENFILE, ENOMEM),
    CANDIDATE(EPOLL_CTL, true, ENOMEM, ENOSPC),
    CANDIDATE(EPOLL_WAIT, false, EINTR),
    CANDIDATE(EVENTFD, true, EMFILE, ENFILE, ENOMEM),
    CANDIDATE(TIMER_CREATE, true, EMFILE, ENFILE, ENOMEM),
    CANDIDATE(TIMER_SET, true, ENOMEM),
    CANDIDATE(MMAP, true, ENOMEM),
    CANDIDATE(MADVISE, true, ENOMEM),
    CANDIDATE(FORK, true, EAGAIN, ENOMEM),
    CANDIDATE(PIDFD_OPEN, true, EMFILE, ENFILE, ENOSYS),
    CANDIDATE(WAITPID, false, EINTR, ECHILD),
    CANDIDATE(WAITID, false, ECHILD),
    CANDIDATE(SETPGID, true, EACCES, ESRCH),
    CANDIDATE(KILL, false, EPERM, ESRCH),
    CANDIDATE(OPEN, true, EMFILE, ENFILE),
    CANDIDATE(THREAD, true, EAGAIN),
    CANDIDATE(SOCKETPAIR, true, EMFILE, ENFILE),
    CANDIDATE(SENDMSG, false, EINTR, EAGAIN),
    CANDIDATE(SENDMSG, true, EPIPE, ETOOMANYREFS),
    CANDIDATE(RECVMSG, false, EINTR, EAGAIN, ENOMEM),
    CANDIDATE(MEMFD, true, EMFILE, ENOSYS),
    CANDIDATE(FTRUNCATE, true, ENOSPC),
};

static const candidate while_starting[] = {
    CANDIDATE(CLOSE, false, EINTR),
    CANDIDATE(SETPGID, false, EPERM),
    CANDIDATE(CLOSE_RANGE, false, ENOSYS, EPERM),
    CANDIDATE(DUP, false, EINTR, EBUSY),
    CANDIDATE(OPEN, false, EMFILE, ENOENT),
    CANDIDATE(PRCTL, false, EPERM),
    CANDIDATE(SIGACTION, false, EINVAL),
    CANDIDATE(SIGMASK, false, EINVAL),
    CANDIDATE(SENDMSG, false, EINTR, ENOBUFS),
    CANDIDATE(RECVMSG, false, EINTR, ENOMEM),
    CANDIDATE(CLONE, false, EAGAIN, ENOSYS),
    CANDIDATE(ROBUST_LIST, false, EPERM, ENOSYS),
};

static const candidate while_serving[] = {
    CANDIDATE(READ, false, EINTR, EIO),
    CANDIDATE(WRITE, false, EINTR, EAGAIN, EIO, ENOMEM),
};

static void announce(const candidate *c, long n)
{
    static char text[80];
    snprintf(text, sizeof text, "%s: %s, after %ld", c->name, strerror(fault.error), n);
    running_test = text;
}

/* Under valgrind and the sanitizers there is time only for a sample. */
static bool thorough(void)
{
    return scaled(100) == 100;
}

/* On a slow machine every third call fails, another third in each run of the test. */
static long stride(void)
{
    if (!thorough())
        return 40;
    return within(1) >= 10 ? 3 : 1;
}

/* Until none is left to fail in two runs, for the number of calls differs:
   how many runs saw a failure. */
static int fail_in_turn(const candidate *c, luas__output_mode output, long failures)
{
    int seen = 0;
    long n = thorough() ? getpid() % stride() : 0;
    for (int clean = 0; clean < (thorough() ? 2 : 1); n += stride()) {
        announce(c, n);
        clean = run_with(output, n, failures) ? 0 : clean + 1;
        seen += clean == 0;
        CHECK(n < 1000);
    }
    return seen;
}

static void fail_with_each_error(const candidate *c, enum place place, long failures)
{
    int seen = 0;
    for (int i = 0; i < (thorough() ? 4 : 1) && c->errors[i] != 0; i++) {
        fault = (struct fault){place, c->call, c->errors[i]};
        bool tagged = (failures > 1) ^ (i % 2);
        seen += fail_in_turn(c, tagged ? LUAS__OUTPUT_TAG : LUAS__OUTPUT_CAPTURE, failures);
    }
    /* Some are only made where a worker takes time to die, or is replaced late. */
    CHECK(seen > 0 || c->call == POLL || stride() > 1);
}

/* Valgrind takes a second for each run, and so sees every other call. */
static void fail_each(const candidate *list, size_t count, enum place place, long failures)
{
    for (size_t i = 0; i < count; i += under_valgrind() ? 2 : 1)
        if (failures == 1 || list[i].lasts)
            fail_with_each_error(&list[i], place, failures);
}

#define FAIL_EACH(list, place, failures) \
    fail_each(list, sizeof list / sizeof *list, place, failures)

static void test_one_call_of_the_host_fails(void)
{
    FAIL_EACH(in_host, HOST, 1);
}

static void test_all_calls_of_the_host_fail_from_one_on(void)
{
    if (thorough())
        FAIL_EACH(in_host, HOST, LONG_MAX);
}

static void test_one_call_of_each_starting_worker_fails(void)
{
    if (!under_valgrind()) /* which tells nobody what is wrong in a worker */
        FAIL_EACH(while_starting, STARTING, 1);
}

static void test_one_call_of_each_serving_worker_fails(void)
{
    if (!under_valgrind())
        FAIL_EACH(while_serving, SERVING, 1);
}

/* What a worker has from its host is not its own, whatever is not known. */
static void test_a_worker_of_unknown_size_is_not_over_its_memory(void)
{
    static tally t;
    size_t size = (size_t)64 << 20;
    char *ballast = malloc(size);
    CHECK(ballast != NULL);
    memset(ballast, 1, size);
    run r = {.pool = NULL};
    fault = (struct fault){HOST, OPEN, EMFILE};
    failures_left = 1;
    until_failure = 0;
    const luas__pool_options options = {.workers = 1, .main = serve, .memory = 1};
    CHECK_INT(luas__pool_open(&r.pool, &options), 0);
    luas__job *job = new_job(&r, &(luas__policy){0});
    feed(r.pool, job, "s100", 1);
    finish_under_fault(&r, job, &t);
    CHECK_INT(t.kinds[LUAS__KIND_VALUE], 1);
    CHECK(until_failure < 0);
    luas__pool_close(r.pool);
    free(ballast);
}

/* A worker whose tasks do not hear that they are to stop. */
static int serve_deaf(void *host, luas__channel *c)
{
    signal(SIGUSR1, SIG_IGN);
    return serve(host, c);
}

/* A task that is over its time ends by itself while it is being killed. */
static void test_a_kill_never_hits_the_next_task(void)
{
    luas__pool *pool = open_pool(1, serve_deaf);
    kill_after = 20;
    for (int round = 0; round < 5; round++) {
        luas__job *timed = start_job(pool, &(luas__policy){.timeout = 4 * LUAS__MS});
        luas__job *next = start_job(pool, &(luas__policy){0});
        feed(pool, timed, "s10", 1);
        feed(pool, next, "s40", 1);
        tally *t = finish(pool, next);
        CHECK_INT(t->kinds[LUAS__KIND_VALUE], 1);
        free(t);
        free(finish(pool, timed));
    }
    kill_after = 0;
    luas__pool_close(pool);
}

/* The streams are files that nothing else has, so that a worker with one of
   them is noticed. */
static void set_up(void)
{
    FILE *input = tmpfile(), *output = tmpfile();
    CHECK(input != NULL && output != NULL);
    CHECK(dup2(fileno(input), STDIN_FILENO) == STDIN_FILENO);
    CHECK(dup2(fileno(output), STDOUT_FILENO) == STDOUT_FILENO);
    fclose(input);
    fclose(output);
    CHECK(fstat(STDIN_FILENO, &host_stdin) == 0 && fstat(STDOUT_FILENO, &host_stdout) == 0);
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
                  -1, 0);
    CHECK(shared != MAP_FAILED);
    map_starts();
}

int main(void)
{
    set_up();
    RUN(test_a_kill_never_hits_the_next_task);
    RUN(test_one_call_of_the_host_fails);
    RUN(test_all_calls_of_the_host_fail_from_one_on);
    RUN(test_one_call_of_each_starting_worker_fails);
    RUN(test_one_call_of_each_serving_worker_fails);
    RUN(test_a_worker_of_unknown_size_is_not_over_its_memory);
    unmap_starts();
    munmap(shared, sizeof *shared);
}
