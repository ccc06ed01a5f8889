/* The life of a job, and its places in lists and in the queue. */
#include "job.h"

#include <stdlib.h>

#include "clock.h"

luas__job *luas__job_new(const luas__policy *policy)
{
    luas__job *j = calloc(1, sizeof *j);
    if (j == NULL)
        return NULL;
    j->policy = *policy;
    j->made_at = luas__now_coarse();
    bool is_limited = policy->limit.n > 0 || policy->limit.interval > 0;
    j->input.limit = is_limited ? luas__limit_new(&policy->limit) : NULL;
    if (is_limited && j->input.limit == NULL) {
        free(j);
        return NULL;
    }
    return j;
}

void luas__job_free_batch(luas__batch *b)
{
    luas__buffer_release(&b->bytes);
    free(b->ends);
    luas__text_release(b->of.text);
    luas__surroundings_release(b->around);
    free(b);
}

static void free_batches(luas__job *j)
{
    for (size_t i = j->input.first_batch; i < j->input.nbatches; i++)
        if (j->input.batches[i].batch != NULL)
            luas__job_free_batch(j->input.batches[i].batch);
    free(j->input.batches);
}

void luas__job_move(luas__job *j, luas__job_list *list)
{
    if (j->list != NULL) {
        *j->link = j->next;
        if (j->next != NULL)
            j->next->link = j->link;
        else
            j->list->last = j->link;
    }
    j->list = list;
    j->next = NULL;
    if (list == NULL)
        return;
    j->link = list->last;
    *j->link = j;
    list->last = &j->next;
}

/* ---- its place in the queue ---- */

bool luas__job_ready(const luas__job *j)
{
    return j->input.waiting > 0 && !j->closed && !luas__job_full(j);
}

void luas__job_requeue(luas__job *j)
{
    bool ready = j->queue != NULL && luas__job_ready(j);
    if (ready && !j->queued)
        luas__queue_add(j->queue, &j->place);
    else if (!ready && j->queued)
        luas__queue_remove(j->queue, &j->place);
    j->queued = ready;
}

static void leave_queue(luas__job *j)
{
    if (j->queued)
        luas__queue_remove(j->queue, &j->place);
    j->queued = false;
}

void luas__job_enqueue(luas__job *j, luas__queue *q)
{
    leave_queue(j);
    j->place.priority = j->policy.priority;
    j->queue = q;
    luas__job_requeue(j);
}

void luas__job_place(luas__job *j, int64_t turn)
{
    leave_queue(j);
    j->place.age = turn;
    luas__job_requeue(j);
}

void luas__job_close(luas__job *j)
{
    j->closed = true;
    luas__job_requeue(j);
}

/* ---- its end ---- */

void luas__job_free(luas__job *j)
{
    if (j == NULL)
        return;
    luas__job_enqueue(j, NULL);
    luas__job_move(j, NULL);
    free_batches(j);
    free(j->definitions);
    luas__surroundings_release(j->around);
    luas__fd_set_release(&j->captured);
    luas__pending_release(&j->input.pending);
    luas__held_release(&j->input.held);
    luas__limit_free(j->input.limit);
    luas__buffer_release(&j->input.record);
    luas__buffer_release(&j->output.asked.inbox);
    luas__buffer_release(&j->output.asked.taken);
    if (j->seen.names != NULL)
        luas__job_free_batch(j->seen.names);
    luas__buffer_release(&j->output.inbox);
    luas__buffer_release(&j->output.taken);
    free(j);
}

bool luas__job_finished(const luas__job *j)
{
    return j->input.sealed && j->output.settled == j->input.fed;
}

bool luas__job_full(const luas__job *j)
{
    return j->policy.room > 0 && j->output.inbox.len > j->policy.room;
}
