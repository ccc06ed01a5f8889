/* Decides whether a job has many short tasks. */
#define _GNU_SOURCE
#include "concurrency.h"

#include <limits.h>

#include "clock.h"

#define SHORT (LUAS__MS / 20)
#define PATIENCE (10 * LUAS__MS)

/* A job has many tasks if it has this many for each worker. With fewer, all workers get some:
   a caller who asks for more workers than CPUs expects that. */
enum { MANY = 256 };

static bool is_of_many(const luas__pool *p, const luas__job *job)
{
    return job->input.fed >= (uint64_t)MANY * (uint64_t)p->options.workers
        && p->options.workers > 1 && !(job->policy.flags & (LUAS__JOB_EACH | LUAS__JOB_ASYNC));
}

/* Until when to wait for outcomes of the job. While the pool forks it receives none, so forks
   extend that time. */
static int64_t deadline(const luas__pool *p, const luas__job *job)
{
    int64_t heard = job->pace.heard_at, forked = p->spawn.forked_at;
    return (heard > forked ? heard : forked) + PATIENCE;
}

static bool is_known_as_long(const luas__job *job)
{
    return job->pace.steady_ns >= SHORT || luas__pending_first(&job->input.pending)->attempts > 0;
}

static bool is_limited(luas__pool *p, luas__job *job)
{
    if (job->closed || job->input.waiting == 0 || !is_of_many(p, job) || is_known_as_long(job))
        return false;
    if (luas__state_cpus(p) >= p->options.workers)
        return false;
    int64_t now = luas__now();
    if (job->pace.heard_at == 0 || job->pace.heard != job->output.settled)
        job->pace.heard_at = now;
    job->pace.heard = job->output.settled;
    return now < deadline(p, job);
}

bool luas__concurrency_has(const luas__worker *w, const luas__job *job)
{
    for (int i = w->tasks.nchunks; i-- > 0;)
        if (w->tasks.chunks[i].job == job)
            return true;
    return false;
}

static int count_hands(const luas__pool *p, const luas__job *job)
{
    int n = 0;
    for (int i = 0; i < p->nworkers; i++)
        n += luas__concurrency_has(p->workers[i], job);
    return n;
}

void luas__concurrency_begin(luas__pool *p)
{
    p->concurrency.round++;
}

static void limit(luas__pool *p, luas__job *job)
{
    int left = luas__state_cpus(p) - count_hands(p, job);
    job->pace.concurrency = luas__state_cpus(p);
    job->pace.slots_left = left > 0 ? left : 0;
    if (deadline(p, job) < p->concurrency.retry_at)
        p->concurrency.retry_at = deadline(p, job);
}

int luas__concurrency_count_slots(luas__pool *p, luas__job *job)
{
    job->pace.round = p->concurrency.round;
    job->pace.concurrency = 0;
    job->pace.slots_left = INT_MAX;
    if (is_limited(p, job))
        limit(p, job);
    return job->pace.slots_left;
}

int64_t luas__concurrency_retry_at(luas__pool *p)
{
    int64_t at = p->concurrency.retry_at;
    p->concurrency.retry_at = INT64_MAX;
    return at;
}
