/*
 * Spreading: how many workers a job is dealt to. All, but for many short
 * tasks: these have no time to wait for anything, so that more workers than
 * CPUs would only take turns, and each would have to be forked, woken and told
 * what to do. Before some tasks have ended their job is taken for one of
 * these; a job of which nothing is heard for a while has all workers again, and
 * so has one that may go on where none can be forked.
 */
#define _GNU_SOURCE
#include "pool.h"

#include <limits.h>

#include "clock.h"
#include "cpus.h"

#define SHORT (LUAS__MS / 20)
#define PATIENCE (10 * LUAS__MS)

/* Tasks for each worker. With fewer, all workers get some, as a caller with more
   workers than CPUs expects. */
enum { MANY = 256 };

static bool is_of_many(const luas__pool *p, const luas__job *job)
{
    return job->input.fed >= (uint64_t)MANY * (uint64_t)p->options.workers
        && p->options.workers > 1 && !(job->policy.flags & (LUAS__JOB_EACH | LUAS__JOB_ASYNC));
}

/* Until when to wait for word of it: while the pool forks it hears nothing. */
static int64_t deadline(const luas__pool *p, const luas__job *job)
{
    return (job->pace.heard_at > p->spawn.forked_at ? job->pace.heard_at : p->spawn.forked_at) + PATIENCE;
}

static bool is_known_as_long(const luas__job *job)
{
    return job->pace.steady_ns >= SHORT || job->input.pending[job->input.npending - 1].attempts > 0;
}

static bool is_limited(luas__pool *p, luas__job *job)
{
    if (job->closed || job->input.waiting == 0 || !is_of_many(p, job) || is_known_as_long(job))
        return false;
    if (p->cpus == 0)
        p->cpus = luas__cpus_count();
    if (p->cpus >= p->options.workers)
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

void luas__concurrency_update(luas__pool *p)
{
    for (luas__job *job = p->jobs; job != NULL; job = job->next) {
        job->pace.concurrency = is_limited(p, job) ? p->cpus : 0;
        int hands = job->pace.concurrency > 0 ? count_hands(p, job) : 0;
        job->pace.slots_left = job->pace.concurrency == 0 ? INT_MAX : job->pace.concurrency > hands ? job->pace.concurrency - hands : 0;
    }
}

int64_t luas__concurrency_retry_at(const luas__pool *p)
{
    int64_t end = INT64_MAX;
    for (const luas__job *job = p->jobs; job != NULL; job = job->next)
        if (job->pace.concurrency > 0 && deadline(p, job) < end)
            end = deadline(p, job);
    return end;
}
