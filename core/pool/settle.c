/* Outcomes, retries, and how long tasks take. */
#define _GNU_SOURCE
#include "settle.h"

#include "clock.h"
#include "error.h"
#include "halt.h"
#include "job_outcomes.h"
#include "jobs.h"
#include "retries.h"
#include "wakes.h"

/* What the task that has just ended printed, or NULL if output is not captured. With captured
   output a worker has one task at a time: so everything in the pipe belongs to this task. */
static luas__buffer *captured(luas__pool *p, luas__worker *w)
{
    if (w->output.mode == LUAS__OUTPUT_INHERIT)
        return NULL;
    luas__output_read(&w->output, &p->poller);
    return w->output.mode == LUAS__OUTPUT_CAPTURE ? &w->output.text[0] : NULL;
}

static int settle(luas__pool *p, luas__worker *w, const luas__outcome *o, const char *payload)
{
    luas__job *job = w->tasks.chunks[0].job;
    luas__buffer *text = captured(p, w);
    int rc = job->seen.stamp > 0 ? luas__job_outcomes_reserve(job, o, text) : 0;
    if (rc == 0 && job->seen.stamp > 0)
        rc = luas__events_ended(p, w, o, payload, false); /* while the inputs are there */
    if (rc == 0)
        rc = luas__job_outcomes_settle(job, o, payload, text);
    if (rc < 0)
        return rc;
    luas__state_count(&p->stats, o);
    if (text != NULL)
        luas__output_forget(&w->output);
    luas__worker_tasks_answered(w, (uint32_t)o->count);
    luas__wakes_set_limit(p, job);
    job->failed_starts = 0;
    w->deadline.stop_seq = 0;
    p->progress++;
    luas__halt_look(p, job);
    if (luas__job_finished(job))
        luas__jobs_done(p, job);
    return 0;
}

/* Has the task started again, in another worker if there is one; or has the owner asked. */
static int retry(luas__pool *p, luas__worker *w, const luas__outcome *o, const char *payload, bool asks)
{
    const luas__chunk *c = &w->tasks.chunks[0];
    luas__range again = {.first = c->index, .count = 1, .attempts = c->attempts + 1,
                         .avoid = w->serial};
    luas__buffer *text = captured(p, w);
    int rc = asks ? luas__retries_ask(c->job, o, payload, text) : luas__retries_again(p, c->job, again);
    if (rc < 0)
        return rc;
    if (c->job->seen.stamp > 0)
        luas__events_ended(p, w, o, payload, true);
    if (text != NULL)
        luas__output_forget(&w->output); /* the last attempt's is what counts */
    luas__job *job = c->job;
    job->failed_starts = 0;
    luas__worker_tasks_answered(w, 1);
    luas__wakes_set_limit(p, job);
    w->deadline.stop_seq = 0;
    p->progress++;
    return 0;
}

/* Gives the seconds that the first unanswered task has run, which cannot say it any more. */
static float time_of(const luas__worker *w)
{
    int64_t since = atomic_load(&w->scoreboard->since), now = luas__now();
    bool is_known = luas__worker_tasks_running(w) != NULL && since > 0 && since < now;
    return is_known ? (float)((double)(now - since) / 1e9) : 0;
}

/* Settles the first unanswered task of a worker. */
int luas__settle_task(luas__pool *p, luas__worker *w, int kind, luas__mp_reader *payload, int status)
{
    const luas__chunk *c = &w->tasks.chunks[0];
    luas__outcome o = {.index = c->index, .count = 1, .kind = (uint8_t)kind, .over_memory = w->over_memory, .hung = w->lock.hangs && kind == LUAS__KIND_CRASH,
                       .attempts = (uint16_t)(c->attempts + 1), .worker = w->number,
                       .pid = w->pid, .status = status};
    const char *bytes = payload != NULL ? (const char *)payload->at : NULL;
    if (payload != NULL)
        o.len = (uint32_t)(payload->end - payload->at) - c->job->seen.stamp;
    o.took = payload == NULL ? time_of(w) : luas__job_outcomes_took(c->job, bytes + o.len);
    o.expired = kind == LUAS__KIND_CANCELLED && c->job->expired;
    enum luas__retry again = luas__retries_decide(c->job, kind, c->attempts);
    return again == LUAS__RETRY_NOT ? settle(p, w, &o, bytes)
        : retry(p, w, &o, bytes, again == LUAS__RETRY_ASK_OWNER);
}

/* A worker that was forked so long after its snapshot was wanted replaces another one. */
#define LATE (LUAS__SECOND / 20)

/* Since when the worker was wanted for this job, of which it has done its first chunk. Those that a pool
   begins with tell as much. 0: it is not known. */
static int64_t wanted_since(const luas__pool *p, const luas__worker *w, const luas__job *job)
{
    if (w->process != NULL)
        return 0;
    if (w->snapshot == 0)
        return p->scaling.cost_of == 0 || p->scaling.cost_of == job->id ? w->wanted_at : 0;
    bool is_own = w->snapshot == job->snapshot.id && w->forked_at - job->snapshot.begun_at <= LATE;
    return is_own ? job->snapshot.begun_at : 0;
}

/* What else the machine does makes it longer; and shipping too, which is known in time of the CPU. So
   the short ones count most; and little of the first one, when nothing is warm. */
static int64_t cost_after(int64_t before, int64_t took)
{
    if (before == 0)
        return took / 3;
    took = took < 4 * before ? took : 4 * before;
    return took < before ? took : before + (took - before) / 4;
}

/* Learns what it takes to have a job inherited: from the request for workers to the end of the last
   worker's first chunk, without the `spent` time of that chunk. */
static void measure_start(luas__pool *p, const luas__worker *w, const luas__job *job, int64_t spent)
{
    int64_t now = luas__now(), since = wanted_since(p, w, job), took = now - since - spent;
    if (since == 0 || took <= 0)
        return;
    if (p->scaling.cost_of != job->id)
        p->scaling.cost_before = p->scaling.inherit_cost;
    p->scaling.cost_of = job->id;
    p->scaling.inherit_cost = cost_after(p->scaling.cost_before, took);
    p->scaling.cost_seen_at = now;
}

void luas__settle_measure(luas__pool *p, luas__worker *w)
{
    luas__job *job = w->tasks.chunks[0].job;
    uint64_t busy = (uint64_t)atomic_load_explicit(&w->scoreboard->busy, memory_order_acquire);
    uint64_t spent = busy - (uint64_t)w->tasks.busy;
    bool is_first = w->tasks.busy == 0;
    w->tasks.busy = (int64_t)busy;
    if (spent > (uint64_t)luas__now_coarse())
        return; /* longer than the machine runs: somebody has written there */
    if (is_first)
        measure_start(p, w, job, (int64_t)spent);
    double each = (double)spent / w->tasks.chunks[0].size;
    job->pace.steady_ns += (each - job->pace.steady_ns) / 128;
    if (each > 0)
        job->pace.task_ns = job->pace.task_ns > 0 ? 0.5 * job->pace.task_ns + 0.5 * each : each;
}

int luas__settle_values(luas__pool *p, luas__worker *w, uint32_t n, size_t len, bool framed)
{
    const luas__chunk *c = &w->tasks.chunks[0];
    const char *payload = luas__buffer_bytes(&w->link.in), *at = payload;
    luas__outcome o = {.index = c->index, .count = n, .kind = LUAS__KIND_VALUE, .framed = framed,
                       .attempts = (uint16_t)(c->attempts + 1), .worker = w->number,
                       .pid = w->pid, .len = (uint32_t)len};
    if (!framed) {
        payload = luas__frame_next_value(&at, &o.len);
        if (o.len < c->job->seen.stamp)
            return LUAS_EPROTO;
        o.len -= c->job->seen.stamp;
    }
    if (c->count == n)
        luas__settle_measure(p, w);
    return settle(p, w, &o, payload);
}
