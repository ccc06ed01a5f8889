/* Ends a job after too many failures. */
#define _GNU_SOURCE
#include "halt.h"

#include "clock.h"
#include "jobs.h"
#include "wakes.h"

static bool is_due(const luas__job *job)
{
    const luas__policy *policy = &job->policy;
    uint64_t failures = job->output.failures;
    if (policy->halt.n > 0 && failures >= policy->halt.n)
        return true;
    return policy->halt.percent > 0 && failures > 0 && job->input.sealed
        && 100.0 * (double)failures >= policy->halt.percent * (double)job->input.fed;
}

/* What runs is stopped as at a deadline (due.h): here the worker that failed may be in use. */
static void stop_soon(luas__pool *p, luas__job *job)
{
    job->halt.stops = true;
    job->wake.deadline = luas__now();
    luas__wakes_set(p, job);
}

void luas__halt_look(luas__pool *p, luas__job *job)
{
    if (!job->halt.reached && !is_due(job))
        return;
    job->halt.reached = true;
    luas__jobs_cancel(p, job, 0, UINT64_MAX, false);
    if (job->policy.halt.now && !job->halt.stops && !luas__job_finished(job))
        stop_soon(p, job);
}
