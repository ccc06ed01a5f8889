/* Adds jobs to a pool, ends, cancels and frees them. */
#define _GNU_SOURCE
#include "jobs.h"

#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "job_inputs.h"
#include "job_outcomes.h"
#include "journal_job.h"
#include "snapshots.h"
#include "wakes.h"

/* Has it a task for each worker? */
static bool is_broadcast(const luas__job *job)
{
    return (job->policy.flags & LUAS__JOB_EACH) != 0;
}

void luas__jobs_add(luas__pool *p, luas__job *job)
{
    job->id = ++p->last_job;
    p->broadcasts += is_broadcast(job);
    luas__job_move(job, &p->jobs);
    luas__job_place(job, ++p->turns.last);
    luas__job_enqueue(job, &p->ready);
    if (job->policy.deadline > 0) {
        job->wake.deadline = luas__now() + job->policy.deadline;
        luas__wakes_set(p, job);
    }
}

int luas__jobs_look_around(luas__pool *p)
{
    luas__surroundings *before = p->around, *now = luas__surroundings_now(before);
    if (now == NULL)
        return LUAS_ENOMEM;
    p->around = now;
    luas__surroundings_release(before);
    return 0;
}

int luas__jobs_surround(luas__pool *p, luas__job *job)
{
    int rc = luas__jobs_look_around(p);
    if (rc < 0 || job->around == p->around)
        return rc;
    luas__surroundings_release(job->around);
    job->around = luas__surroundings_use(p->around);
    return 0;
}

/* Tells the worker to end after its running task. If that cannot be done now, a later step does
   it. */
static void retire(luas__pool *p, luas__worker *w)
{
    w->retiring = true;
    if (w->state >= LUAS__WORKER_STOPPING || luas__worker_tasks_revoke(w) < 0)
        return;
    if (luas__worker_stop(w, 0) == 0)
        (void)luas__worker_flush(w, &p->poller);
}

/* Workers that keep descriptors of the host for the job end at once: the host may wait for that,
   without a step, when it closes a pipe. */
void luas__jobs_leave_workers(luas__pool *p, const luas__job *job)
{
    bool keeps = job->captured.is_partial || luas__fd_set_next(&job->captured, 0) >= 0;
    for (int i = 0; i < p->nworkers; i++) {
        if (p->workers[i]->snapshot_job != job)
            continue;
        p->workers[i]->snapshot_job = NULL;
        if (keeps && p->workers[i]->pid != 0)
            retire(p, p->workers[i]);
    }
}

static void forget(luas__pool *p, luas__job *job)
{
    for (int i = 0; i < p->nworkers; i++)
        if (p->workers[i]->state < LUAS__WORKER_REAPED)
            luas__worker_tasks_forget(p->workers[i], job->id);
}

void luas__jobs_stop_pumping(luas__pool *p, luas__job *job)
{
    p->pumping.jobs -= job->pumped;
    job->pumped = false;
}

/* A process ends when its task has ended. Its exit status tells whether the task failed. */
static void end_process(luas__pool *p, luas__job *job)
{
    for (int i = 0; i < p->nworkers; i++)
        if (p->workers[i]->process == job && p->workers[i]->state < LUAS__WORKER_REAPED)
            luas__worker_stop(p->workers[i], job->output.failures > 0);
}

/* A job that is over needs its definitions no longer: they may be evicted. */
static void drop_definitions(luas__pool *p, luas__job *job)
{
    for (int i = 0; i < job->ndefinitions; i++)
        luas__definition_drop(&p->definitions, job->definitions[i]);
    free(job->definitions);
    job->definitions = NULL;
    job->ndefinitions = 0;
    job->cap_definitions = 0;
    luas__definition *definition;
    while ((definition = luas__definition_evict(&p->definitions)) != NULL) {
        for (int i = 0; i < p->nworkers; i++)
            if (p->workers[i]->state < LUAS__WORKER_REAPED)
                luas__worker_tasks_drop(p->workers[i], definition->id);
        free(definition);
    }
}

void luas__jobs_done(luas__pool *p, luas__job *job)
{
    if (job->done)
        return;
    luas__wakes_forget(p, job);
    luas__job_outcomes_trim(job);
    job->done = true; /* last: a forked child that sees it may read the inbox */
    luas__snapshots_end(p, job);
    luas__jobs_stop_pumping(p, job);
    forget(p, job);
    drop_definitions(p, job);
    end_process(p, job);
    luas__jobs_leave_workers(p, job);
    p->broadcasts -= is_broadcast(job);
    luas__job_move(job, job->watched ? &p->ended : &p->done);
    p->progress++;
}

void luas__jobs_watch(luas__pool *p, luas__job *job)
{
    if (job->done && !job->watched)
        luas__job_move(job, &p->ended);
    job->watched = true;
}

int64_t luas__jobs_next_ended(luas__pool *p)
{
    luas__job *job = p->ended.first;
    if (job == NULL)
        return 0;
    luas__job_move(job, &p->done);
    return job->id;
}

static void release(luas__job *job)
{
    luas__journal_job_drop(job->seen.journal);
    luas__job_free(job);
}

static void free_job(luas__pool *p, luas__job *job)
{
    for (int i = 0; i < p->nworkers; i++)
        if (p->workers[i]->process == job)
            p->workers[i]->process = NULL;
    luas__wakes_forget(p, job);
    luas__jobs_stop_pumping(p, job);
    forget(p, job);
    drop_definitions(p, job);
    luas__jobs_leave_workers(p, job);
    p->broadcasts -= is_broadcast(job) && !job->done;
    release(job);
}

void luas__jobs_drop(luas__pool *p, luas__job *job)
{
    if (job->dealt == 0) {
        free_job(p, job);
        return;
    }
    job->next_dropped = p->dropped;
    p->dropped = job;
}

void luas__jobs_free_dropped(luas__pool *p)
{
    for (luas__job **at = &p->dropped, *job; (job = *at) != NULL;)
        if (job->dealt == 0) {
            *at = job->next_dropped;
            free_job(p, job);
            p->progress++; /* who waits for all jobs must not wait for another event */
        } else {
            at = &job->next_dropped;
        }
}

static void free_list(luas__job_list *list)
{
    while (list->first != NULL)
        release(list->first);
}

void luas__jobs_free_all(luas__pool *p)
{
    free_list(&p->jobs);
    free_list(&p->ended);
    free_list(&p->done);
}

/* ---- cancelling ---- */

/* As luas__job_outcomes_end_pending, and counts. */
static int end_pending(luas__pool *p, luas__job *job, uint64_t from, uint64_t to,
                       const luas__outcome *as, const char *payload)
{
    uint64_t settled = job->output.settled;
    int rc = luas__job_outcomes_end_pending(job, from, to, as, payload);
    luas__outcome of_all = *as;
    of_all.count = job->output.settled - settled;
    luas__state_count(&p->stats, &of_all);
    p->progress += of_all.count;
    if (luas__events_wanted(&p->events))
        luas__events_unbegun(p, job, of_all.count, of_all.kind);
    return rc;
}

static int cancel_pending(luas__pool *p, luas__job *job, uint64_t from, uint64_t to)
{
    luas__outcome as = {.kind = LUAS__KIND_CANCELLED, .expired = job->expired};
    return end_pending(p, job, from, to, &as, NULL);
}

int luas__jobs_give_up(luas__pool *p, luas__job *job, const luas__outcome *as, const char *payload)
{
    int rc = end_pending(p, job, 0, UINT64_MAX, as, payload);
    if (luas__job_finished(job))
        luas__jobs_done(p, job);
    return rc;
}

static bool is_of(const luas__chunk *c, const luas__job *job, uint64_t from, uint64_t to)
{
    return c->job == job && c->index <= to && c->index + c->count > from;
}

static bool has_any(const luas__worker *w, const luas__job *job, uint64_t from, uint64_t to)
{
    for (int i = 0; i < w->tasks.nchunks; i++)
        if (is_of(&w->tasks.chunks[i], job, from, to))
            return true;
    return false;
}

static bool runs_any(const luas__worker *w, const luas__job *job, uint64_t from, uint64_t to)
{
    const luas__chunk *c = luas__worker_tasks_running(w);
    return c != NULL && c->job == job && c->index >= from && c->index <= to;
}

/* Gives the worker again what is pending of a chunk that it had. */
static int give_again(luas__pool *p, luas__worker *w, const luas__chunk *had)
{
    luas__job *job = had->job;
    luas__range range;
    luas__batch *batch;
    int rc = luas__job_inputs_reserve(job, 2 + (size_t)p->spawn.pending); /* it may come back */
    while (rc == 0 && luas__job_inputs_take_within(job, had->index, had->count, &range, &batch)) {
        rc = luas__worker_tasks_give(w, job, range, batch);
        if (rc < 0)
            luas__job_inputs_return(job, range);
    }
    return rc;
}

static int cancel_in(luas__pool *p, luas__worker *w, luas__job *job, uint64_t from, uint64_t to, bool stops)
{
    int had = w->tasks.nchunks;
    luas__chunk *chunks = malloc((size_t)had * sizeof *chunks);
    if (chunks == NULL)
        return LUAS_ENOMEM;
    memcpy(chunks, w->tasks.chunks, (size_t)had * sizeof *chunks);
    int rc = luas__worker_tasks_revoke(w);
    if (rc == 0)
        rc = cancel_pending(p, job, from, to);
    bool keeps = w->state < LUAS__WORKER_STOPPING && w->deadline.stop_seq == 0
        && !(stops && runs_any(w, job, from, to));
    for (int i = 0; i < had && rc == 0 && keeps; i++)
        rc = give_again(p, w, &chunks[i]);
    free(chunks);
    return rc;
}

int luas__jobs_cancel(luas__pool *p, luas__job *job, uint64_t from, uint64_t to, bool stops)
{
    int rc = 0;
    for (int i = 0; i < p->nworkers && rc == 0; i++)
        if (has_any(p->workers[i], job, from, to))
            rc = cancel_in(p, p->workers[i], job, from, to, stops);
    return rc == 0 ? cancel_pending(p, job, from, to) : rc;
}
