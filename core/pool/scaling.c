/* More workers, and fewer. */
#define _GNU_SOURCE
#include "scaling.h"

#include <errno.h>

#include "clock.h"
#include "concurrency.h"
#include "error.h"
#include "jobs.h"
#include "schedule.h"
#include "snapshots.h"
#include "spawner.h"
#include "starts.h"

/* ---- fewer ---- */

/* Has it done max_tasks, or passed max_memory? */
static bool used_up(const luas__pool *p, const luas__worker *w)
{
    return w->tasks.unanswered == 0 && w->state < LUAS__WORKER_STOPPING
        && (w->retiring || (p->options.max_tasks > 0 && w->tasks.served >= p->options.max_tasks));
}

/* Ends workers that are used up, and spare ones beyond `most`. A worker of a snapshot that is
   used up is replaced later. */
void luas__scaling_down(luas__pool *p, int most)
{
    int active = luas__state_active(p);
    for (int i = 0; i < p->nworkers; i++) {
        luas__worker *w = p->workers[i];
        if (used_up(p, w) || (active > most && luas__schedule_is_spare(w))) {
            luas__worker_stop(w, 0); /* without memory, flushing tells it later */
            active--;
        }
    }
}

/* Can this worker be replaced by another one of the same snapshot? */
static bool is_replaceable(const luas__pool *p, const luas__worker *w)
{
    const luas__job *job = w->snapshot_job;
    return job != NULL && job->policy.flags & LUAS__JOB_INHERIT && w->process == NULL
        && (!job->snapshot.has_zygote || luas__snapshots_find(p, w->snapshot) != NULL);
}

/* In a worker that has allocated much, Lua's collector will soon traverse all that it has
   inherited, and so copy every page. So the worker ends after its running task. Other workers
   get the tasks that it has not begun. */
void luas__scaling_relieve(luas__pool *p)
{
    for (int i = 0; i < p->nworkers; i++) {
        luas__worker *w = p->workers[i];
        if (w->snapshot != 0 && w->state < LUAS__WORKER_STOPPING
            && atomic_load(&w->scoreboard->over_gc_budget) && is_replaceable(p, w) && luas__worker_tasks_revoke(w) == 0)
            luas__worker_stop(w, 0);
    }
}

static bool is_any_stopping(const luas__pool *p)
{
    for (int i = 0; i < p->nworkers; i++)
        if (p->workers[i]->state == LUAS__WORKER_STOPPING)
            return true;
    return false;
}

/* Idle workers have what a fork lacked: processes, descriptors, memory. Tells half of them to
   end; if that is not enough, or takes long, the next call tells half of the rest. Returns
   false when none is about to end. */
bool luas__scaling_make_room(luas__pool *p)
{
    int64_t now = luas__now();
    if (!is_any_stopping(p) || now - p->scaling.room_asked_at > LUAS__SECOND / 5) {
        luas__scaling_down(p, luas__state_active(p) / 2);
        p->scaling.room_asked_at = now;
    }
    return is_any_stopping(p);
}

/* ---- more ---- */

static int count_of_snapshot(const luas__pool *p, uint32_t snapshot)
{
    int n = 0;
    for (int i = 0; i < p->nworkers; i++)
        n += p->workers[i]->snapshot == snapshot && p->workers[i]->state < LUAS__WORKER_STOPPING;
    return n;
}

/* Prepares a worker with its first tasks, so that it can begin at once. */
static int scale_up(luas__pool *p, luas__job *snapshot_job)
{
    int rc = luas__spawner_prepare(p, snapshot_job);
    return rc < 0 ? rc : luas__schedule_first(p, p->workers[p->nworkers - 1]);
}

static luas__job *first_inherited(const luas__pool *p)
{
    return luas__job_in(luas__queue_first(&p->inherited));
}

static luas__job *next_inherited(const luas__pool *p, const luas__job *job)
{
    return luas__job_in(luas__queue_next(&p->inherited, &job->place));
}

static bool wants_snapshot_worker(luas__pool *p, luas__job *job)
{
    luas__concurrency_slots(p, job);
    int most = job->snapshot.workers;
    if (job->pace.concurrency > 0 && job->pace.concurrency < most)
        most = job->pace.concurrency;
    return job->queued && luas__starts_allowed(p) && count_of_snapshot(p, job->snapshot.id) < most
        && (!p->scaling.asks_only || luas__snapshots_find(p, job->snapshot.id) != NULL);
}

int luas__scaling_replace(luas__pool *p)
{
    int rc = 0;
    luas__job *next; /* dealing moves jobs */
    for (luas__job *job = first_inherited(p); job != NULL && rc == 0; job = next)
        for (next = next_inherited(p, job); rc == 0 && wants_snapshot_worker(p, job);) {
            luas__scaling_down(p, p->options.workers > 0 ? p->options.workers - 1 : 0);
            rc = scale_up(p, job);
        }
    return rc;
}

static bool is_busy(const luas__pool *p)
{
    for (int i = 0; i < p->nworkers; i++)
        if (p->workers[i]->tasks.unanswered > 0)
            return true;
    return false;
}

/* Are there tasks that will never be done unless a new worker is forked? */
static bool lacks_worker(const luas__pool *p)
{
    bool lacks = luas__state_active(p) == 0;
    for (luas__job *job = first_inherited(p); job != NULL && !lacks; job = next_inherited(p, job))
        lacks = count_of_snapshot(p, job->snapshot.id) == 0;
    return lacks;
}

/* Does a broadcast wait for workers that are not forked yet? */
static bool wants_all(const luas__pool *p)
{
    luas__queue_node *at = p->broadcasts > 0 ? luas__queue_first(&p->ready) : NULL;
    for (; at != NULL; at = luas__queue_next(&p->ready, at))
        if (luas__job_in(at)->policy.flags & LUAS__JOB_EACH)
            return true;
    return false;
}

static int scale_up_all(luas__pool *p)
{
    int rc = 0;
    while (rc == 0 && luas__starts_allowed(p) && luas__schedule_needs_worker(p))
        rc = scale_up(p, NULL);
    return rc == 0 ? luas__scaling_replace(p) : rc;
}

static int prepare_all(luas__pool *p)
{
    int rc = 0;
    while (rc == 0 && luas__state_active(p) < p->options.workers)
        rc = luas__spawner_prepare(p, NULL);
    return rc;
}

/* A worker needs more descriptors before its fork than after it. So when they run out, forking
   the workers that are prepared frees some for others. */
static int have_forked(luas__pool *p, int (*prepare)(luas__pool *p), void *host)
{
    int rc, forked;
    bool again;
    do {
        rc = prepare(p);
        again = rc == -EMFILE && p->spawn.pending > 0;
        forked = luas__spawner_fork_pending(p, host);
    } while (again && forked == 0);
    return rc < 0 ? rc : forked;
}

/* A call does not wait for ever: an exit function may not return. A waiting step calls this
   every 100 ms. A longer pause means that another wait has begun. */
static bool go_on_waiting(luas__pool *p)
{
    int64_t now = luas__now();
    if (now - p->scaling.lack_seen_at > LUAS__SECOND)
        p->scaling.lacks_since = now;
    bool goes_on = now - p->scaling.lacks_since < LUAS__PATIENCE;
    p->scaling.lack_seen_at = goes_on ? now : 0;
    return goes_on;
}

/* After a fork failed for want of something: can it be waited for? Existing workers get the
   pending tasks first. */
static int await_room(luas__pool *p, int lack)
{
    int rc = luas__schedule_deal(p, false);
    if (rc < 0)
        return rc;
    bool makes_room = luas__scaling_make_room(p);
    return is_busy(p) || (makes_room && go_on_waiting(p)) ? 0 : lack;
}

/* Outcomes come first; the pool is broken when there are no more. */
static int give_up(luas__pool *p)
{
    int rc = luas__starts_give_up(p);
    if (rc < 0)
        return rc;
    return is_busy(p) || p->progress != p->noticed ? 0 : p->health.broken;
}

/* A failing fork is a failure only when no worker could do the tasks. */
int luas__scaling_up(luas__pool *p, void *host)
{
    if (p->closing || p->health.broken != 0)
        return p->closing ? 0 : give_up(p);
    int rc = have_forked(p, scale_up_all, host);
    p->spawn.failed = rc < 0;
    if (p->health.broken != 0)
        return give_up(p);
    if (rc == 0 || rc == LUAS_ENOMEM || wants_all(p))
        return rc;
    if (!lacks_worker(p))
        return 0;
    return luas__error_is_shortage(rc) ? await_room(p, rc) : is_busy(p) ? 0 : rc;
}

bool luas__scaling_is_due(luas__pool *p)
{
    if (p->closing || p->health.broken != 0 || p->spawn.failed || !luas__starts_allowed(p))
        return false;
    bool due = luas__schedule_needs_worker(p);
    for (luas__job *job = first_inherited(p); job != NULL && !due; job = next_inherited(p, job))
        due = wants_snapshot_worker(p, job);
    return due;
}

int luas__scaling_populate(luas__pool *p, void *host)
{
    return have_forked(p, prepare_all, host);
}

static int prepare_snapshot_workers(luas__pool *p, luas__job *job, int count)
{
    int rc = 0;
    for (int i = 0; i < count && rc == 0; i++) {
        rc = luas__spawner_prepare(p, job);
        if (rc == 0 && job->policy.flags & LUAS__JOB_PROCESS)
            p->workers[p->nworkers - 1]->process = job;
    }
    return rc;
}

int luas__scaling_inherit(luas__pool *p, luas__job *job, int workers, int now, void *host)
{
    luas__jobs_leave_workers(p, job);
    job->snapshot.id = ++p->spawn.last_snapshot;
    job->snapshot.workers = workers;
    job->snapshot.begun_at = luas__now();
    luas__job_enqueue(job, &p->inherited);
    now = now < workers ? now : workers;
    luas__scaling_down(p, p->options.workers > now ? p->options.workers - now : 0);
    int before = p->nworkers;
    int rc = prepare_snapshot_workers(p, job, now), forked = luas__spawner_fork_pending(p, host);
    if (p->nworkers > before)
        rc = forked = 0; /* one will do */
    return rc < 0 ? rc : forked;
}
