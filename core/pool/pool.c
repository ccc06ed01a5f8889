/* The interface of the pool. Each function takes the lock; other files do the work. */
#define _GNU_SOURCE
#include "pool.h"

#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "array.h"
#include "atfork.h"
#include "cancel.h"
#include "closing.h"
#include "deadlines.h"
#include "drive.h"
#include "error.h"
#include "halt.h"
#include "job_inputs.h"
#include "job_outcomes.h"
#include "jobs.h"
#include "pump.h"
#include "recall.h"
#include "receive.h"
#include "rest.h"
#include "scaling.h"
#include "schedule.h"
#include "snapshots.h"
#include "spawner.h"
#include "wakes.h"

static int open_shared(luas__pool *p)
{
    pthread_mutex_lock(&p->lock);
    int rc = luas__poller_open(&p->poller);
    if (rc == 0)
        luas__bulk_open(&p->bulk, p->options.workers, p->options.bear != NULL || p->options.launch != NULL);
    pthread_mutex_unlock(&p->lock);
    return rc;
}

static int open_known(luas__pool *p)
{
    int rc = luas__atfork_add(p);
    if (rc < 0)
        return rc;
    rc = open_shared(p);
    if (rc < 0)
        luas__atfork_remove(p);
    return rc;
}

int luas__pool_open(luas__pool **pool, const luas__pool_options *options)
{
    *pool = NULL;
    luas__pool *p = calloc(1, sizeof *p);
    if (p == NULL)
        return LUAS_ENOMEM;
    p->options = *options;
    p->poller = (luas__poller)LUAS__POLLER_INIT;
    p->sinks = (luas__sinks)LUAS__SINKS_INIT;
    p->sinks.hear = options->hear;
    p->sinks.hearer = options->hearer;
    p->bulk = (luas__bulk)LUAS__BULK_INIT;
    p->jobs.last = &p->jobs.first;
    p->ended.last = &p->ended.first;
    p->done.last = &p->done.first;
    p->turns.length = LUAS__SHORTEST_TURN;
    p->concurrency.round = 1;
    p->concurrency.retry_at = INT64_MAX;
    luas__fork_detect_open(&p->fork_detect);
    pthread_mutex_init(&p->lock, NULL);
    int rc = open_known(p); /* last: other threads, which fork, look at it from then on */
    if (rc < 0) {
        pthread_mutex_destroy(&p->lock);
        luas__fork_detect_close(&p->fork_detect);
        free(p);
        return rc;
    }
    *pool = p;
    return 0;
}

static void end_children(luas__pool *p)
{
    pthread_mutex_lock(&p->lock);
    luas__snapshots_end_all(p);
    luas__closing_tell(p);
    pthread_mutex_unlock(&p->lock);
}

/* Without the lock, so that no fork has to wait for it. */
static void await_children(luas__pool *p)
{
    luas__snapshots_await(p);
    luas__closing_await(p);
}

static void close_shared(luas__pool *p)
{
    pthread_mutex_lock(&p->lock);
    luas__snapshots_free(p);
    for (int i = 0; i < p->nworkers; i++)
        luas__worker_close(p->workers[i], &p->poller);
    p->nworkers = 0;
    luas__sink_close_all(&p->sinks, &p->poller);
    luas__poller_close(&p->poller);
    luas__bulk_close(&p->bulk);
    pthread_mutex_unlock(&p->lock);
}

void luas__pool_close(luas__pool *p)
{
    luas__pump_end(p);
    end_children(p);
    await_children(p);
    close_shared(p);
    luas__atfork_remove(p);
    free(p->workers);
    luas__jobs_free_all(p);
    luas__definition_release_all(&p->definitions);
    luas__surroundings_release(p->around);
    luas__events_release(&p->events);
    luas__buffer_release(&p->health.why);
    luas__buffer_release(&p->health.payload);
    luas__buffer_release(&p->health.notes);
    luas__buffer_release(&p->made);
    pthread_mutex_destroy(&p->lock);
    luas__fork_detect_close(&p->fork_detect);
    free(p);
}

void luas__pool_abandon(luas__pool *p, const luas__worker *self)
{
    luas__atfork_abandon(p, self);
}

/* ---- workers ---- */

int luas__pool_populate(luas__pool *p, void *host)
{
    if (luas__state_lock(p) < 0)
        return LUAS_EFOREIGN;
    int rc = luas__scaling_populate(p, host);
    luas__state_unlock(p);
    return rc;
}

int luas__pool_inherit(luas__pool *p, luas__job *job, int workers, int now, void *host)
{
    if (luas__state_lock(p) < 0)
        return LUAS_EFOREIGN;
    int rc = luas__scaling_inherit(p, job, workers, now, host);
    luas__state_unlock(p);
    return rc;
}

int64_t luas__pool_inherit_cost(luas__pool *p)
{
    if (luas__state_lock(p) < 0)
        return 0;
    int64_t age = luas__now_coarse() - p->scaling.cost_seen_at;
    int64_t cost = p->scaling.inherit_cost / (1 + age / (LUAS__SECOND / 4));
    luas__state_unlock(p);
    return cost;
}

bool luas__pool_make_room(luas__pool *p)
{
    if (luas__state_lock(p) < 0)
        return false;
    bool makes = luas__scaling_make_room(p);
    luas__state_unlock(p);
    return makes;
}

void luas__pool_snapshot(luas__pool *p, luas__job *job, void *host)
{
    if (luas__state_lock(p) < 0)
        return;
    job->snapshot.has_zygote = true;
    luas__snapshots_end(p, job);
    luas__spawner_zygote(p, job, host);
    luas__state_unlock(p);
}

int luas__pool_mother(luas__pool *p, void *host)
{
    if (luas__state_lock(p) < 0)
        return LUAS_EFOREIGN;
    int rc = luas__spawner_mother(p, host);
    luas__state_unlock(p);
    return rc;
}

int luas__pool_live(luas__pool *p, bool with_zygotes)
{
    if (luas__state_lock(p) < 0)
        return LUAS_EFOREIGN;
    int n = with_zygotes && luas__snapshots_has_others(p, 0);
    for (int i = 0; i < p->nworkers; i++)
        n += p->workers[i]->state != LUAS__WORKER_ENDED;
    luas__state_unlock(p);
    return n;
}

bool luas__pool_is_only(luas__pool *p, const luas__job *job)
{
    if (luas__state_lock(p) < 0)
        return false;
    bool is = !luas__snapshots_has_others(p, job->snapshot.id);
    for (int i = 0; i < p->nworkers; i++)
        is &= p->workers[i]->snapshot == job->snapshot.id
            || p->workers[i]->state >= LUAS__WORKER_STOPPING;
    luas__state_unlock(p);
    return is;
}

int luas__pool_set_line(luas__pool *p, luas__line *line)
{
    if (luas__state_lock(p) < 0)
        return LUAS_EFOREIGN;
    luas__line *before = p->sinks.line;
    luas__line_use(line);
    p->sinks.line = line;
    luas__state_unlock(p);
    luas__line_drop(before);
    return 0;
}

size_t luas__pool_made(luas__pool *p, char *names, size_t room)
{
    if (luas__state_lock(p) < 0)
        return 0;
    size_t len = p->made.len;
    if (len > 0 && len <= room)
        memcpy(names, luas__buffer_bytes(&p->made), len);
    luas__state_unlock(p);
    return len;
}

int luas__pool_unwritten(luas__pool *p, size_t *waiting, uint64_t *written)
{
    *waiting = 0;
    *written = 0;
    if (luas__state_lock(p) < 0)
        return LUAS_EFOREIGN;
    for (int i = 0; i < 2; i++) {
        *waiting += p->sinks.of[i].text.len;
        *written += p->sinks.of[i].written;
    }
    for (int i = 0; i < p->nworkers; i++) {
        const luas__worker *w = p->workers[i];
        *waiting += luas__output_waiting(&w->output, w->tasks.unanswered == 0);
    }
    luas__state_unlock(p);
    return 0;
}

int luas__pool_trim(luas__pool *p)
{
    if (luas__state_lock(p) < 0)
        return LUAS_EFOREIGN;
    int n = luas__rest_trim(p);
    luas__state_unlock(p);
    return n;
}

int luas__pool_keep_time(luas__pool *p, bool keeps)
{
    if (luas__state_lock(p) < 0)
        return LUAS_EFOREIGN;
    int rc = keeps ? luas__pump_start(p, luas__drive_pumped) : 0;
    p->pumping.keeps_time = keeps && rc == 0;
    luas__pump_resume(p);
    luas__state_unlock(p);
    return luas__error_is_shortage(rc) ? 0 : rc;
}

int luas__pool_resize(luas__pool *p, int workers)
{
    if (luas__state_lock(p) < 0)
        return LUAS_EFOREIGN;
    p->options.workers = workers;
    luas__state_unlock(p);
    return 0;
}

/* ---- jobs ---- */

int luas__pool_start(luas__pool *p, luas__job *job)
{
    if (luas__state_lock(p) < 0)
        return LUAS_EFOREIGN;
    int rc = p->health.broken != 0 ? p->health.broken : p->closing ? LUAS_ECLOSED : 0;
    if (rc == 0 && p->options.output == LUAS__OUTPUT_CAPTURE)
        job->policy.flags |= LUAS__JOB_CAPTURE;
    if (p->events.all)
        job->policy.flags |= LUAS__JOB_STAMPED;
    job->seen.stamp = job->policy.flags & LUAS__JOB_STAMPED ? LUAS__STAMP : 0;
    if (rc == 0)
        rc = luas__jobs_surround(p, job);
    if (rc == 0)
        luas__jobs_add(p, job);
    luas__state_unlock(p);
    return rc;
}

int luas__pool_surround(luas__pool *p, luas__job *job)
{
    if (luas__state_lock(p) < 0)
        return LUAS_EFOREIGN;
    int rc = luas__jobs_surround(p, job);
    luas__state_unlock(p);
    return rc;
}

static int64_t oldest(const luas__job *job, int64_t than)
{
    for (; job != NULL; job = job->next)
        than = job->made_at < than ? job->made_at : than;
    return than;
}

int64_t luas__pool_oldest_job(luas__pool *p)
{
    if (luas__state_lock(p) < 0)
        return INT64_MAX;
    int64_t at = oldest(p->done.first, oldest(p->jobs.first, INT64_MAX));
    luas__state_unlock(p);
    return at;
}

int luas__pool_define(luas__pool *p, luas__job *job, const char *bytes, size_t len)
{
    if (luas__state_lock(p) < 0)
        return LUAS_EFOREIGN;
    int rc = luas__array_reserve(&job->definitions, &job->cap_definitions,
                                 (size_t)job->ndefinitions + 1, sizeof *job->definitions);
    luas__definition *d = rc == 0 ? luas__definition_take(&p->definitions, bytes, len) : NULL;
    if (d != NULL)
        job->definitions[job->ndefinitions++] = d;
    else
        rc = LUAS_ENOMEM;
    luas__state_unlock(p);
    return rc;
}

int luas__pool_feed(luas__pool *p, luas__job *job, luas__buffer *bytes, size_t *ends,
                    uint32_t count)
{
    return luas__pool_feed_records(p, job, &(luas__passage){.text = NULL}, bytes, ends, count);
}

int luas__pool_feed_at(luas__pool *p, luas__job *job, luas__range tasks, luas__buffer *bytes, size_t *ends)
{
    if (luas__state_lock(p) < 0)
        return LUAS_EFOREIGN;
    int rc = luas__job_inputs_feed_at(job, tasks, bytes, ends);
    luas__wakes_set_limit(p, job);
    luas__state_unlock(p);
    return rc;
}

int luas__pool_feed_records(luas__pool *p, luas__job *job, const luas__passage *of,
                            luas__buffer *bytes, size_t *ends, uint32_t count)
{
    if (luas__state_lock(p) < 0)
        return LUAS_EFOREIGN;
    int rc = luas__job_inputs_feed_records(job, of, bytes, ends, count);
    if (rc == 0)
        luas__recall_tasks(p, job, count);
    luas__wakes_set_limit(p, job);
    if (rc == 0 && job->expired)
        luas__cancel_tasks(p, job, 0, UINT64_MAX); /* without memory it is done in vain */
    luas__halt_look(p, job);
    luas__state_unlock(p);
    return rc;
}

int luas__pool_feed_inherited(luas__pool *p, luas__job *job, uint64_t count)
{
    if (luas__state_lock(p) < 0)
        return LUAS_EFOREIGN;
    int rc = luas__job_inputs_feed_inherited(job, count);
    if (rc == 0)
        luas__recall_tasks(p, job, count);
    luas__wakes_set_limit(p, job);
    if (rc == 0 && job->expired)
        luas__cancel_tasks(p, job, 0, UINT64_MAX);
    luas__halt_look(p, job);
    luas__state_unlock(p);
    return rc;
}

int luas__pool_add_keys(luas__pool *p, luas__job *job, const uint32_t *numbers, size_t count)
{
    if (luas__state_lock(p) < 0)
        return LUAS_EFOREIGN;
    int rc = job->input.limit != NULL ? luas__limit_add_keys(job->input.limit, numbers, count) : 0;
    luas__state_unlock(p);
    return rc;
}

int luas__pool_spare_keys(luas__pool *p, luas__job *job, uint32_t *numbers, size_t *n)
{
    if (luas__state_lock(p) < 0)
        return LUAS_EFOREIGN;
    *n = job->input.limit != NULL ? luas__limit_spare(job->input.limit, numbers, *n) : 0;
    luas__state_unlock(p);
    return 0;
}

void luas__pool_seal(luas__pool *p, luas__job *job)
{
    if (luas__state_lock(p) < 0)
        return;
    job->input.sealed = true;
    luas__halt_look(p, job);
    if (luas__job_finished(job))
        luas__jobs_done(p, job);
    luas__state_unlock(p);
}

bool luas__pool_take(luas__pool *p, luas__job *job)
{
    if (luas__job_outcomes_has_taken(job))
        return true;
    if (luas__state_lock(p) == 0) {
        luas__job_outcomes_swap(job);
        luas__state_unlock(p);
    } else if (!job->posting) {
        luas__job_outcomes_swap(job);
    }
    return job->output.taken.len > 0;
}

int luas__pool_start_no_more(luas__pool *p, luas__job *job)
{
    int rc = luas__state_lock(p);
    if (rc < 0)
        return job->done ? 0 : rc;
    rc = luas__jobs_cancel(p, job, 0, UINT64_MAX, false);
    if (luas__job_finished(job))
        luas__jobs_done(p, job);
    luas__state_unlock(p);
    return rc;
}

int luas__pool_cancel(luas__pool *p, luas__job *job, uint64_t from, uint64_t to)
{
    if (luas__state_lock(p) < 0)
        return job->done ? 0 : LUAS_EFOREIGN; /* nothing to cancel, or impossible here */
    int rc = luas__cancel_tasks(p, job, from, to);
    if (rc == 0)
        rc = luas__schedule_deal(p, false); /* other tasks take the places of cancelled ones */
    luas__state_unlock(p);
    return rc;
}

/* What was told to stop is stopped whether or not there are further calls. Without room
   for a thread these do it. */
static void see_to_leftovers(luas__pool *p)
{
    if (p->pumping.is_polled || !luas__pump_has_leftovers(p))
        return;
    if (luas__pump_start(p, luas__drive_pumped) == 0)
        luas__pump_resume(p);
}

void luas__pool_drop(luas__pool *p, luas__job *job)
{
    if (luas__state_lock(p) < 0)
        return;
    luas__job_close(job);
    luas__jobs_leave_workers(p, job);
    luas__snapshots_end(p, job);
    if (!job->done) {
        luas__cancel_tasks(p, job, 0, UINT64_MAX);
        luas__jobs_stop_pumping(p, job);
        see_to_leftovers(p);
    }
    luas__jobs_drop(p, job);
    luas__state_unlock(p);
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
    if (luas__state_lock(p) < 0)
        return 0;
    const luas__worker *w = process_worker(p, job);
    pid_t pid = w != NULL ? w->pid : 0;
    luas__state_unlock(p);
    return pid;
}

/* Refused in a copy: it is not told when the process ends, and by then the pid may belong to
   another process. */
int luas__pool_signal_process(luas__pool *p, const luas__job *job, int signal)
{
    if (luas__state_lock(p) < 0)
        return LUAS_EFOREIGN;
    luas__worker *w = process_worker(p, job);
    if (w != NULL)
        luas__child_signal_group(&w->child, signal);
    luas__state_unlock(p);
    return 0;
}

/* ---- driving ---- */

int luas__pool_step(luas__pool *p, int64_t timeout, void *host)
{
    if (luas__state_lock(p) < 0)
        return LUAS_EFOREIGN;
    int rc = luas__drive_step(p, timeout, host);
    if (rc != LUAS_EFOREIGN)
        luas__state_unlock(p);
    return rc;
}

int64_t luas__pool_watch(luas__pool *p, luas__job *job)
{
    if (luas__state_lock(p) < 0)
        return LUAS_EFOREIGN;
    luas__jobs_watch(p, job);
    luas__state_unlock(p);
    return job->id;
}

int64_t luas__pool_ended(luas__pool *p)
{
    if (luas__state_lock(p) < 0)
        return 0;
    int64_t id = luas__jobs_next_ended(p);
    luas__state_unlock(p);
    return id;
}

/* If no thread can be had, calls that wait for the job drive it. */
int luas__pool_pump(luas__pool *p, luas__job *job)
{
    if (luas__state_lock(p) < 0)
        return LUAS_EFOREIGN;
    int rc = luas__pump_start(p, luas__drive_pumped);
    if (luas__error_is_shortage(rc))
        rc = 0;
    if (rc == 0 && !job->done && !job->pumped) {
        job->pumped = true;
        p->pumping.jobs++;
        luas__pump_resume(p);
    }
    luas__state_unlock(p);
    return rc;
}

int luas__pool_stop(luas__pool *p)
{
    if (luas__state_lock(p) < 0)
        return LUAS_EFOREIGN;
    p->closing = true;
    for (int i = 0; i < p->nworkers; i++) {
        luas__worker *w = p->workers[i];
        if (w->state < LUAS__WORKER_STOPPING && luas__drive_try_again(p, luas__worker_stop(w, 0)) == 0)
            luas__worker_flush(w, &p->poller);
    }
    luas__state_unlock(p);
    return 0;
}

int luas__pool_terminate(luas__pool *p)
{
    if (luas__state_lock(p) < 0)
        return LUAS_EFOREIGN;
    p->closing = true;
    for (luas__job *job = p->jobs.first, *next; job != NULL; job = next) {
        next = job->next;
        job->input.sealed = true;
        luas__cancel_tasks(p, job, 0, UINT64_MAX);
    }
    for (int i = 0; i < p->nworkers; i++)
        luas__child_signal_group(&p->workers[i]->child, SIGKILL);
    luas__state_unlock(p);
    return 0;
}
