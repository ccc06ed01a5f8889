/* Deaths of workers. */
#define _GNU_SOURCE
#include "reap.h"

#include "error.h"
#include "jobs.h"
#include "receive.h"
#include "settle.h"
#include "snapshots.h"
#include "starts.h"

/* The chunk whose first task is to blame for the worker's death, or NULL. It is the task that
   was running: claimed, without an answer. If none was running, the first task of the worker
   is to blame in some cases: it is the only task of a process, it was asked to stop, its input
   exceeds the memory limit, or several workers have died before they began this job. */
static const luas__chunk *culprit(const luas__pool *p, const luas__worker *w)
{
    const luas__chunk *running = luas__worker_tasks_running(w);
    bool came_to_tasks = w->ready || !p->options.has_init;
    bool doomed = w->tasks.nchunks > 0
        && (w->process != NULL || (w->over_memory && came_to_tasks) || w->deadline.stop_seq != 0
            || w->tasks.chunks[0].job->failed_starts > LUAS__MOST_FAILED_STARTS);
    return running == NULL && doomed ? &w->tasks.chunks[0] : running;
}

/* More than one only after a worker's words were not understood: what it
   started since then may have been answered, but nobody knows. */
static int settle_culprits(luas__pool *p, luas__worker *w)
{
    const luas__chunk *c;
    int rc = 0;
    while (rc == 0 && (c = culprit(p, w)) != NULL) {
        bool stopped = w->deadline.stop_seq != 0 && w->deadline.stop_seq == c->seq;
        rc = luas__settle_task(p, w, stopped ? w->deadline.stop_kind : LUAS__KIND_CRASH, NULL, w->child.status);
        if (rc == 0)
            w->over_memory = false; /* the others were not at fault */
    }
    return rc;
}

static void note_process_end(luas__worker *w)
{
    if (w->process == NULL)
        return;
    w->process->process_status = w->child.status;
    w->process->process_gone = true;
}

/* Too many deaths without any work done are no accident. */
static void consider_failed_start(luas__pool *p, const luas__worker *w)
{
    static const char words[] = "workers end before they run anything";
    if (w->told_to_stop || p->options.has_init || w->tasks.served > 0
        || luas__worker_tasks_started(w) > 0)
        p->health.failed_starts = 0;
    else if (++p->health.failed_starts > LUAS__MOST_FAILED_STARTS * p->options.workers + 10)
        luas__state_break(p, LUAS_EBROKEN, words, sizeof words - 1);
}

static bool reap(luas__pool *p, luas__worker *w)
{
    if (w->state < LUAS__WORKER_REAPED && luas__child_reap(&w->child)) {
        w->state = LUAS__WORKER_REAPED;
        luas__poller_remove(&p->poller, w->child.watch);
        luas__child_release(&w->child);
    }
    return w->state >= LUAS__WORKER_REAPED;
}

/* A worker that had all it was sent and died before it began a task may have
   died of the job's definition: gives a job of which several have. */
static luas__job *count_failed_start(const luas__pool *p, luas__worker *w)
{
    if (w->tasks.nchunks == 0 || w->link.out.len > 0 || w->told_to_stop || luas__worker_tasks_running(w) != NULL
        || (p->options.has_init && !w->ready))
        return NULL;
    luas__job *job = w->tasks.chunks[0].job;
    job->failed_starts += !w->counted;
    w->counted = true; /* asked again where there was no memory */
    return job->failed_starts > LUAS__MOST_FAILED_STARTS ? job : NULL;
}

/* Its first task has the crash; the others would have the same, unless they are
   calls, which have no definition. */
static int give_up_job(luas__pool *p, luas__job *job)
{
    if (job->policy.flags & LUAS__JOB_CALL)
        return 0;
    int rc = luas__jobs_cancel(p, job, 0, UINT64_MAX, false);
    if (luas__job_finished(job))
        luas__jobs_done(p, job);
    return rc;
}

/* Also called again by the clock, after there was no memory for it. */
int luas__reap_worker(luas__pool *p, luas__worker *w)
{
    if (w->state == LUAS__WORKER_ENDED || !reap(p, w))
        return 0;
    int rc = luas__receive_all(p, w);
    luas__job *guilty = rc == 0 ? count_failed_start(p, w) : NULL;
    if (rc == 0)
        rc = settle_culprits(p, w);
    if (rc == 0)
        rc = luas__worker_tasks_revoke(w);
    if (rc == 0 && guilty != NULL)
        rc = give_up_job(p, guilty);
    if (rc == 0)
        rc = luas__starts_ended(p, w);
    if (rc < 0)
        return rc;
    consider_failed_start(p, w);
    note_process_end(w);
    if (luas__events_wanted(&p->events))
        luas__events_died(p, w);
    w->state = LUAS__WORKER_ENDED;
    p->progress++;
    return 0;
}

void luas__reap_free(luas__pool *p)
{
    int kept = 0;
    for (int i = 0; i < p->nworkers; i++) {
        luas__worker *w = p->workers[i];
        if (w->state == LUAS__WORKER_ENDED)
            luas__worker_close(w, &p->poller);
        else
            p->workers[kept++] = w;
    }
    p->nworkers = kept;
    luas__snapshots_free(p);
}
