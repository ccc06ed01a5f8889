/*
 * A robust mutex whose owner was killed is the next one's, whichever way the owner
 * was forked; and what the C library knows of a thread is right there.
 */
#define _GNU_SOURCE
#include "pool_testing.h"

#include <sys/syscall.h>

enum { LOCKS = 60 };

static int half;            /* so many die, and so many children of tasks */

/* With workers. */
static struct locks {
    pthread_mutex_t each[LOCKS];
    int era[LOCKS];         /* of the host that the worker saw */
} *locks;

static int era;             /* of the host: workers of a zygote have an earlier one */

static void set_up(void)
{
    half = under_valgrind() ? 3 : LOCKS / 2;
    pthread_mutexattr_t attributes;
    locks = mmap(NULL, sizeof *locks, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(locks != MAP_FAILED);
    CHECK_INT(pthread_mutexattr_init(&attributes), 0);
    CHECK_INT(pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED), 0);
    CHECK_INT(pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST), 0);
    for (int i = 0; i < LOCKS; i++) {
        CHECK_INT(pthread_mutexattr_setprotocol(
            &attributes, i % 3 == 0 ? PTHREAD_PRIO_INHERIT : PTHREAD_PRIO_NONE), 0);
        CHECK_INT(pthread_mutex_init(&locks->each[i], &attributes), 0);
    }
    pthread_mutexattr_destroy(&attributes);
}

static void tear_down(void)
{
    munmap(locks, sizeof *locks);
}

/* ---- tasks ---- */

static _Noreturn void die_with(long i)
{
    locks->era[i] = era;
    if (pthread_mutex_lock(&locks->each[i]) != 0)
        _exit(1);
    kill(getpid(), SIGKILL);
    hang();
    _exit(1);
}

static volatile sig_atomic_t signals;

static void on_signal(int signal)
{
    (void)signal;
    signals++;
}

/* By its number the C library sends a thread signals. */
static bool hears_itself(void)
{
    signals = 0;
    return signal(SIGHUP, on_signal) != SIG_ERR && raise(SIGHUP) == 0 && signals == 1
        && pthread_kill(pthread_self(), SIGHUP) == 0 && signals == 2;
}

/* And by the same it knows who has a mutex. */
static bool is_owner(void)
{
    pthread_mutex_t mutex;
    pthread_mutexattr_t attributes;
    bool is_so = pthread_mutexattr_init(&attributes) == 0
        && pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_ERRORCHECK) == 0
        && pthread_mutex_init(&mutex, &attributes) == 0
        && pthread_mutex_lock(&mutex) == 0 && pthread_mutex_lock(&mutex) == EDEADLK;
#ifdef __GLIBC__
    is_so = is_so && mutex.__data.__owner == (int)syscall(SYS_gettid);
#endif
    return is_so && pthread_mutex_unlock(&mutex) == 0;
}

static void *check_thread(void *is_so)
{
    *(bool *)is_so = hears_itself() && is_owner();
    return NULL;
}

static bool has_threads(void)
{
    pthread_t thread;
    bool is_so = false;
    return pthread_create(&thread, NULL, check_thread, &is_so) == 0
        && pthread_join(thread, NULL) == 0 && is_so;
}

/* What a worker forks dies as it does. */
static bool has_mortal_child(long i)
{
    int status;
    pid_t child = fork();
    if (child == 0)
        die_with(i);
    return child > 0 && waitpid(child, &status, 0) == child && WIFSIGNALED(status);
}

static int do_task(luas__channel *c, uint32_t seq, char what, long number)
{
    bool is_well = true;
    switch (what) {
    case 'd': die_with(number);
    case 't': is_well = hears_itself() && is_owner() && has_threads() && is_owner(); break;
    case 'f': is_well = has_mortal_child(number); break;
    default: return LUAS_EPROTO;
    }
    char result = (char)era;
    return answer(c, is_well ? LUAS__MSG_VALUE : LUAS__MSG_ERROR, seq, &result, 1);
}

static int run_task(luas__channel *c, luas__mp_reader *body)
{
    int64_t fields[5];
    char input[32];
    for (int i = 0; i < 5; i++) /* job, seq, index, count and size */
        if (luas__mp_read_int(body, &fields[i]) < 0)
            return LUAS_EPROTO;
    if (fields[3] != 1 || fields[4] < 1 || fields[4] >= (int64_t)sizeof input)
        return LUAS_EPROTO;
    memcpy(input, body->at, (size_t)fields[4]);
    input[fields[4]] = '\0';
    if (!luas__scoreboard_claim(c->scoreboard, (uint32_t)fields[1]))
        return 0;
    return do_task(c, (uint32_t)fields[1], input[0], strtol(input + 1, NULL, 10));
}

static int serve_tasks(void *host, luas__channel *c)
{
    (void)host;
    return serve_runs(c, run_task);
}

/* ---- the host ---- */

static void feed_each(luas__pool *pool, luas__job *job, char what, int from, int to)
{
    for (int i = from; i < to; i++)
        feed_number(pool, job, what, (size_t)i);
}

static void check_passed_on(int from, int to, int seen_era)
{
    for (int i = from; i < to; i++) {
        struct timespec end;
        clock_gettime(CLOCK_REALTIME, &end);
        end.tv_sec += 5;
        CHECK_INT(pthread_mutex_timedlock(&locks->each[i], &end), EOWNERDEAD);
        CHECK_INT(pthread_mutex_consistent(&locks->each[i]), 0);
        CHECK_INT(pthread_mutex_unlock(&locks->each[i]), 0);
        CHECK_INT(locks->era[i], seen_era);
    }
}

static luas__job *inherit(luas__pool *pool, int flags)
{
    luas__job *job = start_job(pool, &(luas__policy){.chunk = 1,
                                                     .flags = LUAS__JOB_INHERIT | flags});
    CHECK_INT(luas__pool_inherit(pool, job, 1, 1, NULL), 0);
    return job;
}

static void check_crashes(luas__pool *pool, luas__job *job, int count)
{
    tally *t = finish(pool, job);
    CHECK_INT(t->kinds[LUAS__KIND_CRASH], count);
    CHECK_INT(t->kinds[LUAS__KIND_ERROR], 0);
    free(t);
}

static void test_of_a_worker(void)
{
    luas__pool *pool = open_pool(2, serve_tasks);
    luas__job *job = start_job(pool, &(luas__policy){.chunk = 1});
    feed_each(pool, job, 'd', 0, half);
    feed_each(pool, job, 't', 0, 1);
    feed_each(pool, job, 'f', half, 2 * half);
    check_crashes(pool, job, half);
    check_passed_on(0, 2 * half, era);
    luas__pool_close(pool);
}

static void test_of_a_process(void)
{
    luas__pool *pool = open_pool(1, serve_tasks);
    for (int i = 0; i < half; i++) {
        luas__job *job = inherit(pool, LUAS__JOB_PROCESS);
        feed_each(pool, job, 'd', i, i + 1);
        check_crashes(pool, job, 1);
    }
    check_passed_on(0, half, era);
    luas__pool_close(pool);
}

/* All but the first are a zygote's. */
static luas__job *start_kept(luas__pool *pool)
{
    era = 1;
    luas__job *job = inherit(pool, 0);
    luas__pool_snapshot(pool, job, NULL);
    era = 2;
    feed_each(pool, job, 'd', 0, half);
    feed_each(pool, job, 't', 0, 1);
    feed_each(pool, job, 'f', half, 2 * half);
    feed_each(pool, job, 't', 0, 1);
    return job;
}

static void test_of_a_zygotes_worker(void)
{
    luas__pool *pool = open_pool(1, serve_tasks);
    check_crashes(pool, start_kept(pool), half);
    check_passed_on(0, 2 * half, 1);
    CHECK_INT(pool->stats.forks, half + 1);
    luas__pool_close(pool);
}

static int count_forks(luas__pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    int forks = (int)pool->stats.forks;
    pthread_mutex_unlock(&pool->lock);
    return forks;
}

static void test_of_a_zygotes_worker_that_the_thread_asked_for(void)
{
    luas__pool *pool = open_pool(1, serve_tasks);
    luas__job *job = start_kept(pool);
    CHECK(luas__pool_step(pool, 0, NULL) >= 0);
    CHECK_INT(luas__pool_pump(pool, job), 0);
    for (int64_t end = luas__now() + within(10 * LUAS__SECOND); count_forks(pool) <= half / 2; sleep_ms(2))
        CHECK(luas__now() < end);
    check_crashes(pool, job, half);
    check_passed_on(0, 2 * half, 1);
    luas__pool_close(pool);
}

/* The zygote has one of these when it forks, and its workers do not. */
static void test_of_a_host_that_has_some(void)
{
    luas__pool *pool = open_pool(1, serve_tasks);
    CHECK_INT(pthread_mutex_lock(&locks->each[LOCKS - 1]), 0);
    era = 1;
    luas__job *job = inherit(pool, 0);
    luas__pool_snapshot(pool, job, NULL);
    feed_each(pool, job, 'd', 0, 4);
    check_crashes(pool, job, 4);
    check_passed_on(0, 4, 1);
    CHECK_INT(pthread_mutex_unlock(&locks->each[LOCKS - 1]), 0);
    luas__pool_close(pool);
}

int main(void)
{
    set_up();
    RUN(test_of_a_worker);
    RUN(test_of_a_process);
    RUN(test_of_a_zygotes_worker);
    RUN(test_of_a_zygotes_worker_that_the_thread_asked_for);
    RUN(test_of_a_host_that_has_some);
    tear_down();
}
