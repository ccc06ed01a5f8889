/* Workers that are forked in a row: each has what is its own and nothing of the
   others, whenever they come, and what one that cannot be forked was to do is done. */
#define _GNU_SOURCE
#include "pool_testing.h"

#include <fcntl.h>
#include <sys/resource.h>

#include "fd.h"

enum { WORKERS = 5, MOST_FDS = 40 };

static leftovers before;

static bool is_open(int fd)
{
    return fcntl(fd, F_GETFD) >= 0;
}

/* Not those of valgrind, which are above. */
static leftovers count_own(void)
{
    leftovers own = {.shared = count_shared()};
    for (int fd = 0; fd < 1000; fd++)
        own.descriptors += is_open(fd);
    return own;
}

/* A worker has two pipes, a scoreboard and a slot more than the host had without a pool. */
static int serve_with_its_own(void *host, luas__channel *c)
{
    leftovers now = count_own();
    if (now.descriptors == before.descriptors + 2 && now.shared == before.shared + 2)
        return serve(host, c);
    fprintf(stderr, "a worker has %d descriptors more than the host had, and %d shared pieces\n",
            now.descriptors - before.descriptors, now.shared - before.shared);
    return 97;
}

static luas__pool *open_counted(luas__output_mode output)
{
    luas__pool *pool;
    before = count_own();
    CHECK_INT(luas__pool_open(&pool, &(luas__pool_options){
        .workers = WORKERS, .main = serve_with_its_own, .output = output}), 0);
    return pool;
}

/* So long that each has one to do; those that are killed are replaced. */
static void check_each(luas__pool *pool, const char *kind, uint64_t values)
{
    luas__job *job = start_job(pool, &(luas__policy){.chunk = 1});
    feed(pool, job, "s20", WORKERS);
    feed(pool, job, kind, WORKERS);
    tally *t = finish(pool, job);
    for (int i = 1; i <= 2 * WORKERS; i++)
        CHECK(t->kind[i] != LUAS__KIND_CRASH || WTERMSIG(t->status[i]) == SIGKILL);
    CHECK_INT(t->kinds[LUAS__KIND_VALUE], values);
    CHECK_INT(t->total, 2 * WORKERS);
    free(t);
}

static void test_each_has_its_own_and_no_more(void)
{
    static const luas__output_mode modes[] = {LUAS__OUTPUT_INHERIT, LUAS__OUTPUT_CAPTURE};
    for (int i = 0; i < 2; i++) {
        luas__pool *pool = open_counted(modes[i]);
        check_each(pool, "k", WORKERS);
        check_each(pool, "s20", 2 * WORKERS);
        CHECK(pool->stats.forks > WORKERS);
        luas__pool_close(pool);
        CHECK_INT(count_own().descriptors, before.descriptors);
        CHECK_INT(count_own().shared, before.shared);
    }
}

static void test_populated_at_once(void)
{
    luas__pool *pool = open_counted(LUAS__OUTPUT_INHERIT);
    CHECK_INT(luas__pool_populate(pool, NULL), 0);
    CHECK_INT(pool->nworkers, WORKERS);
    CHECK_INT(pool->spawn.pending, 0);
    check_each(pool, "s20", 2 * WORKERS);
    CHECK_INT(pool->stats.forks, WORKERS);
    luas__pool_close(pool);
}

/* More than are forked in one go. */
static void test_a_hundred_at_once(void)
{
    enum { MANY = 100 };
    luas__pool *pool = open_pool(MANY, serve);
    luas__job *job = start_job(pool, &(luas__policy){.flags = LUAS__JOB_EACH, .chunk = 1});
    feed(pool, job, "s100", MANY);
    tally *t = finish(pool, job);
    CHECK_INT(t->kinds[LUAS__KIND_VALUE], MANY);
    CHECK_INT(pool->stats.forks, MANY);
    free(t);
    for (int i = 0; i < MANY; i++)
        CHECK_INT(pool->workers[i]->number, i + 1);
    luas__pool_close(pool);
}

static void await_end(luas__pool *pool, uint32_t serial)
{
    for (int i = 0; i < pool->nworkers; i++)
        while (i < pool->nworkers && pool->workers[i]->serial == serial)
            CHECK(luas__pool_step(pool, LUAS__SECOND, NULL) >= 0);
}

/* The lowest that nobody has, below 64 and above. */
static void test_who_comes_has_the_number_of_one_that_left(void)
{
    enum { MANY = 70 };
    const int left[] = {66, 3};
    luas__pool *pool = open_pool(MANY, serve);
    CHECK_INT(luas__pool_populate(pool, NULL), 0);
    for (int i = 0; i < 2; i++) {
        luas__worker *w = pool->workers[left[i] - 1];
        CHECK_INT(w->number, left[i]);
        kill(w->pid, SIGKILL);
        await_end(pool, w->serial);
        CHECK_INT(luas__pool_populate(pool, NULL), 0);
        CHECK_INT(pool->workers[MANY - 1]->number, left[i]);
    }
    luas__pool_close(pool);
}

/* Before they are forked they need more descriptors than there are. */
static void test_where_descriptors_run_out(void)
{
    enum { MANY = 32, FOR_EACH = 6 };
    struct rlimit usual, few;
    CHECK_INT(getrlimit(RLIMIT_NOFILE, &usual), 0);
    for (int populates = 0; populates < 2; populates++) {
        luas__pool *pool;
        CHECK_INT(luas__pool_open(&pool, &(luas__pool_options){
            .workers = MANY, .main = serve, .output = LUAS__OUTPUT_TAG, .label = "of many"}), 0);
        luas__job *job = start_job(pool, &(luas__policy){.flags = LUAS__JOB_EACH, .chunk = 1});
        feed(pool, job, "e", MANY);
        int lowest = dup(STDERR_FILENO);
        few = usual;
        few.rlim_cur = (rlim_t)lowest + FOR_EACH * MANY + 12;
        luas__fd_close(&lowest);
        CHECK_INT(setrlimit(RLIMIT_NOFILE, &few), 0);
        CHECK_INT(populates ? luas__pool_populate(pool, NULL) : 0, 0);
        tally *t = finish(pool, job);
        CHECK_INT(t->kinds[LUAS__KIND_VALUE], MANY);
        CHECK_INT(pool->stats.forks, MANY);
        free(t);
        luas__pool_close(pool);
        CHECK_INT(setrlimit(RLIMIT_NOFILE, &usual), 0);
    }
}

/* What a library maps in a child, by a handler, may lie anywhere. */
static bool maps;
static char *mapped;

static void map_in_child(void)
{
    if (maps)
        mapped = mmap(NULL, 8 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static int serve_with_what_is_mapped(void *host, luas__channel *c)
{
    if (mapped == NULL || mapped == MAP_FAILED)
        return 97;
    memset(mapped, 1, 8 << 20);
    return serve(host, c);
}

static void test_a_child_unmaps_what_it_shares_and_no_more(void)
{
    CHECK_INT(pthread_atfork(NULL, NULL, map_in_child), 0);
    maps = true;
    luas__pool *pool = open_pool(WORKERS, serve_with_what_is_mapped);
    check_each(pool, "s20", 2 * WORKERS);
    luas__pool_close(pool);
    maps = false;
}

/* ---- what a child closes ---- */

/* Any of them, in any order, some of them missing. */
static void close_some(int first, uint64_t *seed)
{
    bool given[MOST_FDS] = {false};
    luas__fd_closing closing = LUAS__FD_CLOSING_INIT;
    uint32_t run = draw(seed, 5);
    for (int i = 0; i < MOST_FDS; i++) {
        int fd = draw(seed, 10) < 2 * run ? i : (int)draw(seed, MOST_FDS);
        if (given[fd] || draw(seed, 3) == 0)
            continue;
        given[fd] = true;
        luas__fd_closing_add(&closing, draw(seed, 20) == 0 ? (given[fd] = false, -1) : first + fd);
    }
    luas__fd_closing_end(&closing);
    for (int fd = 0; fd < MOST_FDS; fd++)
        CHECK(is_open(first + fd) != given[fd]);
}

static void test_closes_what_it_is_given(void)
{
    enum { FIRST = 100 };
    uint64_t seed = 1;
    for (int round = 0; round < scaled(400); round++) {
        for (int fd = FIRST; fd < FIRST + MOST_FDS; fd++)
            CHECK(is_open(fd) || dup2(STDERR_FILENO, fd) == fd);
        close_some(FIRST, &seed);
    }
    for (int fd = FIRST; fd < FIRST + MOST_FDS; fd++)
        close(fd);
}

/* ---- what inheriting costs ---- */

static void inherit(luas__pool *pool)
{
    luas__job *job = start_job(pool, &(luas__policy){.flags = LUAS__JOB_INHERIT});
    CHECK_INT(luas__pool_inherit(pool, job, 1, 1, NULL), 0);
    feed(pool, job, "echo", 1);
    tally *t = finish(pool, job);
    CHECK_INT(t->kinds[LUAS__KIND_VALUE], 1);
    free(t);
}

static void test_the_first_workers_say_what_inheriting_costs(void)
{
    luas__pool *pool = open_pool(2, serve);
    CHECK_INT(luas__pool_inherit_cost(pool), 0);
    check_works(pool, 10);
    CHECK(luas__pool_inherit_cost(pool) > 0);
    luas__pool_close(pool);
}

static void test_those_that_have_waited_do_not(void)
{
    luas__pool *pool = open_pool(2, serve);
    CHECK_INT(luas__pool_populate(pool, NULL), 0);
    check_works(pool, 10);
    CHECK_INT(luas__pool_inherit_cost(pool), 0);
    luas__pool_close(pool);
}

static void test_one_that_takes_long_counts_little(void)
{
    luas__pool *pool = open_pool(2, serve);
    pool->scaling.inherit_cost = 1000;
    inherit(pool);
    CHECK_INT(pool->scaling.inherit_cost, 1750);
    pool->scaling.inherit_cost = INT64_MAX / 4;
    inherit(pool);
    CHECK(pool->scaling.inherit_cost < 100 * LUAS__SECOND);
    luas__pool_close(pool);
}

static void test_a_cost_seen_long_ago_is_given_as_less(void)
{
    luas__pool *pool = open_pool(2, serve);
    pool->scaling.inherit_cost = LUAS__SECOND;
    pool->scaling.cost_seen_at = luas__now_coarse() - LUAS__SECOND;
    CHECK(luas__pool_inherit_cost(pool) <= LUAS__SECOND / 5);
    pool->scaling.cost_seen_at = luas__now_coarse();
    CHECK(luas__pool_inherit_cost(pool) > LUAS__SECOND / 5);
    luas__pool_close(pool);
}

int main(void)
{
    RUN(test_each_has_its_own_and_no_more);
    RUN(test_populated_at_once);
    RUN(test_a_hundred_at_once);
    RUN(test_who_comes_has_the_number_of_one_that_left);
    RUN(test_where_descriptors_run_out);
    RUN(test_a_child_unmaps_what_it_shares_and_no_more);
    RUN(test_closes_what_it_is_given);
    RUN(test_the_first_workers_say_what_inheriting_costs);
    RUN(test_those_that_have_waited_do_not);
    RUN(test_one_that_takes_long_counts_little);
    RUN(test_a_cost_seen_long_ago_is_given_as_less);
}
