/* Jobs in a queue that is ordered by time. */
#define _GNU_SOURCE
#include "wakes.h"

#include <stddef.h>

static luas__job *job_at(luas__queue_node *node)
{
    return node != NULL ? (luas__job *)(void *)((char *)node - offsetof(luas__job, wake.place)) : NULL;
}

static int64_t time_of(const luas__job *job)
{
    int64_t at = luas__held_next(&job->input.held), end = job->wake.deadline;
    int64_t limit = job->input.limit != NULL ? luas__limit_next(job->input.limit) : INT64_MAX;
    at = limit < at ? limit : at;
    return end != 0 && end < at ? end : at;
}

void luas__wakes_forget(luas__pool *p, luas__job *job)
{
    if (job->wake.is_set)
        luas__queue_remove(&p->wakes, &job->wake.place);
    job->wake.is_set = false;
}

void luas__wakes_set(luas__pool *p, luas__job *job)
{
    luas__wakes_forget(p, job);
    int64_t at = time_of(job);
    if (at == INT64_MAX || job->done)
        return;
    job->wake.place.priority = -at;
    job->wake.place.age = job->id;
    job->wake.is_set = true;
    luas__queue_add(&p->wakes, &job->wake.place);
}

luas__job *luas__wakes_due(const luas__pool *p, int64_t now)
{
    luas__queue_node *first = luas__queue_first(&p->wakes);
    return first != NULL && -first->priority <= now ? job_at(first) : NULL;
}

int64_t luas__wakes_next(const luas__pool *p)
{
    const luas__queue_node *first = p->wakes.root != NULL ? luas__queue_first(&p->wakes) : NULL;
    return first != NULL ? -first->priority : INT64_MAX;
}
