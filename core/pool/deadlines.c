/* The clock of a pool. */
#define _GNU_SOURCE
#include "deadlines.h"

#include <signal.h>
#include <stdio.h>

#include "clock.h"
#include "concurrency.h"
#include "deadlock.h"
#include "events.h"
#include "procfs.h"
#include "reap.h"
#include "receive.h"
#include "rest.h"
#include "starts.h"
#include "trust.h"
#include "wakes.h"

/* How often to check workers that are late with something. */
#define TICK (5 * LUAS__MS)

/* The answer of a task that ended just as it was to be killed arrives within this time. */
#define TIME_TO_ANSWER LUAS__SECOND

/* A worker that has not begun a task after this time never will. The task then goes to another
   worker, which gets twice as long, and so on, up to a limit of doublings. */
#define TIME_TO_BEGIN (2 * LUAS__SECOND)
enum { MOST_STUCK = 2 };

void luas__deadlines_stop_task(luas__pool *p, luas__worker *w, uint16_t kind)
{
    const luas__chunk *running = luas__worker_tasks_running(w);
    if (running == NULL || w->deadline.stop_seq == running->seq)
        return;
    w->deadline.stop_seq = running->seq;
    w->deadline.stop_kind = kind;
    w->deadline.kill_at = luas__now() + running->job->policy.grace;
    atomic_store(&w->scoreboard->stop, running->seq);
    luas__child_signal(&w->child, SIGUSR1);
    luas__poller_alarm(&p->poller, w->deadline.kill_at);
}

/* Memory beyond Lua's own that a worker may have: libraries, stacks, fragments. */
static size_t generous(size_t bytes)
{
    return bytes + bytes / 4 + (16 << 20);
}

/* Finds memory that C code has allocated. Lua's own limit does not count it. */
static void weigh(luas__pool *p, luas__worker *w)
{
    size_t now = luas__procfs_rss(w->pid);
    if (w->resident == 0) /* unknown when it was forked */
        w->resident = now;
    size_t grown = now > w->resident ? now - w->resident : 0;
    if (p->options.max_memory > 0 && grown > p->options.max_memory)
        w->retiring = true;
    if (p->options.memory > 0 && grown > generous(p->options.memory)) {
        w->over_memory = true;
        luas__child_signal_group(&w->child, SIGKILL);
    }
}

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* Takes back the tasks that have not started. Kills the worker if it has no other. */
static void give_up(luas__worker *w)
{
    if (luas__worker_tasks_revoke(w) < 0 || w->tasks.unanswered > 0)
        return;
    w->retiring = true;
    luas__child_signal_group(&w->child, SIGKILL);
}

/* The first task of the worker has timed out before it began. It is settled when the worker
   has ended. */
static void end_unstarted(luas__worker *w)
{
    w->deadline.stop_seq = w->tasks.chunks[0].seq;
    w->deadline.stop_kind = LUAS__KIND_TIMEOUT;
    w->deadline.kill_at = INT64_MAX;
    luas__child_signal_group(&w->child, SIGKILL);
}

/* Could the worker begin its next task? It was sent everything, and init has run. */
static bool can_begin(const luas__pool *p, const luas__worker *w)
{
    return w->link.out.len == 0 && (w->ready || !p->options.has_init);
}

/* Has the worker been able to begin for too long? Then the code of a definition (a module that
   it loads) does not end, or the machine is very busy. */
static bool is_stuck(const luas__pool *p, const luas__worker *w, int64_t waited)
{
    int before = w->tasks.chunks[0].job->failed_starts;
    return waited > TIME_TO_BEGIN << (before < MOST_STUCK ? before : MOST_STUCK)
        && can_begin(p, w);
}

/* A task in a worker that was stopped by a signal, or that is stuck, never begins and so never
   times out. It is dealt to another worker. If that does not help either, and nobody stops
   workers, the task counts as timed out. */
static void move_unstarted(const luas__pool *p, luas__worker *w, int64_t waited)
{
    luas__job *job = w->tasks.chunks[0].job;
    if (luas__child_is_stopped(&w->child))
        give_up(w);
    else if (!is_stuck(p, w, waited))
        return;
    else if (++job->failed_starts > MOST_STUCK)
        end_unstarted(w);
    else
        give_up(w);
}

/* A worker that runs nothing after a task was taken back from it may hang in that task's
   definition. Tasks that it is dealt later would wait for ever. So it is killed after a
   while. */
static int64_t watch_idle(const luas__pool *p, luas__worker *w, int64_t now)
{
    bool passed = !luas__scoreboard_is_after(w->tasks.revoked_seq,
                                             atomic_load(&w->scoreboard->passed));
    if (passed)
        w->tasks.revoked_seq = 0;
    if (passed || !can_begin(p, w)) {
        w->tasks.idle_since = 0;
        return INT64_MAX;
    }
    if (w->tasks.idle_since == 0)
        w->tasks.idle_since = now;
    if (now - w->tasks.idle_since > TIME_TO_BEGIN)
        give_up(w);
    return now + 4 * TICK;
}

static int64_t watch_unstarted(luas__pool *p, luas__worker *w, int64_t timeout, int64_t now)
{
    uint32_t seq = w->tasks.chunks[0].seq;
    if (w->deadline.waiting_since == 0 || w->deadline.waiting_seq != seq) {
        w->deadline.waiting_since = now;
        w->deadline.waiting_seq = seq;
    } else if (p->alarmed && now - w->deadline.waiting_since > timeout) {
        move_unstarted(p, w, now - w->deadline.waiting_since);
    }
    return now + earlier(timeout, TICK);
}

/* Kills a worker whose task did not stop. The tasks behind it are taken back first: the task
   may end before the signal arrives, and then the signal would hit the next one. */
static void kill_stopped(luas__worker *w, int64_t now)
{
    if (luas__worker_tasks_revoke(w) == 0
        && (luas__worker_tasks_started(w) == w->deadline.stop_seq
            || now > w->deadline.kill_at + TIME_TO_ANSWER))
        luas__child_signal_group(&w->child, SIGKILL);
}

/* Stops a task that has passed its deadline. Returns when to check this worker next. */
static int64_t watch_deadline(luas__pool *p, luas__worker *w, int64_t now)
{
    if (w->deadline.stop_seq != 0) {
        if (now >= w->deadline.kill_at)
            kill_stopped(w, now);
        return now >= w->deadline.kill_at ? now + TICK : w->deadline.kill_at;
    }
    const luas__job *job = w->tasks.nchunks > 0 ? w->tasks.chunks[0].job : NULL;
    const luas__chunk *running = luas__worker_tasks_running(w);
    if (running != NULL)
        w->tasks.idle_since = 0;
    else if (w->tasks.revoked_seq != 0)
        return watch_idle(p, w, now);
    if (job == NULL || job->policy.timeout == 0)
        return INT64_MAX;
    /* The worker stores the time and then claims. So if the claim is the same before and after
       we read the time, the time belongs to that task. */
    int64_t since = luas__worker_tasks_since(w);
    if (running == NULL || since == 0)
        return watch_unstarted(p, w, job->policy.timeout, now);
    w->deadline.waiting_since = 0;
    if (luas__worker_tasks_started(w) != running->seq)
        return now + TICK; /* answers wait in the pipe or the ring */
    if (now - since < job->policy.timeout)
        return since + job->policy.timeout;
    luas__deadlines_stop_task(p, w, LUAS__KIND_TIMEOUT);
    return w->deadline.kill_at;
}

static void kill_at_exit(luas__pool *p, luas__worker *w)
{
    char words[100];
    int len = snprintf(words, sizeof words, "%s %d was killed, as it had not ended %g s after it was told to",
                       p->options.label, w->number, (double)p->options.exit_timeout / 1e9);
    luas__child_signal_group(&w->child, SIGKILL);
    luas__state_note(p, "", words, (size_t)len);
}

/* From when it has nothing else to do a worker that was told to stop has some time for
   that. */
static int64_t watch_exit(luas__pool *p, luas__worker *w, int64_t now)
{
    if (w->state != LUAS__WORKER_STOPPING || p->options.exit_timeout == 0
        || w->tasks.unanswered > 0 || w->link.out.len > 0)
        return INT64_MAX;
    if (w->deadline.exit_by == 0)
        w->deadline.exit_by = now + p->options.exit_timeout;
    if (now < w->deadline.exit_by)
        return w->deadline.exit_by;
    if (w->deadline.exit_by < INT64_MAX)
        kill_at_exit(p, w);
    w->deadline.exit_by = INT64_MAX;
    return INT64_MAX;
}

/* Is there a worker that could take what waits in others? */
static bool has_idle(const luas__pool *p)
{
    for (int i = 0; i < p->nworkers; i++)
        if (p->workers[i]->state == LUAS__WORKER_RUNNING && p->workers[i]->tasks.unanswered == 0)
            return true;
    return false;
}

/* Does the first unanswered task run? */
static bool runs_first(const luas__worker *w)
{
    const luas__chunk *first = &w->tasks.chunks[0];
    return luas__worker_tasks_started(w) - first->seq < first->count;
}

/*
 * Finished results may wait in the ring behind a task that takes long; and a task behind it, for
 * an idle worker. A worker that ends a long task writes to the pipe, and so does one that has
 * begun. So once a task has run for some time, and all that came before is here, there is nothing
 * to look for; and for idle workers less and less.
 */
static int64_t watch_waiting(const luas__pool *p, luas__worker *w, int64_t now)
{
    uint32_t started = luas__worker_tasks_started(w);
    if (w->tasks.steady_since == 0 || w->tasks.steady_seq != started) {
        w->tasks.steady_seq = started;
        w->tasks.steady_since = now;
    }
    int64_t age = now - w->tasks.steady_since;
    bool begins = p->options.has_init && !w->ready;
    if (!begins && (age < 4 * TICK || luas__worker_is_ahead(w)))
        return now + TICK;
    if ((begins || runs_first(w)) && !has_idle(p))
        return INT64_MAX;
    return now + (age / 4 < TICK ? TICK : age / 4 < LUAS__SECOND ? age / 4 : LUAS__SECOND);
}

static int look_at(luas__pool *p, luas__worker *w, int64_t now, int64_t *next)
{
    /* Messages for which there was no memory are still in link.in. */
    int rc = w->link.in.len > 0 ? luas__receive_messages(p, w) : 0;
    /* The host's stdout or stderr may take more again. */
    if (rc == 0)
        rc = luas__output_go_on(&w->output, &p->poller, luas__worker_key(w, LUAS__ON_OUTPUT));
    if (w->tasks.unanswered > 1) {
        if (p->alarmed && rc == 0)
            rc = luas__receive_catch_up(p, w);
        if (w->tasks.nchunks > 0)
            *next = earlier(*next, watch_waiting(p, w, now));
    } else if (w->tasks.unanswered == 1 && luas__worker_tasks_unstarted(w) == 1
               && has_idle(p)) {
        *next = earlier(*next, now + 4 * TICK); /* an idle one may be quicker */
    }
    if (w->child.watch < 0)
        *next = earlier(*next, now + TICK);
    if (luas__state_weighs(p) && p->alarmed)
        weigh(p, w);
    if (luas__state_weighs(p) && w->tasks.unanswered > 0)
        *next = earlier(*next, now + 2 * TICK);
    *next = earlier(*next, watch_deadline(p, w, now));
    *next = earlier(*next, luas__starts_watch(p, w, now));
    *next = earlier(*next, watch_exit(p, w, now));
    *next = earlier(*next, luas__deadlock_watch(w, p->options.has_init && !w->ready, now));
    *next = earlier(*next, luas__rest_watch(p, w, now));
    return rc;
}

int luas__deadlines_check(luas__pool *p)
{
    int64_t next = luas__concurrency_retry_at(p), now = luas__now();
    int rc = 0;
    luas__trust_check(p, now);
    for (int i = 0; i < p->nworkers && rc == 0; i++) {
        luas__worker *w = p->workers[i];
        if (w->state == LUAS__WORKER_REAPED
            || (w->state < LUAS__WORKER_REAPED && w->child.watch < 0))
            rc = luas__reap_worker(p, w);
        if (w->state != LUAS__WORKER_ENDED && rc == 0)
            rc = look_at(p, w, now, &next);
    }
    p->alarmed = false;
    if (rc < 0)
        return rc;
    next = earlier(next, luas__starts_retry_at(p));
    next = earlier(next, luas__wakes_next(p));
    next = earlier(next, luas__events_due(p));
    if (p->spawn.failed)
        next = earlier(next, now + 20 * TICK);
    return next < INT64_MAX ? luas__poller_alarm(&p->poller, next) : 0;
}
