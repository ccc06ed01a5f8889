/* Two ways to drive a pool, and what they do with an event. */
#define _GNU_SOURCE
#include "drive.h"

#include <errno.h>

#include "clock.h"
#include "deadlines.h"
#include "due.h"
#include "error.h"
#include "jobs.h"
#include "pump.h"
#include "reap.h"
#include "receive.h"
#include "scaling.h"
#include "schedule.h"
#include "spin.h"

enum { MOST_EVENTS = 64 };

int luas__drive_try_again(luas__pool *p, int rc)
{
    if (rc < 0 && p->health.broken == 0)
        luas__poller_alarm(&p->poller, luas__now() + 20 * LUAS__MS);
    return rc;
}

/* ---- events ---- */

/* The workers are ordered by serial number. */
static luas__worker *find(luas__pool *p, uint32_t serial)
{
    int from = 0, to = p->nworkers;
    while (from < to) {
        int middle = (from + to) / 2;
        if (p->workers[middle]->serial < serial)
            from = middle + 1;
        else
            to = middle;
    }
    return from < p->nworkers && p->workers[from]->serial == serial ? p->workers[from] : NULL;
}

static int handle_event(luas__pool *p, uint64_t key)
{
    if (key == LUAS__SINK_KEY(0) || key == LUAS__SINK_KEY(1)) {
        luas__sink_flush_all(&p->sinks, (int)key, &p->poller);
        return 0;
    }
    if (key == LUAS__ALARM || key == LUAS__WAKE) {
        luas__poller_acknowledge(&p->poller, key);
        p->alarmed |= key == LUAS__ALARM;
        return 0;
    }
    luas__worker *w = find(p, (uint32_t)(key >> 2));
    if (w == NULL || w->state == LUAS__WORKER_ENDED)
        return 0;
    switch ((enum luas__worker_event)(key & 3)) {
    case LUAS__ON_RESULT: {
        int rc = luas__receive_from(p, w);
        return rc == 0 && w->link.result < 0 ? luas__reap_worker(p, w) : rc;
    }
    case LUAS__ON_REQUEST:
        return luas__worker_flush(w, &p->poller);
    case LUAS__ON_END:
        return luas__reap_worker(p, w);
    case LUAS__ON_OUTPUT:
        return luas__output_read(&w->output, &p->poller);
    }
    return 0;
}

static int handle(luas__pool *p, const luas__event *events, int n)
{
    int rc = 0;
    for (int i = 0; i < n && rc == 0; i++)
        rc = handle_event(p, events[i].key);
    bool alarmed = p->alarmed;
    if (rc == 0)
        rc = luas__due_run(p);
    if (luas__events_wanted(&p->events))
        luas__events_tick(p);
    if (rc == 0)
        rc = luas__deadlines_check(p);
    return luas__drive_try_again(p, rc == 0 ? luas__schedule_deal(p, alarmed) : rc);
}

/* ---- a call that waits ---- */

static int prepare(luas__pool *p, void *host)
{
    luas__reap_free(p);
    luas__jobs_free_dropped(p);
    luas__scaling_relieve(p);
    luas__scaling_down(p, p->options.workers);
    int rc = luas__due_run(p);
    if (rc == 0)
        rc = luas__scaling_up(p, host);
    if (rc == 0)
        rc = luas__schedule_deal(p, false);
    return rc == 0 ? luas__deadlines_check(p) : rc;
}

static int wait_and_handle(luas__pool *p, int64_t timeout)
{
    luas__event events[MOST_EVENTS];
    if (timeout != 0 && luas__spin_for_result(p))
        return 0;
    luas__state_unlock(p);
    int64_t began = luas__now();
    int n = luas__poller_wait(&p->poller, events, MOST_EVENTS, timeout);
    int64_t waited = luas__now() - began;
    if (luas__state_lock(p) < 0)
        return LUAS_EFOREIGN;
    if (timeout != 0)
        luas__spin_learn(p, waited);
    int rc = handle(p, events, n);
    if (rc < 0)
        return rc;
    return n == -EINTR ? LUAS_EINTR : n;
}

int luas__drive_step(luas__pool *p, int64_t timeout, void *host)
{
    p->pumping.drivers++;
    int rc = luas__drive_try_again(p, prepare(p, host)), had = p->nworkers;
    if (rc == 0)
        rc = wait_and_handle(p, p->progress != p->noticed ? 0 : timeout);
    if (rc == LUAS_EFOREIGN)
        return rc;
    luas__reap_free(p);
    if (p->nworkers < had && luas__scaling_is_due(p))
        luas__poller_wake(&p->poller); /* the owner's loop is to step again: no other event may come */
    if (p->progress != p->noticed && rc >= 0)
        rc = 1;
    p->noticed = p->progress;
    if (--p->pumping.drivers == 0)
        luas__pump_resume(p);
    return rc > 0 ? 1 : rc;
}

/* ---- the library's thread ---- */

/* Replaces workers as far as that can be done without a fork here. */
static int renew(luas__pool *p)
{
    luas__reap_free(p);
    if (p->closing || p->health.broken != 0)
        return 0;
    p->scaling.asks_only = true;
    luas__scaling_relieve(p);
    luas__scaling_down(p, p->options.workers);
    int rc = luas__due_run(p);
    if (rc == 0)
        rc = luas__scaling_replace(p); /* this thread must not fork: it asks zygotes */
    p->scaling.asks_only = false;
    if (rc == 0)
        rc = luas__schedule_deal(p, false);
    return luas__drive_try_again(p, rc == 0 ? luas__deadlines_check(p) : rc);
}

static void rest(void)
{
    nanosleep(&(struct timespec){.tv_nsec = 10 * LUAS__MS}, NULL);
}

/* Replaces workers first. Those that the last call left may be used up or gone, and no event
   would tell. If that fails, the alarm is set to try again. */
void luas__drive_pumped(luas__pool *p)
{
    luas__event events[MOST_EVENTS];
    (void)renew(p);
    pthread_mutex_unlock(&p->lock);
    int n = luas__poller_wait(&p->poller, events, MOST_EVENTS, -1);
    luas__pump_enter(p);
    int rc = handle(p, events, n);
    if (rc < 0) { /* no memory: the alarm tries again */
        pthread_mutex_unlock(&p->lock);
        rest();
        luas__pump_enter(p);
    }
    luas__reap_free(p); /* no call may come to do it for a long time */
    if (p->pumping.drivers > 0) /* a call began to wait meanwhile: the event was for it */
        luas__poller_wake(&p->poller);
}
