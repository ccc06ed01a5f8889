/* Opening and closing pools, jobs in and out, and the step that drives it. */
#define _GNU_SOURCE
#include "pool.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "clock.h"
#include "error.h"

enum { MOST_EVENTS = 64 };

int luas__pool_open(luas__pool **pool, const luas__pool_options *options)
{
    *pool = NULL;
    luas__pool *p = calloc(1, sizeof *p);
    if (p == NULL)
        return LUAS_ENOMEM;
    p->options = *options;
    int rc = luas__poller_open(&p->poller);
    if (rc < 0) {
        free(p);
        return rc;
    }
    luas__fork_detect_open(&p->fork_detect);
    luas__bulk_open(&p->bulk, options->workers);
    pthread_mutex_init(&p->lock, NULL);
    *pool = p;
    return 0;
}

static void close_workers(luas__pool *p)
{
    for (int i = 0; i < p->nworkers; i++)
        luas__child_signal_group(&p->workers[i]->child, SIGKILL);
    for (int i = 0; i < p->nworkers; i++) {
        luas__child_await(&p->workers[i]->child);
        luas__worker_close(p->workers[i], &p->poller);
    }
    free(p->workers);
}

static void free_jobs(luas__job *job)
{
    while (job != NULL) {
        luas__job *next = job->next;
        luas__job_free(job);
        job = next;
    }
}

void luas__pool_close(luas__pool *p)
{
    luas__pump_end(p);
    luas__snapshots_close(p);
    close_workers(p);
    luas__poller_close(&p->poller);
    free_jobs(p->jobs);
    free_jobs(p->done);
    luas__definition_release_all(&p->definitions);
    luas__buffer_release(&p->health.why);
    luas__buffer_release(&p->health.exit_error);
    pthread_mutex_destroy(&p->lock);
    luas__bulk_close(&p->bulk);
    luas__fork_detect_close(&p->fork_detect);
    free(p);
}

void luas__spawn_close_copies(luas__pool *p, const luas__worker *self)
{
    luas__fd_closing closing = LUAS__FD_CLOSING_INIT;
    luas__poller_abandon(&p->poller, &closing);
    for (int i = 0; i < p->nworkers; i++)
        luas__worker_abandon(p->workers[i], p->workers[i] == self, &closing);
    luas__snapshots_abandon(p, &closing);
    luas__fd_closing_end(&closing);
}

void luas__pool_abandon(luas__pool *p, const luas__worker *self)
{
    if (p->poller.fd < 0)
        return; /* by an earlier fork */
    luas__bulk_keep(&p->bulk, self != NULL ? self->slot : (luas__slot){.bytes = NULL});
    luas__spawn_close_copies(p, self);
}

/* ---- jobs ---- */

static void link_job(luas__job **at, luas__job *job)
{
    job->next = *at;
    job->link = at;
    if (job->next != NULL)
        job->next->link = &job->next;
    *at = job;
}

static void unlink_job(luas__job *job)
{
    *job->link = job->next;
    if (job->next != NULL)
        job->next->link = job->link;
}

int luas__pool_start(luas__pool *p, luas__job *job)
{
    if (!luas__fork_detect_is_here(&p->fork_detect))
        return LUAS_EFOREIGN;
    pthread_mutex_lock(&p->lock);
    int rc = p->health.broken != 0 ? p->health.broken : p->closing ? LUAS_ECLOSED : 0;
    if (rc == 0) {
        luas__job **at = &p->jobs;
        while (*at != NULL && (*at)->policy.priority >= job->policy.priority)
            at = &(*at)->next;
        job->id = ++p->last_job;
        if (p->options.output == LUAS__OUTPUT_CAPTURE)
            job->policy.flags |= LUAS__JOB_CAPTURE;
        link_job(at, job);
    }
    pthread_mutex_unlock(&p->lock);
    return rc;
}

static void forget(luas__pool *p, luas__job *job)
{
    for (int i = 0; i < p->nworkers; i++)
        if (p->workers[i]->state < LUAS__WORKER_REAPED)
            luas__worker_forget(p->workers[i], job->id);
}

static void stop_pumping(luas__pool *p, luas__job *job)
{
    p->pumping.jobs -= job->pumped;
    job->pumped = false;
}

/* A process ends with its task; its exit status says how the task did. */
static void end_process(luas__pool *p, luas__job *job)
{
    for (int i = 0; i < p->nworkers; i++)
        if (p->workers[i]->process == job && p->workers[i]->state < LUAS__WORKER_REAPED)
            luas__worker_stop(p->workers[i], job->output.failures > 0);
}

void luas__jobs_done(luas__pool *p, luas__job *job)
{
    if (job->done)
        return;
    job->done = true;
    luas__snapshots_end(p, job);
    stop_pumping(p, job);
    forget(p, job);
    end_process(p, job);
    unlink_job(job);
    link_job(&p->done, job);
    p->progress++;
}

static void evict_definition(luas__pool *p)
{
    luas__definition *definition;
    while ((definition = luas__definition_evict(&p->definitions)) != NULL) {
        for (int i = 0; i < p->nworkers; i++)
            if (p->workers[i]->state < LUAS__WORKER_REAPED)
                luas__worker_drop(p->workers[i], definition->id);
        free(definition);
    }
}

static void free_job(luas__pool *p, luas__job *job)
{
    for (int i = 0; i < p->nworkers; i++)
        if (p->workers[i]->process == job)
            p->workers[i]->process = NULL;
    stop_pumping(p, job);
    forget(p, job);
    unlink_job(job);
    luas__job_free(job);
    evict_definition(p);
}

static void free_closed(luas__pool *p, luas__job *job)
{
    while (job != NULL) {
        luas__job *next = job->next;
        if (job->closed && job->dealt == 0)
            free_job(p, job);
        job = next;
    }
}

int luas__jobs_revoke(luas__pool *p, const luas__job *job)
{
    int rc = 0;
    for (int i = 0; i < p->nworkers && rc == 0; i++) {
        luas__worker *w = p->workers[i];
        for (int k = 0; k < w->tasks.nchunks; k++)
            if (w->tasks.chunks[k].job == job) {
                rc = luas__worker_revoke(w);
                break;
            }
    }
    return rc;
}

static void stop_running(luas__pool *p, const luas__job *job, uint64_t from, uint64_t to)
{
    for (int i = 0; i < p->nworkers; i++) {
        luas__receive_catch_up(p, p->workers[i]);
        const luas__chunk *c = luas__worker_running(p->workers[i]);
        if (c != NULL && c->job == job && c->index >= from && c->index <= to)
            luas__deadlines_stop_task(p, p->workers[i], LUAS__KIND_CANCELLED);
    }
}

int luas__jobs_cancel_pending(luas__pool *p, luas__job *job, uint64_t from, uint64_t to)
{
    uint64_t settled = job->output.settled;
    int rc = luas__job_cancel_pending(job, from, to);
    settled = job->output.settled - settled;
    p->stats.cancelled += settled;
    p->stats.tasks += settled;
    p->progress += settled;
    return rc;
}

static int cancel(luas__pool *p, luas__job *job, uint64_t from, uint64_t to)
{
    int rc = luas__jobs_revoke(p, job);
    if (rc == 0)
        rc = luas__jobs_cancel_pending(p, job, from, to);
    stop_running(p, job, from, to);
    if (luas__job_finished(job))
        luas__jobs_done(p, job);
    return rc;
}

int luas__pool_cancel(luas__pool *p, luas__job *job, uint64_t from, uint64_t to)
{
    if (!luas__fork_detect_is_here(&p->fork_detect))
        return LUAS_EFOREIGN;
    pthread_mutex_lock(&p->lock);
    int rc = cancel(p, job, from, to);
    if (rc == 0)
        rc = luas__schedule_deal(p, false); /* what was taken back and not cancelled */
    pthread_mutex_unlock(&p->lock);
    return rc;
}

void luas__pool_drop(luas__pool *p, luas__job *job)
{
    pthread_mutex_lock(&p->lock);
    job->closed = true;
    luas__snapshots_end(p, job);
    if (!job->done) {
        cancel(p, job, 0, UINT64_MAX);
        stop_pumping(p, job);
    }
    if (job->dealt == 0)
        free_job(p, job);
    pthread_mutex_unlock(&p->lock);
}

int luas__pool_define(luas__pool *p, luas__job *job, const char *bytes, size_t len)
{
    pthread_mutex_lock(&p->lock);
    int rc = LUAS_ENOMEM;
    luas__definition **definitions = realloc(job->definitions, (size_t)(job->ndefinitions + 1) * sizeof *definitions);
    if (definitions != NULL) {
        job->definitions = definitions;
        definitions[job->ndefinitions] = luas__definition_take(&p->definitions, bytes, len);
        if (definitions[job->ndefinitions] != NULL) {
            job->ndefinitions++;
            rc = 0;
        }
    }
    pthread_mutex_unlock(&p->lock);
    return rc;
}

int luas__pool_feed(luas__pool *p, luas__job *job, luas__buffer *bytes, size_t *ends,
                    uint32_t count)
{
    pthread_mutex_lock(&p->lock);
    int rc = luas__job_feed(job, bytes, ends, count);
    pthread_mutex_unlock(&p->lock);
    return rc;
}

int luas__pool_feed_inherited(luas__pool *p, luas__job *job, uint64_t count)
{
    pthread_mutex_lock(&p->lock);
    int rc = luas__job_feed_inherited(job, count);
    pthread_mutex_unlock(&p->lock);
    return rc;
}

void luas__pool_seal(luas__pool *p, luas__job *job)
{
    pthread_mutex_lock(&p->lock);
    job->input.sealed = true;
    if (luas__job_finished(job))
        luas__jobs_done(p, job);
    pthread_mutex_unlock(&p->lock);
}

/* ---- processes ---- */

static luas__worker *process_worker(luas__pool *p, const luas__job *job)
{
    for (int i = 0; i < p->nworkers; i++)
        if (p->workers[i]->process == job && p->workers[i]->state < LUAS__WORKER_REAPED)
            return p->workers[i];
    return NULL;
}

pid_t luas__pool_process(luas__pool *p, const luas__job *job)
{
    pthread_mutex_lock(&p->lock);
    const luas__worker *w = process_worker(p, job);
    pid_t pid = w != NULL ? w->pid : 0;
    pthread_mutex_unlock(&p->lock);
    return pid;
}

/* A copy that was forked would not hear of the process's end, and its number may
   then be another's. */
int luas__pool_signal_process(luas__pool *p, const luas__job *job, int signal)
{
    if (!luas__fork_detect_is_here(&p->fork_detect))
        return LUAS_EFOREIGN;
    pthread_mutex_lock(&p->lock);
    luas__worker *w = process_worker(p, job);
    if (w != NULL)
        luas__child_signal_group(&w->child, signal);
    pthread_mutex_unlock(&p->lock);
    return 0;
}

/* ---- driving ---- */

/* What failed for want of memory or descriptors left something to be done
   that no event will tell of. */
static int try_again_after(luas__pool *p, int rc)
{
    if (rc < 0 && p->health.broken == 0)
        luas__poller_alarm(&p->poller, luas__now() + 20 * LUAS__MS);
    return rc;
}

int luas__drive_handle(luas__pool *p, const luas__event *events, int n)
{
    int rc = 0;
    for (int i = 0; i < n && rc == 0; i++)
        rc = luas__drive_event(p, events[i].key);
    bool alarmed = p->alarmed;
    if (rc == 0)
        rc = luas__deadlines_check(p);
    return try_again_after(p, rc == 0 ? luas__schedule_deal(p, alarmed) : rc);
}

int luas__drive_renew(luas__pool *p)
{
    luas__reap_free(p);
    if (p->closing || p->health.broken != 0)
        return 0;
    p->scaling.asks_only = true;
    luas__scaling_relieve(p);
    luas__scaling_down(p, p->options.workers);
    int rc = luas__scaling_replace(p); /* of zygotes, as it may only ask */
    p->scaling.asks_only = false;
    if (rc == 0)
        rc = luas__schedule_deal(p, false);
    return try_again_after(p, rc == 0 ? luas__deadlines_check(p) : rc);
}

static int prepare(luas__pool *p, void *host)
{
    luas__reap_free(p);
    free_closed(p, p->jobs);
    free_closed(p, p->done);
    luas__scaling_relieve(p);
    luas__scaling_down(p, p->options.workers);
    int rc = luas__scaling_up(p, host);
    if (rc == 0)
        rc = luas__schedule_deal(p, false);
    return rc == 0 ? luas__deadlines_check(p) : rc;
}

static int wait_and_handle(luas__pool *p, int64_t timeout)
{
    luas__event events[MOST_EVENTS];
    if (timeout != 0 && luas__spin_for_result(p))
        return 0;
    pthread_mutex_unlock(&p->lock);
    int64_t began = luas__now();
    int n = luas__poller_wait(&p->poller, events, MOST_EVENTS, timeout);
    int64_t waited = luas__now() - began;
    pthread_mutex_lock(&p->lock);
    if (timeout != 0)
        luas__spin_learn(p, waited);
    int rc = luas__drive_handle(p, events, n);
    if (rc < 0)
        return rc;
    return n == -EINTR ? LUAS_EINTR : n;
}

int luas__pool_step(luas__pool *p, int64_t timeout, void *host)
{
    if (!luas__fork_detect_is_here(&p->fork_detect))
        return LUAS_EFOREIGN;
    pthread_mutex_lock(&p->lock);
    p->pumping.drivers++;
    int rc = try_again_after(p, prepare(p, host));
    if (rc == 0)
        rc = wait_and_handle(p, p->progress != p->noticed ? 0 : timeout);
    luas__reap_free(p);
    if (p->progress != p->noticed && rc >= 0)
        rc = 1;
    p->noticed = p->progress;
    if (--p->pumping.drivers == 0)
        luas__pump_resume(p);
    pthread_mutex_unlock(&p->lock);
    return rc > 0 ? 1 : rc;
}

bool luas__pool_take(luas__pool *p, luas__job *job)
{
    if (luas__job_has_taken(job))
        return true;
    pthread_mutex_lock(&p->lock);
    luas__job_swap(job);
    pthread_mutex_unlock(&p->lock);
    return job->output.taken.len > 0;
}

/* Without room for a thread the calls that wait for the job do its work. */
int luas__pool_pump(luas__pool *p, luas__job *job)
{
    int rc = luas__pump_start(p);
    if (luas__error_is_shortage(rc))
        rc = 0;
    pthread_mutex_lock(&p->lock);
    if (rc == 0 && !job->done && !job->pumped) {
        job->pumped = true;
        p->pumping.jobs++;
        luas__pump_resume(p);
    }
    pthread_mutex_unlock(&p->lock);
    return rc;
}

void luas__pool_stop(luas__pool *p)
{
    pthread_mutex_lock(&p->lock);
    p->closing = true;
    for (int i = 0; i < p->nworkers; i++) {
        luas__worker *w = p->workers[i];
        if (w->state < LUAS__WORKER_STOPPING && try_again_after(p, luas__worker_stop(w, 0)) == 0)
            luas__worker_flush(w, &p->poller);
    }
    pthread_mutex_unlock(&p->lock);
}

void luas__pool_resize(luas__pool *p, int workers)
{
    pthread_mutex_lock(&p->lock);
    p->options.workers = workers;
    pthread_mutex_unlock(&p->lock);
}

void luas__pool_terminate(luas__pool *p)
{
    pthread_mutex_lock(&p->lock);
    p->closing = true;
    for (luas__job *job = p->jobs, *next; job != NULL; job = next) {
        next = job->next;
        job->input.sealed = true;
        cancel(p, job, 0, UINT64_MAX);
    }
    for (int i = 0; i < p->nworkers; i++)
        luas__child_signal_group(&p->workers[i]->child, SIGKILL);
    pthread_mutex_unlock(&p->lock);
}
