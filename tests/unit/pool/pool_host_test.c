/*
 * The application around a pool: its signals, its children and its limits.
 * Neither does the library touch them, nor do they break it.
 */
#define _GNU_SOURCE
#include "pool_testing.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/time.h>

/* A mixture of what can happen, with the same outcomes whatever the host is
   like. */
static void work_through_trouble(void)
{
    luas__pool *pool = open_pool(3, serve);
    luas__job *job = start_job(pool, &(luas__policy){.chunk = 2});
    for (int i = 0; i < 10; i++) {
        feed(pool, job, "echo", 20);
        feed(pool, job, "k", 1);
        feed(pool, job, "x", 1);
        feed(pool, job, "q1", 1);
        feed(pool, job, "L200000", 1);
    }
    tally *t = finish(pool, job);
    CHECK_INT(t->kinds[LUAS__KIND_VALUE], 210);
    CHECK_INT(t->kinds[LUAS__KIND_CRASH], 20);
    CHECK_INT(t->kinds[LUAS__KIND_ERROR], 10);
    free(t);
    luas__pool_close(pool);
}

/* ---- children ---- */

static void test_children_ignored_by_the_application(void)
{
    signal(SIGCHLD, SIG_IGN);
    work_through_trouble();
    CHECK(signal(SIGCHLD, SIG_DFL) == SIG_IGN);
}

static volatile sig_atomic_t reaped;

static void reap_everything(int number)
{
    int error = errno;
    (void)number;
    while (waitpid(-1, NULL, WNOHANG) > 0)
        reaped++;
    errno = error;
}

static void test_children_reaped_by_the_application(void)
{
    struct sigaction action = {.sa_handler = reap_everything, .sa_flags = SA_RESTART}, before;
    sigaction(SIGCHLD, &action, &before);
    work_through_trouble();
    CHECK(reaped > 0);
    sigaction(SIGCHLD, &before, NULL);
}

static void test_the_applications_children_are_its_own(void)
{
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0)
        _exit(42);
    sleep_ms(10);
    work_through_trouble();
    int status;
    CHECK_INT(waitpid(child, &status, 0), child);
    CHECK_INT(WEXITSTATUS(status), 42);
}

/* ---- signals ---- */

static volatile sig_atomic_t alarms;

static void on_alarm(int number)
{
    (void)number;
    alarms++;
}

/* No system call may be taken for failed, and no time for spent. */
static void test_a_storm_of_signals(void)
{
    struct sigaction action = {.sa_handler = on_alarm}, before; /* no SA_RESTART */
    int rest = 100000 / scaled(100); /* microseconds; valgrind needs a few for each */
    struct itimerval storm = {{0, rest}, {0, rest}}, calm = {{0, 0}, {0, 0}};
    sigaction(SIGALRM, &action, &before);
    setitimer(ITIMER_REAL, &storm, NULL);
    work_through_trouble();
    luas__pool *pool = open_pool(2, serve);
    check_works(pool, scaled(5000));
    luas__pool_close(pool);
    setitimer(ITIMER_REAL, &calm, NULL);
    CHECK(alarms > 0);
    sigaction(SIGALRM, &before, NULL);
}

/* SIGPIPE has its default action here: one of them would end this program.
   The workers die with megabytes on their way to them. */
static void test_no_broken_pipe_reaches_the_application(void)
{
    CHECK(signal(SIGPIPE, SIG_DFL) == SIG_DFL);
    luas__pool *pool = open_pool(2, serve);
    luas__job *job = start_job(pool, &(luas__policy){.chunk = 1});
    char *input = calloc(1, LARGE);
    CHECK(input != NULL);
    input[0] = 'k';
    feed_bytes(pool, job, input, LARGE, 10);
    tally *t = finish(pool, job);
    CHECK_INT(t->kinds[LUAS__KIND_CRASH], 10);
    free(t);
    free(input);
    luas__pool_close(pool);
}

static void test_signal_handlers_and_mask_stay(void)
{
    struct sigaction before[NSIG], after;
    sigset_t mask, wanted;
    sigemptyset(&wanted);
    sigaddset(&wanted, SIGUSR2);
    sigprocmask(SIG_SETMASK, &wanted, &mask);
    for (int i = 1; i < NSIG; i++)
        before[i].sa_handler = sigaction(i, NULL, &before[i]) < 0 ? SIG_ERR : before[i].sa_handler;
    work_through_trouble();
    for (int i = 1; i < NSIG; i++)
        if (before[i].sa_handler != SIG_ERR) {
            CHECK_INT(sigaction(i, NULL, &after), 0);
            CHECK(after.sa_handler == before[i].sa_handler);
        }
    sigprocmask(SIG_SETMASK, &mask, &after.sa_mask);
    CHECK(sigismember(&after.sa_mask, SIGUSR2) == 1 && sigismember(&after.sa_mask, SIGCHLD) == 0);
}

/* ---- limits ---- */

static struct rlimit limit_descriptors(rlim_t most)
{
    struct rlimit before, now;
    CHECK_INT(getrlimit(RLIMIT_NOFILE, &before), 0);
    now = before;
    now.rlim_cur = most;
    CHECK_INT(setrlimit(RLIMIT_NOFILE, &now), 0);
    return before;
}

/* The lowest free descriptor: as a limit it allows no new one. */
static rlim_t lowest_free(void)
{
    int fd = open("/dev/null", O_RDONLY);
    CHECK(fd >= 0);
    close(fd);
    return (rlim_t)fd;
}

static void test_no_descriptors_to_open_a_pool(void)
{
    rlim_t free_one = lowest_free();
    for (rlim_t extra = 0; extra < 3; extra++) {
        luas__pool *pool = (luas__pool *)&pool;
        struct rlimit before = limit_descriptors(free_one + extra);
        int rc = luas__pool_open(&pool, &(luas__pool_options){.workers = 1, .main = serve});
        CHECK_INT(setrlimit(RLIMIT_NOFILE, &before), 0);
        CHECK_INT(rc, -EMFILE);
        CHECK(pool == NULL);
        CHECK(strcmp(luas_strerror(rc), strerror(EMFILE)) == 0);
        CHECK_INT(lowest_free(), free_one);
    }
}

/* Each number of descriptors stops the first worker at another point. */
static void test_no_descriptors_to_fork_a_worker(void)
{
    for (rlim_t extra = 0; extra < 4; extra++) {
        luas__pool *pool = open_pool(2, serve);
        luas__job *job = start_job(pool, &(luas__policy){0});
        feed(pool, job, "echo", 10);
        rlim_t free_one = lowest_free();
        struct rlimit before = limit_descriptors(free_one + extra);
        int rc = luas__pool_step(pool, LUAS__MS, NULL);
        CHECK_INT(setrlimit(RLIMIT_NOFILE, &before), 0);
        CHECK_INT(rc, -EMFILE);
        CHECK_INT(lowest_free(), free_one);
        tally *t = finish(pool, job);
        CHECK_INT(t->kinds[LUAS__KIND_VALUE], 10);
        free(t);
        luas__pool_close(pool);
    }
}

/* With one worker there, the work goes on; the others come when they can. */
static void test_fewer_descriptors_than_workers(void)
{
    luas__pool *pool = open_pool(4, serve);
    luas__job *job = start_job(pool, &(luas__policy){.chunk = 1});
    tally *t = new_tally();
    feed(pool, job, "s2", 200);
    struct rlimit before = limit_descriptors(lowest_free() + 6);
    drive(pool, job, t, 20);
    CHECK_INT(pool->stats.forks, 1);
    CHECK_INT(setrlimit(RLIMIT_NOFILE, &before), 0);
    drive(pool, job, t, 200);
    CHECK_INT(pool->stats.forks, 4);
    CHECK_INT(t->kinds[LUAS__KIND_VALUE], 200);
    free(t);
    luas__pool_close(pool);
}

/* A worker that dies while there are no descriptors to replace it. */
static void test_no_descriptors_for_a_replacement(void)
{
    luas__pool *pool = open_pool(2, serve);
    luas__job *job = start_job(pool, &(luas__policy){.chunk = 1});
    tally *t = new_tally();
    CHECK_INT(luas__pool_populate(pool, NULL), 0);
    feed(pool, job, "k", 1);
    feed(pool, job, "s2", 100);
    struct rlimit before = limit_descriptors(lowest_free());
    drive(pool, job, t, 20);
    CHECK_INT(setrlimit(RLIMIT_NOFILE, &before), 0);
    drive(pool, job, t, 101);
    CHECK_INT(t->kinds[LUAS__KIND_VALUE], 100);
    free(t);
    luas__pool_close(pool);
}

/* ---- many pools ---- */

static void test_a_thousand_pools(void)
{
    for (int i = scaled(1000); i > 0; i--) {
        luas__pool *pool = open_pool(1 + i % 3, serve);
        if (i % 4 != 0)
            check_works(pool, i % 4);
        luas__pool_close(pool);
    }
}

static void test_two_pools_at_once(void)
{
    luas__pool *a = open_pool(2, serve), *b = open_pool(2, serve);
    luas__job *ja = start_job(a, &(luas__policy){0}), *jb = start_job(b, &(luas__policy){0});
    tally *ta = new_tally(), *tb = new_tally();
    for (uint64_t i = 1; i <= 50; i++) {
        feed(a, ja, i % 10 == 0 ? "k" : "echo", 1);
        feed(b, jb, i % 10 == 5 ? "k" : "echo", 1);
        drive(a, ja, ta, i);
        drive(b, jb, tb, i);
    }
    CHECK_INT(ta->kinds[LUAS__KIND_CRASH] + tb->kinds[LUAS__KIND_CRASH], 10);
    luas__pool_close(a);
    check_works(b, 10);
    luas__pool_close(b);
    free(ta);
    free(tb);
}

/* In a child that the application forks the pool is not its to use. */
static void test_a_forked_application(void)
{
    luas__pool *pool = open_pool(2, serve);
    check_works(pool, 10);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        luas__job *job = luas__job_new(&(luas__policy){0});
        int refused = luas__pool_start(pool, job) == LUAS_EFOREIGN
            && luas__pool_step(pool, 0, NULL) == LUAS_EFOREIGN;
        luas__job_free(job);
        luas__pool_abandon(pool, NULL);
        _exit(refused ? 0 : 1);
    }
    int status;
    CHECK_INT(waitpid(child, &status, 0), child);
    CHECK_INT(status, 0);
    check_works(pool, 10);
    CHECK_INT(pool->stats.crashes, 0);
    luas__pool_close(pool);
}

int main(void)
{
    RUN(test_children_ignored_by_the_application);
    RUN(test_children_reaped_by_the_application);
    RUN(test_the_applications_children_are_its_own);
    RUN(test_a_storm_of_signals);
    RUN(test_no_broken_pipe_reaches_the_application);
    RUN(test_signal_handlers_and_mask_stay);
    RUN(test_no_descriptors_to_open_a_pool);
    RUN(test_no_descriptors_to_fork_a_worker);
    RUN(test_fewer_descriptors_than_workers);
    RUN(test_no_descriptors_for_a_replacement);
    RUN(test_a_thousand_pools);
    RUN(test_two_pools_at_once);
    RUN(test_a_forked_application);
}
