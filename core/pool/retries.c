/* Pauses between tries, and questions to the owner. */
#define _GNU_SOURCE
#include "retries.h"

#include "clock.h"
#include "halt.h"
#include "job_inputs.h"
#include "job_outcomes.h"
#include "jobs.h"
#include "queue.h"
#include "wakes.h"

enum luas__retry luas__retries_decide(const luas__job *job, int kind, uint32_t attempts)
{
    const luas__policy *policy = &job->policy;
    bool ended = kind == LUAS__KIND_CRASH || kind == LUAS__KIND_TIMEOUT, raised = kind == LUAS__KIND_ERROR;
    if (attempts >= (uint32_t)policy->retries || job->closed || !(ended || raised))
        return LUAS__RETRY_NOT;
    /* not where several workers in a row have died before they began a task of the job */
    if (ended && job->failed_starts > LUAS__MOST_FAILED_STARTS)
        return LUAS__RETRY_NOT;
    switch (policy->retry.on) {
    case LUAS__RETRY_CRASHES: return ended ? LUAS__RETRY_AGAIN : LUAS__RETRY_NOT;
    case LUAS__RETRY_ERRORS: return raised ? LUAS__RETRY_AGAIN : LUAS__RETRY_NOT;
    case LUAS__RETRY_ANY: return LUAS__RETRY_AGAIN;
    case LUAS__RETRY_ASK: return LUAS__RETRY_ASK_OWNER;
    }
    return LUAS__RETRY_NOT;
}

/* From 0 to 1. With a seed the same for the same try of the same task. */
static double draw(const luas__job *job, luas__range task)
{
    bool seeded = job->policy.flags & LUAS__JOB_SEEDED;
    uint64_t from = seeded ? (uint64_t)job->policy.seed : (uint64_t)luas__now();
    uint64_t x = luas__queue_scramble(luas__queue_scramble(luas__queue_scramble(from) + task.first) + task.attempts);
    return (double)(x >> 11) / (double)(UINT64_C(1) << 53);
}

/* Up to a quarter longer than the policy says, so that what failed together does not come
   again together. */
static int64_t pause_before(const luas__job *job, luas__range task)
{
    double most = (double)job->policy.retry.max;
    double pause = (double)job->policy.retry.delay * (1 + draw(job, task) / 4);
    for (uint32_t i = 1; i < task.attempts && pause < most; i++)
        pause *= job->policy.retry.factor;
    return pause < most ? (int64_t)pause : job->policy.retry.max;
}

int luas__retries_again(luas__pool *p, luas__job *job, luas__range task)
{
    int rc = job->policy.retry.delay == 0 ? luas__job_inputs_again(job, task)
        : luas__held_add(&job->input.held, task, luas__now() + pause_before(job, task));
    luas__wakes_set(p, job);
    p->stats.retries += rc == 0;
    return rc;
}

/* ---- the owner decides ---- */

int luas__retries_ask(luas__job *job, const luas__outcome *o, const char *payload,
                      const luas__buffer *printed)
{
    luas__range task = {.first = o->index, .count = 1, .attempts = o->attempts};
    int rc = luas__held_add(&job->input.held, task, LUAS__HELD_FOR_GOOD);
    if (rc < 0)
        return rc;
    rc = luas__job_outcomes_ask(job, o, payload, printed);
    if (rc < 0)
        luas__held_remove(&job->input.held, luas__held_for_good(&job->input.held, o->index));
    return rc;
}

const luas__outcome *luas__retries_asked(luas__pool *p, luas__job *job, const char **payload)
{
    if (job->output.asked.taken.len == 0) {
        if (luas__state_lock(p) < 0)
            return NULL;
        luas__job_outcomes_swap_asked(job);
        luas__state_unlock(p);
    }
    return luas__job_outcomes_asked(job, payload);
}

/* Forgets that the task waits for an answer. */
static void let_go(luas__job *job, uint64_t index)
{
    const luas__range *held = luas__held_for_good(&job->input.held, index);
    if (held != NULL)
        luas__held_remove(&job->input.held, held);
}

/* It is let go before the job may halt, which cancels all that are held. */
static int settle(luas__pool *p, luas__job *job, const luas__outcome *o, const char *payload)
{
    int rc = luas__job_outcomes_settle_asked(job, o, payload);
    if (rc < 0)
        return rc;
    let_go(job, o->index);
    luas__state_count(&p->stats, o);
    if (luas__events_wanted(&p->events))
        luas__events_unbegun(p, job, 1, o->kind);
    luas__halt_look(p, job);
    if (luas__job_finished(job))
        luas__jobs_done(p, job);
    p->progress++;
    return 0;
}

static int start_again(luas__pool *p, luas__job *job, luas__range task)
{
    int rc = luas__retries_again(p, job, task);
    if (rc == 0)
        let_go(job, task.first);
    return rc;
}

static int answer(luas__pool *p, luas__job *job, bool again)
{
    const char *payload;
    const luas__outcome *o = luas__job_outcomes_asked(job, &payload);
    const luas__range *held = o != NULL ? luas__held_for_good(&job->input.held, o->index) : NULL;
    if (held == NULL)
        return 0; /* it was cancelled */
    return again && !job->closed ? start_again(p, job, *held) : settle(p, job, o, payload);
}

int luas__retries_answer(luas__pool *p, luas__job *job, bool again)
{
    if (luas__state_lock(p) < 0)
        return LUAS_EFOREIGN;
    int rc = answer(p, job, again);
    if (rc == 0)
        luas__job_outcomes_answered(job);
    luas__state_unlock(p);
    return rc;
}
