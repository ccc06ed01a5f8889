/* Cancelling tasks that run. */
#define _GNU_SOURCE
#include "cancel.h"

#include "deadlines.h"
#include "jobs.h"
#include "receive.h"

static void stop_running(luas__pool *p, const luas__job *job, uint64_t from, uint64_t to)
{
    for (int i = 0; i < p->nworkers; i++) {
        luas__receive_catch_up(p, p->workers[i]);
        const luas__chunk *c = luas__worker_tasks_running(p->workers[i]);
        if (c != NULL && c->job == job && c->index >= from && c->index <= to)
            luas__deadlines_stop_task(p, p->workers[i], LUAS__KIND_CANCELLED);
    }
}

int luas__cancel_tasks(luas__pool *p, luas__job *job, uint64_t from, uint64_t to)
{
    int rc = luas__jobs_cancel(p, job, from, to, true);
    stop_running(p, job, from, to);
    if (luas__job_finished(job))
        luas__jobs_done(p, job);
    return rc;
}
