/* Tasks in a queue that is ordered by time, then by index. */
#include "held.h"

#include <stdlib.h>

#include "error.h"

static const luas__range *range_at(const luas__queue_node *place)
{
    return place != NULL ? &((const luas__pending_range *)(const void *)place)->range : NULL;
}

static int64_t time_at(const luas__queue_node *place)
{
    return -place->priority;
}

void luas__held_release(luas__held *h)
{
    for (const luas__range *task; (task = range_at(luas__queue_first(&h->tasks))) != NULL;)
        luas__held_remove(h, task);
}

int luas__held_add(luas__held *h, luas__range task, int64_t until)
{
    luas__pending_range *r = malloc(sizeof *r);
    if (r == NULL)
        return LUAS_ENOMEM;
    r->range = task;
    r->place.priority = -until;
    r->place.age = (int64_t)task.first;
    luas__queue_add(&h->tasks, &r->place);
    return 0;
}

int64_t luas__held_next(const luas__held *h)
{
    const luas__queue_node *first = luas__queue_first(&h->tasks);
    return first != NULL ? time_at(first) : LUAS__HELD_FOR_GOOD;
}

const luas__range *luas__held_due(const luas__held *h, int64_t now)
{
    const luas__queue_node *first = luas__queue_first(&h->tasks);
    return first != NULL && time_at(first) <= now ? range_at(first) : NULL;
}

const luas__range *luas__held_between(const luas__held *h, uint64_t from, uint64_t to)
{
    const luas__queue_node *at = luas__queue_first(&h->tasks);
    while (at != NULL && (range_at(at)->first < from || range_at(at)->first > to))
        at = luas__queue_next(&h->tasks, at);
    return range_at(at);
}

const luas__range *luas__held_for_good(const luas__held *h, uint64_t index)
{
    luas__queue_node before = {.priority = -LUAS__HELD_FOR_GOOD, .age = (int64_t)index - 1};
    const luas__range *next = range_at(luas__queue_next(&h->tasks, &before));
    return next != NULL && next->first == index ? next : NULL;
}

void luas__held_remove(luas__held *h, const luas__range *task)
{
    luas__pending_range *r
        = (luas__pending_range *)(void *)((char *)(uintptr_t)task - offsetof(luas__pending_range, range));
    luas__queue_remove(&h->tasks, &r->place);
    free(r);
}
