/*
 * Forks beside pools that other threads use: whoever forks, a child finds every pool
 * at rest, its lock free, and has no descriptor but its own. Nobody waits for good.
 */
#define _GNU_SOURCE
#include "atfork.h"

#include <fcntl.h>

#include "pool_testing.h"

enum { MOST_FDS = 300, POOLS = 3 };

static bool was_open[MOST_FDS];     /* before there were pools */

static bool is_open(int fd)
{
    return fcntl(fd, F_GETFD) >= 0;
}

static void note_open(void)
{
    for (int fd = 0; fd < MOST_FDS; fd++)
        was_open[fd] = is_open(fd);
}

/* In a child: has it what there was, these two, and no more? */
static bool has_only(int in, int out)
{
    for (int fd = 0; fd < MOST_FDS; fd++)
        if (is_open(fd) != (was_open[fd] || fd == in || fd == out)) {
            fprintf(stderr, "%s: a child has %d %s\n", running_test, fd,
                    is_open(fd) ? "open" : "closed");
            return false;
        }
    return true;
}

/* What a thread is about to change is not to be seen half changed. */
static _Atomic int half_changed;

static int serve_whole(void *host, luas__channel *c)
{
    return has_only(c->in, c->out) && !half_changed ? serve(host, c) : 97;
}

static int status_of(pid_t child)
{
    int status = -1;
    CHECK(child > 0);
    CHECK_INT(waitpid(child, &status, 0), child);
    return status;
}

static pthread_t start_thread(void *(*main)(void *), void *arg)
{
    pthread_t thread;
    CHECK_INT(pthread_create(&thread, NULL, main, arg), 0);
    return thread;
}

static void join(pthread_t thread)
{
    CHECK_INT(pthread_join(thread, NULL), 0);
}

static void check_values(tally *t, uint64_t values)
{
    CHECK_INT(t->kinds[LUAS__KIND_VALUE], values);
    free(t);
}

/* ---- what is at rest ---- */

static void *change(void *arg)
{
    luas__pool *pool = arg;
    for (int i = 0; i < 5; i++) {
        pthread_mutex_lock(&pool->lock);
        half_changed = 1;
        sleep_ms(20);
        half_changed = 0;
        pthread_mutex_unlock(&pool->lock);
        sleep_ms(1);
    }
    return NULL;
}

static void await_change(void)
{
    for (int i = 0; i < 1000 && !half_changed; i++)
        sleep_ms(1);
}

static void test_a_fork_waits_for_who_changes_a_pool(void)
{
    luas__pool *changed = open_pool(1, serve), *other = open_pool(2, serve_whole);
    pthread_t thread = start_thread(change, changed);
    await_change();
    CHECK_INT(luas__pool_populate(other, NULL), 0);
    await_change();
    luas__job *job = start_job(other, &(luas__policy){.chunk = 1, .flags = LUAS__JOB_INHERIT});
    CHECK_INT(luas__pool_inherit(other, job, 1, 1, NULL), 0);
    await_change();
    luas__pool_snapshot(other, job, NULL);
    feed(other, job, "k", 1);
    feed(other, job, "echo", 1);
    check_values(finish(other, job), 1);
    await_change();
    pid_t child = fork();
    if (child == 0)
        _exit(half_changed);
    CHECK_INT(status_of(child), 0);
    join(thread);
    luas__pool_close(other);
    luas__pool_close(changed);
}

/* It never gives the lock back while others fork. */
static void *hold(void *arg)
{
    luas__pool *pool = arg;
    pthread_mutex_lock(&pool->lock);
    half_changed = 1;
    while (half_changed)
        sleep_ms(1);
    pthread_mutex_unlock(&pool->lock);
    return NULL;
}

/* Its copy is usable as far as its lock goes, but keeps its descriptors. */
static void test_a_pool_that_does_not_rest_is_not_waited_for(void)
{
    static luas__pool *pool; /* or children seem to leak it */
    pool = open_pool(1, serve);
    pthread_t thread = start_thread(hold, pool);
    await_change();
    int64_t began = luas__now();
    pid_t child = fork();
    if (child == 0) {
        luas__atfork_abandon_all();
        luas__pool_abandon(pool, NULL);
        bool usable = pthread_mutex_trylock(&pool->lock) == 0;
        _exit(!usable || !is_open(pool->poller.fd));
    }
    CHECK_INT(status_of(child), 0);
    for (int i = 0; i < 20; i++)
        if ((child = fork()) == 0)
            _exit(0);
        else
            CHECK_INT(status_of(child), 0);
    CHECK(luas__now() - began < 60 * LUAS__SECOND);
    half_changed = 0;
    join(thread);
    check_works(pool, 3);
    luas__pool_close(pool);
}

/* ---- all at once ---- */

static _Atomic bool over;

/* Workers that come and go, while the library's thread has them work. */
static void run_pumped(luas__pool *pool, int tasks)
{
    luas__job *job = start_job(pool, &(luas__policy){.chunk = 1});
    feed(pool, job, "s1", (uint32_t)tasks);
    luas__pool_seal(pool, job);
    CHECK(luas__pool_step(pool, 0, NULL) >= 0);
    CHECK_INT(luas__pool_pump(pool, job), 0);
    sleep_ms(2);
    check_values(finish(pool, job), (uint64_t)tasks);
}

/* Of which a zygote forks the second, in the library's thread. */
static void run_kept(luas__pool *pool)
{
    luas__job *job = start_job(pool, &(luas__policy){.chunk = 1, .flags = LUAS__JOB_INHERIT});
    CHECK_INT(luas__pool_inherit(pool, job, 1, 1, NULL), 0);
    luas__pool_snapshot(pool, job, NULL);
    feed(pool, job, "k", 1);
    feed(pool, job, "echo", 2);
    luas__pool_seal(pool, job);
    CHECK(luas__pool_step(pool, 0, NULL) >= 0);
    CHECK_INT(luas__pool_pump(pool, job), 0);
    check_values(finish(pool, job), 2);
}

static void *use_pools(void *unused)
{
    (void)unused;
    while (!over) {
        luas__pool *pool;
        CHECK_INT(luas__pool_open(&pool, &(luas__pool_options){
            .workers = 2, .main = serve_whole, .max_tasks = 1}), 0);
        run_pumped(pool, 8);
        run_kept(pool);
        luas__pool_close(pool);
    }
    return NULL;
}

/* The application's own: a child that closes the pools and has one of its own. */
static int live_on(void)
{
    luas__atfork_abandon_all();
    if (!has_only(-1, -1))
        return 96;
    luas__pool *pool = open_pool(1, serve_whole);
    check_works(pool, 1);
    luas__pool_close(pool);
    return has_only(-1, -1) ? 0 : 95;
}

static void fork_application(void)
{
    pid_t child = fork();
    if (child == 0)
        _exit(live_on());
    CHECK_INT(status_of(child), 0);
}

static void test_threads_fork_and_close_pools_at_once(void)
{
    pthread_t threads[POOLS];
    int64_t end = luas__now() + scaled(1000) * LUAS__MS;
    over = false;
    for (int i = 0; i < POOLS; i++)
        threads[i] = start_thread(use_pools, NULL);
    do
        fork_application();
    while (luas__now() < end);
    over = true;
    for (int i = 0; i < POOLS; i++)
        join(threads[i]);
}

/* ---- forks in an application with handlers ---- */

static _Atomic int inner;           /* forks of handlers that are still to be made */
static pthread_mutex_t above = PTHREAD_MUTEX_INITIALIZER;

static void fork_inside(void)
{
    if (atomic_fetch_sub(&inner, 1) <= 0)
        return;
    pid_t child = fork();
    if (child == 0)
        _exit(0);
    CHECK_INT(status_of(child), 0);
}

/* Before the library's, so that these hold the locks meanwhile. */
__attribute__((constructor(101))) static void register_first(void)
{
    if (pthread_atfork(NULL, fork_inside, fork_inside) != 0)
        abort();
}

static void test_a_handler_forks(void)
{
    luas__pool *pools[] = {open_pool(1, serve_whole), open_pool(1, serve_whole)};
    for (int i = 0; i < 4; i++) {
        inner = i < 2 ? 1 : 2; /* in the parent, or first in the child */
        check_works(pools[i % 2], 1);
        fork_application();
        inner = 0;
        check_works(pools[i % 2], 1);
        CHECK_INT(pthread_mutex_trylock(&pools[0]->lock), 0);
        pthread_mutex_unlock(&pools[0]->lock);
    }
    luas__pool_close(pools[0]);
    luas__pool_close(pools[1]);
}

static void lock_above(void)
{
    pthread_mutex_lock(&above);
}

static void unlock_above(void)
{
    pthread_mutex_unlock(&above);
}

/* With a lock of its own that its handlers take, too. */
static void *use_pool_below(void *unused)
{
    (void)unused;
    luas__pool *pool = open_pool(1, serve);
    while (!over) {
        pthread_mutex_lock(&above);
        luas__pool_stop(pool);
        pthread_mutex_unlock(&above);
        sched_yield();
    }
    luas__pool_close(pool);
    return NULL;
}

static void test_handlers_with_locks_of_their_own(void)
{
    luas__pool *pool = open_pool(2, serve);
    over = false;
    CHECK_INT(pthread_atfork(lock_above, unlock_above, unlock_above), 0);
    pthread_t thread = start_thread(use_pool_below, NULL);
    for (int i = 0; i < scaled(40); i++) {
        luas__job *job = start_job(pool, &(luas__policy){.chunk = 1});
        feed(pool, job, "k", 2);
        free(finish(pool, job));
        fork_application();
    }
    over = true;
    join(thread);
    luas__pool_close(pool);
}

int main(void)
{
    note_open();
    alarm(100);
    RUN(test_a_handler_forks);
    RUN(test_a_fork_waits_for_who_changes_a_pool);
    RUN(test_a_pool_that_does_not_rest_is_not_waited_for);
    if (!under_valgrind()) /* for which a child has lost what only another thread knew */
        RUN(test_threads_fork_and_close_pools_at_once);
    RUN(test_handlers_with_locks_of_their_own);
}
