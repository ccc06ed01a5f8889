/*
 * Staff: which workers there are to be. They are forked when tasks want them,
 * each with its first task at once, and told to end when they are too many or
 * used up.
 */
#define _GNU_SOURCE
#include "pool.h"

#include <errno.h>

#include "clock.h"
#include "error.h"

static int active_workers(const luas__pool *p)
{
    int n = 0;
    for (int i = 0; i < p->nworkers; i++)
        n += !p->workers[i]->stopping && !p->workers[i]->reaped;
    return n;
}

/* It has had all the tasks or memory that it may have. */
static bool used_up(const luas__pool *p, const luas__worker *w)
{
    return w->tasks == 0 && !w->stopping && !w->reaped
        && (w->worn || (p->options.max_tasks > 0 && w->served >= p->options.max_tasks));
}

/* Ends workers that are too many or used up; an image gets a successor. */
void luas__staff_retire(luas__pool *p, int most)
{
    int active = active_workers(p);
    for (int i = 0; i < p->nworkers; i++) {
        luas__worker *w = p->workers[i];
        if ((used_up(p, w) || (active > most && luas__worker_is_spare(p, w)))
            && luas__worker_stop(w, 0) == 0)
            active--;
    }
}

static int count_images(const luas__pool *p, uint32_t generation)
{
    int n = 0;
    for (int i = 0; i < p->nworkers; i++)
        n += p->workers[i]->generation == generation && !p->workers[i]->reaped
            && !p->workers[i]->stopping;
    return n;
}

/* With its first task, so that it has something to do at once. */
static int hire(luas__pool *p, uint32_t generation)
{
    int rc = luas__birth_prepare(p, generation);
    return rc < 0 ? rc : luas__deal_first(p, p->workers[p->nworkers - 1]);
}

static bool wants_image(const luas__pool *p, const luas__job *job)
{
    int blobs, most = job->few > 0 && job->few < job->images ? job->few : job->images;
    return job->generation != 0 && job->waiting > 0 && !job->closed
        && count_images(p, job->generation) < most
        && (!p->asks_only || luas__keep_find(p, job->generation, &blobs) != NULL);
}

/* Those of a job that came first, and those that take others' places. */
int luas__staff_images(luas__pool *p)
{
    int rc = 0;
    for (luas__job *job = p->jobs; job != NULL && rc == 0; job = job->next)
        while (rc == 0 && wants_image(p, job)) {
            luas__staff_retire(p, p->options.workers > 0 ? p->options.workers - 1 : 0);
            rc = hire(p, job->generation);
        }
    return rc;
}

/* Is nothing done, and will nothing be unless a worker comes? */
static bool is_stranded(const luas__pool *p)
{
    bool orphaned = active_workers(p) == 0;
    for (int i = 0; i < p->nworkers; i++)
        if (p->workers[i]->tasks > 0)
            return false;
    for (const luas__job *job = p->jobs; job != NULL && !orphaned; job = job->next)
        orphaned = job->generation != 0 && job->waiting > 0 && !job->closed
            && count_images(p, job->generation) == 0;
    return orphaned;
}

/* A task that is for each worker waits for those that are not there yet. */
static bool wants_all(const luas__pool *p)
{
    for (const luas__job *job = p->jobs; job != NULL; job = job->next)
        if (job->policy.flags & LUAS__JOB_EACH && job->waiting > 0 && !job->closed)
            return true;
    return false;
}

static int hire_all(luas__pool *p)
{
    int rc = 0;
    while (rc == 0 && luas__deal_needs_worker(p))
        rc = hire(p, 0);
    return rc == 0 ? luas__staff_images(p) : rc;
}

static int prepare_all(luas__pool *p)
{
    int rc = 0;
    while (rc == 0 && active_workers(p) < p->options.workers)
        rc = luas__birth_prepare(p, 0);
    return rc;
}

/* A worker needs more descriptors before it is forked than afterwards: where they
   run out, those of some come free for others. */
static int have_forked(luas__pool *p, int (*prepare)(luas__pool *p), void *host)
{
    int rc, forked;
    bool again;
    do {
        rc = prepare(p);
        again = rc == -EMFILE && p->unborn > 0;
        forked = luas__birth_fork(p, host);
    } while (again && forked == 0);
    return rc < 0 ? rc : forked;
}

static bool is_any_stopping(const luas__pool *p)
{
    for (int i = 0; i < p->nworkers; i++)
        if (p->workers[i]->stopping && !p->workers[i]->reaped)
            return true;
    return false;
}

/* What a fork lacked idle workers have: they are told to end. */
static bool makes_room(luas__pool *p)
{
    luas__staff_retire(p, 0);
    return is_any_stopping(p);
}

/* Not for ever: what one does at its exit may not return. */
static bool may_wait(luas__pool *p)
{
    int64_t now = luas__now();
    if (p->lacks_since == 0)
        p->lacks_since = now;
    bool may = now - p->lacks_since < LUAS__PATIENCE;
    if (!may)
        p->lacks_since = 0;
    return may;
}

/* A failing fork matters only when there is no worker that could do anything. */
int luas__staff(luas__pool *p, void *host)
{
    if (p->closing || p->broken != 0)
        return p->closing ? 0 : p->broken;
    int rc = have_forked(p, hire_all, host);
    p->tight = rc < 0;
    if (rc == 0)
        p->lacks_since = 0;
    if (rc == 0 || rc == LUAS_ENOMEM)
        return rc;
    if (!is_stranded(p))
        return wants_all(p) ? rc : 0;
    return luas__is_lack(rc) && makes_room(p) && may_wait(p) ? 0 : rc;
}

int luas__pool_populate(luas__pool *p, void *host)
{
    pthread_mutex_lock(&p->lock);
    int rc = have_forked(p, prepare_all, host);
    pthread_mutex_unlock(&p->lock);
    return rc;
}

static int prepare_images(luas__pool *p, luas__job *job, int count)
{
    int rc = 0;
    for (int i = 0; i < count && rc == 0; i++) {
        rc = luas__birth_prepare(p, job->generation);
        if (rc == 0 && job->policy.flags & LUAS__JOB_PROCESS)
            p->workers[p->nworkers - 1]->process = job;
    }
    return rc;
}

int luas__pool_inherit(luas__pool *p, luas__job *job, int workers, int now, void *host)
{
    pthread_mutex_lock(&p->lock);
    job->generation = ++p->last_generation;
    job->images = workers;
    now = now < workers ? now : workers;
    luas__staff_retire(p, p->options.workers > now ? p->options.workers - now : 0);
    int before = p->nworkers;
    int rc = prepare_images(p, job, now), forked = luas__birth_fork(p, host);
    if (p->nworkers > before)
        rc = forked = 0; /* one will do */
    pthread_mutex_unlock(&p->lock);
    return rc < 0 ? rc : forked;
}

bool luas__pool_makes_room(luas__pool *p)
{
    pthread_mutex_lock(&p->lock);
    bool makes = makes_room(p);
    pthread_mutex_unlock(&p->lock);
    return makes;
}
