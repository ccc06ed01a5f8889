/* Dealing and stealing. */
#define _GNU_SOURCE
#include "schedule.h"

#include <limits.h>

#include "clock.h"
#include "concurrency.h"
#include "error.h"
#include "job_inputs.h"
#include "wakes.h"

#define CHUNK_TIME (LUAS__MS / 2)
#define HORIZON (2 * LUAS__MS)
#define WORTH_STEALING (LUAS__MS / 5)
#define TIME_TO_START (20 * LUAS__MS)
#define LONGEST_TURN (LUAS__SECOND)

enum { MOST_CHUNK = 4096, MOST_CHUNKS = 64, MOST_BYTES = 1 << 20, MOST_IDLE_BYTES = 1 << 12,
       GROWTH = 8 };

static const luas__chunk *last_chunk(const luas__worker *w)
{
    return &w->tasks.chunks[w->tasks.nchunks - 1];
}

static bool is_able(const luas__worker *w, const luas__job *job)
{
    return w->state < LUAS__WORKER_STOPPING && !w->retiring
        && (job->snapshot.id == 0 || job->snapshot.id == w->snapshot);
}

/* In a broadcast: has this worker had its task? If all workers have and tasks are left, because
   there are fewer workers now, a second task is better than none. */
static bool has_had_its_own(const luas__pool *p, const luas__worker *w, const luas__job *job)
{
    if (!(job->policy.flags & LUAS__JOB_EACH) || !luas__worker_tasks_had(w, job))
        return false;
    int able = 0;
    for (int i = 0; i < p->nworkers; i++) {
        const luas__worker *other = p->workers[i];
        if (is_able(other, job) && !luas__worker_tasks_had(other, job))
            return true;
        able += is_able(other, job);
    }
    return able < p->options.workers;
}

/* Where the time between starts counts, a task starts when it is dealt, and not after init. */
static bool can_start(const luas__pool *p, const luas__worker *w, const luas__job *job)
{
    return job->policy.limit.interval == 0 || !p->options.has_init || w->ready;
}

static bool can_do(luas__pool *p, const luas__worker *w, luas__job *job)
{
    return is_able(w, job) && can_start(p, w, job) && !has_had_its_own(p, w, job)
        && (luas__concurrency_slots(p, job) > 0 || luas__concurrency_has(w, job));
}

/* How many tasks a worker may still do before it is replaced (max_tasks). */
static uint64_t lifetime(const luas__pool *p, const luas__worker *w)
{
    uint64_t most = p->options.max_tasks, had = w->tasks.served + w->tasks.unanswered;
    return most == 0 ? UINT64_MAX : had < most ? most - had : 0;
}

/* Has the worker room for a task of any job? */
static bool has_any_room(const luas__pool *p, const luas__worker *w)
{
    if (w->state >= LUAS__WORKER_STOPPING || w->retiring || lifetime(p, w) == 0)
        return false;
    return w->tasks.nchunks == 0
        || (w->deadline.stop_seq == 0 && w->link.out.len <= MOST_BYTES
            && w->tasks.nchunks < MOST_CHUNKS);
}

static bool has_room(const luas__worker *w, const luas__job *job)
{
    if (w->tasks.nchunks == 0)
        return true;
    if (job->policy.flags & LUAS__JOB_CAPTURE || job->input.limit != NULL)
        return false; /* one task at a time: each has its own output, or starts when it is dealt */
    return w->tasks.nchunks < 2
        || (job->pace.task_ns > 0 && w->tasks.unanswered * job->pace.task_ns < HORIZON);
}

static uint32_t chunk_size(const luas__pool *p, luas__job *job)
{
    if (job->policy.flags & (LUAS__JOB_CAPTURE | LUAS__JOB_EACH) || job->input.limit != NULL)
        return 1;
    if (job->policy.chunk > 0)
        return job->policy.chunk;
    if (job->pace.task_ns <= 0)
        return 1;
    double size = CHUNK_TIME / job->pace.task_ns;
    double grown = (double)job->pace.last_chunk * GROWTH;
    uint64_t hands = (uint64_t)(job->pace.concurrency > 0 ? job->pace.concurrency : p->options.workers);
    double fair = (double)(job->input.waiting / (2 * hands + 1) + 1);
    size = size < grown ? size : grown;
    size = size < fair ? size : fair;
    size = size < MOST_CHUNK ? size : MOST_CHUNK;
    return job->pace.last_chunk = size < 1 ? 1 : (uint32_t)size;
}

static bool idle(const luas__worker *w)
{
    return w->tasks.unanswered == 0 && w->state < LUAS__WORKER_STOPPING;
}

/* A task goes to the worker on which it failed only if no other is idle. That worker is known
   by its serial: a new worker may have its number. */
static uint32_t whom_to_avoid(luas__pool *p, const luas__worker *w, luas__job *job)
{
    if (luas__pending_first(&job->input.pending)->avoid != w->serial)
        return 0;
    for (int i = 0; i < p->nworkers; i++) {
        const luas__worker *other = p->workers[i];
        if (other != w && idle(other) && can_do(p, other, job))
            return w->serial;
    }
    return 0;
}

/* Counts the tasks that the job was dealt. When its turn is over it goes behind the other jobs
   of its priority. */
static void count_turn(luas__pool *p, luas__job *job, uint64_t tasks)
{
    double each = job->pace.task_ns;
    job->pace.turn += each > 0 ? each * (double)tasks : LUAS__SHORTEST_TURN;
    if (job->pace.turn < p->turns.length)
        return;
    double next = job->pace.turn / 2;
    next = next < LONGEST_TURN ? next : LONGEST_TURN;
    p->turns.length = next > LUAS__SHORTEST_TURN ? next : LUAS__SHORTEST_TURN;
    job->pace.turn = 0;
    luas__job_place(job, ++p->turns.last);
}

static int give(luas__pool *p, luas__worker *w, luas__job *job)
{
    uint64_t most = lifetime(p, w);
    uint32_t size = chunk_size(p, job);
    luas__range range;
    luas__batch *batch;
    int rc = luas__job_inputs_reserve(job, 1 + (size_t)p->spawn.pending); /* if forks fail, these
                                                                      ranges come back */
    if (rc < 0 || !luas__job_inputs_take(job, whom_to_avoid(p, w, job),
                                         size < most ? size : (uint32_t)most, &range, &batch))
        return rc;
    bool joins = job->pace.concurrency > 0 && !luas__concurrency_has(w, job);
    rc = luas__worker_tasks_give(w, job, range, batch);
    if (rc < 0) {
        luas__job_inputs_return(job, range);
        return rc;
    }
    job->pace.slots_left -= joins;
    count_turn(p, job, range.count);
    luas__wakes_set_limit(p, job);
    p->stats.chunks++;
    if (luas__events_wanted(&p->events))
        luas__events_dealt(p, w, job, range.first, range.count);
    return 1;
}

/* The jobs that have tasks for a worker, in order: those for any worker, and among them, by its
   priority, the job that the worker was forked for. */
typedef struct candidates {
    luas__queue_node *shared, *own;
    bool passed;            /* `shared` was the last one */
} candidates;

static candidates candidates_for(const luas__pool *p, const luas__worker *w)
{
    luas__job *own = w->snapshot_job;
    return (candidates){.shared = luas__queue_first(&p->ready),
                        .own = own != NULL && own->queued ? &own->place : NULL};
}

static luas__job *next_candidate(const luas__pool *p, candidates *c)
{
    if (c->passed)
        c->shared = luas__queue_next(&p->ready, c->shared);
    luas__queue_node *own = c->own, *next = c->shared;
    c->passed = next != NULL;
    if (own == NULL || (next != NULL && !luas__queue_is_before(own, next)))
        return luas__job_in(next);
    c->own = NULL;
    c->passed = false;
    return luas__job_in(own);
}

/* Gives the worker one chunk of the first job that it can do and has room for. Returns 1, or 0
   when there is none. */
static int serve(luas__pool *p, luas__worker *w)
{
    if (!has_any_room(p, w))
        return 0;
    candidates all = candidates_for(p, w);
    for (luas__job *job; (job = next_candidate(p, &all)) != NULL;) {
        if (!can_do(p, w, job))
            continue;
        if (!has_room(w, job))
            return 0;
        int rc = give(p, w, job);
        if (rc != 0)
            return rc;
    }
    return 0;
}

/* Gives one chunk to each of the workers *from to *to - 1 that has room. Narrows the range to
   those that may have room for more. */
static int serve_round(luas__pool *p, int *from, int *to)
{
    int first = *to, end = *from;
    for (int i = *from; i < *to; i++) {
        int rc = serve(p, p->workers[i]);
        if (rc < 0)
            return rc;
        if (rc == 0)
            continue;
        first = i < first ? i : first;
        end = i + 1;
    }
    *from = first;
    *to = end;
    return 0;
}

/* Deals in rounds, so that the first worker does not get everything. */
static int serve_all(luas__pool *p)
{
    int rc = 0, from = 0, to = p->nworkers;
    while (rc == 0 && from < to)
        rc = serve_round(p, &from, &to);
    return rc;
}

/* Has the worker had everything that it was sent for a while? If not, its tasks are about to
   arrive there, and sending them to another worker would take longer. */
static bool has_had_time(const luas__worker *w)
{
    return w->link.out.len == 0 && luas__now_coarse() - w->link.sent_at > TIME_TO_START;
}

/*
 * How long tasks will have to wait in a worker; 0: none waits. A single task that has not
 * started is about to start, so it does not count, unless it has waited for a while (`late`).
 */
static double backlog(const luas__worker *w, bool late)
{
    if (w->tasks.nchunks == 0 || (w->tasks.unanswered == 1 && !(late && has_had_time(w))))
        return 0;
    const luas__job *job = last_chunk(w)->job;
    uint32_t waiting = luas__worker_tasks_unstarted(w);
    if (!late && waiting == w->tasks.unanswered)
        waiting--;
    return waiting * (job->pace.task_ns > 0 ? job->pace.task_ns : (double)HORIZON);
}

/* Is there a worker from which an idle one could take tasks? */
static bool has_victim(luas__pool *p)
{
    for (int i = 0; i < p->nworkers; i++) {
        const luas__worker *w = p->workers[i];
        if (w->tasks.nchunks > 0 && w->state < LUAS__WORKER_REAPED
            && luas__concurrency_slots(p, last_chunk(w)->job) > 0)
            return true;
    }
    return false;
}

static luas__worker *most_loaded(luas__pool *p, const luas__worker *thief, bool late)
{
    double at_least = late ? 0 : WORTH_STEALING;
    luas__worker *found = NULL;
    for (int i = 0; i < p->nworkers; i++) {
        luas__worker *w = p->workers[i];
        double load = w->state >= LUAS__WORKER_REAPED ? 0 : backlog(w, late);
        if (load > at_least && can_do(p, thief, last_chunk(w)->job)) {
            at_least = load;
            found = w;
        }
    }
    return found;
}

/* Moves tasks that wait in one worker to an idle one. If only little waits, the alarm looks
   again soon: the task in front may turn out to be long. */
static int steal(luas__pool *p, bool late)
{
    if (!has_victim(p))
        return 0;
    for (int i = 0; i < p->nworkers; i++) {
        luas__worker *thief = p->workers[i];
        if (!idle(thief))
            continue;
        luas__worker *victim = most_loaded(p, thief, late);
        if (victim == NULL)
            continue;
        int rc = luas__worker_tasks_revoke(victim);
        if (rc == 0 && (rc = serve(p, thief)) >= 0)
            rc = serve_all(p);
        if (rc < 0)
            return rc;
        p->stats.steals++;
    }
    return 0;
}

/* Is there anything urgent to send? The message that a job is over can wait. */
static bool should_flush(const luas__worker *w)
{
    return (w->link.out.len > 0 || w->link.stop_unsent)
        && w->state < LUAS__WORKER_REAPED && !w->link.wants_write
        && (w->tasks.unanswered > 0 || w->told_to_stop || w->link.out.len > MOST_IDLE_BYTES);
}

static int flush_all(luas__pool *p)
{
    for (int i = 0; i < p->nworkers; i++) {
        luas__worker *w = p->workers[i];
        if (should_flush(w)) {
            int rc = luas__worker_flush(w, &p->poller);
            if (rc < 0)
                return rc;
        }
    }
    return 0;
}

int luas__schedule_deal(luas__pool *p, bool alarmed)
{
    luas__concurrency_begin(p);
    int rc = serve_all(p);
    if (rc == 0)
        rc = steal(p, alarmed);
    return rc == 0 ? flush_all(p) : rc;
}

int luas__schedule_first(luas__pool *p, luas__worker *w)
{
    luas__concurrency_begin(p);
    int rc = serve(p, w);
    if (rc > 0)
        rc = should_flush(w) ? luas__worker_flush(w, &p->poller) : 0;
    return rc;
}

/* How many pending tasks of the job idle workers could begin at once. */
static uint64_t available_of(luas__pool *p, luas__job *job)
{
    if (job->policy.flags & LUAS__JOB_EACH)
        return (uint64_t)p->options.workers;
    uint64_t slots = (uint64_t)luas__concurrency_slots(p, job);
    return job->pace.concurrency == 0 ? job->input.waiting : slots;
}

/* Are there more than `n` tasks that could begin elsewhere: pending ones, and in each worker all
   but the first? */
static bool is_available(luas__pool *p, uint64_t n)
{
    uint64_t found = 0;
    for (int i = 0; i < p->nworkers; i++) {
        const luas__worker *w = p->workers[i];
        luas__job *job = w->tasks.unanswered > 1 ? last_chunk(w)->job : NULL;
        if (job != NULL && job->snapshot.id == 0 && luas__concurrency_slots(p, job) == INT_MAX)
            found += w->tasks.unanswered - 1;
    }
    for (luas__queue_node *at = luas__queue_first(&p->ready); at != NULL && found <= n;
         at = luas__queue_next(&p->ready, at))
        found += available_of(p, luas__job_in(at));
    return found > n;
}

bool luas__schedule_needs_worker(luas__pool *p)
{
    luas__concurrency_begin(p);
    int unused = 0;
    for (int i = 0; i < p->nworkers; i++)
        unused += idle(p->workers[i]);
    return luas__state_active(p) < p->options.workers && is_available(p, (uint64_t)unused);
}

bool luas__schedule_is_spare(const luas__worker *w)
{
    return idle(w) && w->snapshot_job == NULL;
}
