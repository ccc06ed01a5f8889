/* Outcomes of a pool of luas.h, on their way to the application. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "clock.h"
#include "embed.h"
#include "error.h"
#include "job_outcomes.h"

/* How a worker ended, in the outcome's fields and in words. */
static void describe_end(luas_pool *p, int status, bool hung, luas_outcome *out)
{
    const char *format = "its worker ended, nobody knows how";
    int number = 0;
    if (status != -1 && WIFEXITED(status)) {
        format = "its worker exited with status %d";
        number = out->exitcode = WEXITSTATUS(status);
    } else if (status != -1 && WIFSIGNALED(status)) {
        format = "its worker was killed by signal %d";
        number = out->signal = WTERMSIG(status);
    }
    if (hung)
        format = "its worker was killed: " LUAS__HUNG_WORDS;
    snprintf(p->message, sizeof p->message, format, number);
}

static void describe(luas_pool *p, int status, bool hung, luas_outcome *out)
{
    out->message = p->message;
    switch (out->kind) {
    case LUAS_VALUE:
    case LUAS_ERROR:
        out->message = p->results.message;
        break;
    case LUAS_TIMEOUT:
        snprintf(p->message, sizeof p->message, "timed out after %g s",
                 (double)p->next_job->policy.timeout / 1e9);
        break;
    case LUAS_CRASH:
        describe_end(p, status, hung, out);
        break;
    case LUAS_CANCELLED:
        out->message = "cancelled";
        break;
    }
}

/* The outcome stays the next one. No event will tell when there is memory again, so the alarm
   is set. */
static int try_again(luas_pool *p, int rc)
{
    luas__poller_alarm(&p->pool->poller, luas__now() + 20 * LUAS__MS);
    return rc;
}

static void note_taken(luas_pool *p)
{
    for (int i = 0; i < p->njobs; i++)
        if (p->jobs[i].job == p->next_job)
            p->jobs[i].taken++;
    p->next.index++;
    p->next.count--;
}

/* The call is over: its label lives as long as its outcome. */
static luas__call forget(luas_pool *p, luas_outcome *out)
{
    luas__call call = luas__embed_calls_take(&p->calls, out->call);
    free(p->label);
    p->label = call.label;
    out->data = call.data;
    out->position = call.position;
    out->label = call.label != NULL ? call.label : "";
    return call;
}

/* What the call printed lies behind its payload. */
static int keep_printed(luas_pool *p, luas_outcome *out)
{
    luas__buffer_truncate(&p->printed, 0);
    int rc = luas__buffer_append(&p->printed, p->payload + p->next.len, p->next.printed);
    if (rc == 0)
        rc = luas__buffer_append(&p->printed, "", 1);
    if (rc < 0)
        return rc;
    out->printed = luas__buffer_bytes(&p->printed);
    out->printed_size = p->next.printed;
    return 0;
}

static int give(luas_pool *p, luas_outcome *out, luas__call *call)
{
    const luas__outcome *o = &p->next;
    const luas__results *r = &p->results;
    int kind = luas__results_read(&p->results, o->in_init ? LUAS__KIND_ERROR : o->kind, p->payload, o->len);
    if (kind < 0)
        return try_again(p, kind);
    if (o->in_init)
        kind = o->kind;
    *out = (luas_outcome){.size = sizeof *out, .call = luas__embed_number(p->next_job->id, o->index),
                          .kind = (luas_kind)kind, .count = kind > LUAS__KIND_ERROR ? 0 : r->count,
                          .results = r->values, .traceback = r->traceback, .pid = o->pid,
                          .exitcode = -1, .took = o->took};
    int rc = keep_printed(p, out);
    if (rc < 0)
        return try_again(p, rc);
    describe(p, o->status, o->hung, out);
    if (o->in_init) /* whatever the kind, in the words that came with it */
        out->message = r->message;
    *call = forget(p, out);
    note_taken(p);
    return 1;
}

/* Begins with the job behind the one that came last: none has to wait for ever. */
static bool find_next(luas_pool *p)
{
    for (int i = 1; i <= p->njobs; i++) {
        int at = (p->looked_at + i) % p->njobs;
        luas__job *job = p->jobs[at].job;
        const luas__outcome *o = luas__pool_take(p->pool, job) ? luas__job_outcomes_next(job, &p->payload) : NULL;
        if (o == NULL)
            continue;
        p->next = *o;
        p->next_job = job;
        p->looked_at = at;
        return true;
    }
    return false;
}

/* Returns 1 and an outcome, or 0 when there is none. */
static int take(luas_pool *p, luas_outcome *out, luas__call *call)
{
    return p->next.count > 0 || find_next(p) ? give(p, out, call) : 0;
}

/* Steps until nothing happens: a worker that has ended is replaced only in the next step. */
static int step_and_take(luas_pool *p, luas_outcome *out, luas__call *call)
{
    int rc;
    while ((rc = take(p, out, call)) == 0)
        if ((rc = luas__pool_step(p->pool, 0, p)) <= 0)
            return rc == LUAS_EINTR ? 0 : rc;
    return rc;
}

/* After so many the application's loop has its turn, though receivers submit more and more. */
enum { MOST_RECEIVED = 1000 };

/* Gives it to its receiver. Returns false if there is none. */
static bool receive(luas_pool *p, const luas_outcome *out, const luas__call *call)
{
    luas_receiver *receiver = call->receive != NULL ? call->receive : p->receive;
    if (receiver == NULL)
        return false;
    p->is_receiving = true;
    receiver(call->receive != NULL ? call->data : p->receiver_data, out);
    p->is_receiving = false;
    return true;
}

static int next(luas_pool *p, luas_outcome *out)
{
    luas__call call;
    for (int i = 0; i < MOST_RECEIVED; i++) {
        int rc = step_and_take(p, out, &call);
        if (rc <= 0 || !receive(p, out, &call))
            return rc;
    }
    luas__poller_wake(&p->pool->poller);
    return 0;
}

/* The header maps this name to a function that sets the size. */
#undef luas_next

int luas_next(luas_pool *p, luas_outcome *outcome)
{
    luas_outcome full;
    size_t size = outcome->size;
    if (p->is_receiving)
        return LUAS_EINVAL;
    int rc = luas__embed_is_foreign(p) ? LUAS_EFOREIGN : next(p, &full);
    if (rc < 0)
        p->failure = rc;
    if (rc > 0) {
        full.size = size;
        memset(outcome, 0, size);
        memcpy(outcome, &full, size < sizeof full ? size : sizeof full);
    }
    return rc;
}

void luas_on_outcome(luas_pool *p, luas_receiver *receiver, void *data)
{
    p->receive = receiver;
    p->receiver_data = data;
}

int luas_wait(luas_pool *p, double seconds)
{
    if (luas__embed_is_foreign(p))
        return LUAS_EFOREIGN;
    if (p->is_receiving)
        return LUAS_EINVAL;
    if (luas__embed_has_outcome(p))
        return 1;
    return luas__pool_step(p->pool, luas__seconds(seconds), p);
}
