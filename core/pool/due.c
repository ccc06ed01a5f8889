/* Held tasks and deadlines. */
#define _GNU_SOURCE
#include "due.h"

#include "cancel.h"
#include "clock.h"
#include "job_inputs.h"
#include "wakes.h"

/* A held task becomes pending. */
static int release(luas__job *job, const luas__range *task)
{
    int rc = luas__job_inputs_again(job, *task);
    if (rc == 0)
        luas__held_remove(&job->input.held, task);
    return rc;
}

static int expire(luas__pool *p, luas__job *job)
{
    job->expired = !job->halt.stops;
    int rc = luas__cancel_tasks(p, job, 0, UINT64_MAX);
    if (rc == 0)
        job->wake.deadline = 0;
    return rc;
}

static int wake(luas__pool *p, luas__job *job, int64_t now)
{
    const luas__range *task;
    int rc = 0;
    while (rc == 0 && (task = luas__held_due(&job->input.held, now)) != NULL)
        rc = release(job, task);
    if (job->input.limit != NULL)
        luas__job_inputs_release_due(job);
    if (rc == 0 && job->wake.deadline != 0 && job->wake.deadline <= now)
        rc = expire(p, job);
    luas__wakes_set(p, job);
    return rc;
}

int luas__due_run(luas__pool *p)
{
    luas__job *job;
    int rc = 0;
    if (p->wakes.root == NULL)
        return 0;
    int64_t now = luas__now();
    while (rc == 0 && (job = luas__wakes_due(p, now)) != NULL)
        rc = wake(p, job, now);
    return rc;
}
