/* Which jobs are kept to as many workers as there are CPUs, and for how long. */
#include <limits.h>

#include "clock.h"
#include "concurrency.h"
#include "job_inputs.h"
#include "pool_testing.h"

enum { WORKERS = 64, CPUS = 2, MANY = 256 * WORKERS };

static int do_nothing(void *host, luas__channel *channel)
{
    (void)host;
    (void)channel;
    return 0;
}

/* A job as it is when the last outcome came just now, seen from the far
   future, so that a slow machine makes no difference. */
static luas__job *start_heard(luas__pool *p, const luas__policy *policy, uint64_t count,
                              double steady_ns)
{
    luas__job *job = start_job(p, policy);
    CHECK_INT(luas__job_inputs_feed_inherited(job, count), 0);
    job->pace.steady_ns = steady_ns;
    job->pace.heard_at = INT64_MAX / 2;
    return job;
}

static int openings(const luas__policy *policy, uint64_t count, double steady_ns)
{
    luas__pool *p = open_pool(WORKERS, do_nothing);
    p->cpus = CPUS;
    luas__job *job = start_heard(p, policy, count, steady_ns);
    luas__concurrency_begin(p);
    int n = luas__concurrency_slots(p, job);
    CHECK_INT(job->pace.concurrency, n == INT_MAX ? 0 : CPUS);
    luas__pool_close(p);
    return n;
}

static void test_many_short_tasks_have_as_many_workers_as_cpus(void)
{
    CHECK_INT(openings(&(luas__policy){0}, MANY, 0), CPUS);
    CHECK_INT(openings(&(luas__policy){0}, MANY, 1000), CPUS);
    CHECK_INT(openings(&(luas__policy){.chunk = 1}, MANY, 1000), CPUS);
}

static void test_others_have_all(void)
{
    CHECK_INT(openings(&(luas__policy){0}, MANY, LUAS__MS), INT_MAX);
    CHECK_INT(openings(&(luas__policy){0}, MANY - 1, 1000), INT_MAX);
    CHECK_INT(openings(&(luas__policy){.flags = LUAS__JOB_EACH}, MANY, 1000), INT_MAX);
    CHECK_INT(openings(&(luas__policy){.flags = LUAS__JOB_ASYNC}, MANY, 1000), INT_MAX);
}

static void test_a_job_that_is_silent_has_all(void)
{
    luas__pool *p = open_pool(WORKERS, do_nothing);
    p->cpus = CPUS;
    luas__job *job = start_heard(p, &(luas__policy){0}, MANY, 0);
    job->pace.heard_at = luas__now() - LUAS__SECOND;
    luas__concurrency_begin(p);
    CHECK_INT(luas__concurrency_slots(p, job), INT_MAX);
    CHECK_INT(luas__concurrency_retry_at(p), INT64_MAX);
    job->output.settled = 1; /* and when it is heard of again, no more than before */
    luas__concurrency_begin(p);
    CHECK_INT(luas__concurrency_slots(p, job), CPUS);
    CHECK(luas__concurrency_retry_at(p) > luas__now() - LUAS__SECOND);
    luas__pool_close(p);
}

static void test_workers_that_have_it_keep_it(void)
{
    luas__pool *p = open_pool(WORKERS, do_nothing);
    p->cpus = CPUS;
    luas__job *job = start_heard(p, &(luas__policy){0}, MANY, 0);
    luas__worker with = {.tasks = {.nchunks = 1, .chunks = &(luas__chunk){.job = job}}}, without = {0};
    luas__worker *workers[] = {&without, &with};
    p->workers = workers;
    p->nworkers = 2;
    luas__concurrency_begin(p);
    CHECK_INT(luas__concurrency_slots(p, job), CPUS - 1);
    CHECK(luas__concurrency_has(&with, job));
    CHECK(!luas__concurrency_has(&without, job));
    p->workers = NULL;
    p->nworkers = 0;
    luas__pool_close(p);
}

int main(void)
{
    RUN(test_many_short_tasks_have_as_many_workers_as_cpus);
    RUN(test_others_have_all);
    RUN(test_a_job_that_is_silent_has_all);
    RUN(test_workers_that_have_it_keep_it);
}
