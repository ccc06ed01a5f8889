/* Ranges in a queue. Nodes that are no longer needed are kept as spare ones. */
#include "pending.h"

#include <stdlib.h>

#include "error.h"

enum { MOST_SPARE = 64 };

typedef luas__pending_range pending_range;

static pending_range *at(const luas__queue_node *place)
{
    return (pending_range *)(void *)(uintptr_t)place;
}

static pending_range *of(const luas__range *range)
{
    return (pending_range *)(void *)((char *)(uintptr_t)range - offsetof(pending_range, range));
}

static const luas__range *range_at(const luas__queue_node *place)
{
    return place != NULL ? &at(place)->range : NULL;
}

static void put_aside(luas__pending *p, pending_range *r)
{
    r->place.behind = p->spare != NULL ? &p->spare->place : NULL;
    p->spare = r;
    p->spares++;
}

static pending_range *take_spare(luas__pending *p)
{
    pending_range *r = p->spare;
    p->spare = r->place.behind != NULL ? at(r->place.behind) : NULL;
    p->spares--;
    return r;
}

void luas__pending_release(luas__pending *p)
{
    for (luas__queue_node *n; (n = luas__queue_first(&p->ranges)) != NULL;) {
        luas__queue_remove(&p->ranges, n);
        free(at(n));
    }
    while (p->spare != NULL)
        free(take_spare(p));
    *p = (luas__pending){.spare = NULL};
}

int luas__pending_reserve(luas__pending *p, size_t extra)
{
    while (p->spares < extra) {
        pending_range *r = malloc(sizeof *r);
        if (r == NULL)
            return LUAS_ENOMEM;
        put_aside(p, r);
    }
    return 0;
}

static void insert(luas__pending *p, pending_range *r, luas__range range)
{
    r->range = range;
    r->place.priority = 0;
    r->place.age = (int64_t)(range.first + range.count - 1);
    luas__queue_add(&p->ranges, &r->place);
    p->count++;
}

static void take_out(luas__pending *p, pending_range *r)
{
    luas__queue_remove(&p->ranges, &r->place);
    p->count--;
}

static void drop(luas__pending *p, pending_range *r)
{
    take_out(p, r);
    if (p->spares < MOST_SPARE)
        put_aside(p, r);
    else
        free(r);
}

int luas__pending_add(luas__pending *p, luas__range range)
{
    int rc = luas__pending_reserve(p, 1);
    if (rc == 0)
        insert(p, take_spare(p), range);
    return rc;
}

int luas__pending_append(luas__pending *p, uint64_t first, uint64_t count)
{
    luas__queue_node *last = luas__queue_last(&p->ranges);
    luas__range r = last != NULL ? at(last)->range : (luas__range){.count = 0};
    if (r.count == 0 || r.first + r.count != first || r.attempts > 0)
        return luas__pending_add(p, (luas__range){.first = first, .count = count});
    take_out(p, at(last));
    r.count += count;
    insert(p, at(last), r);
    return 0;
}

const luas__range *luas__pending_for(const luas__pending *p, uint32_t worker)
{
    const luas__queue_node *n = luas__queue_first(&p->ranges);
    while (worker != 0 && n != NULL && range_at(n)->avoid == worker)
        n = luas__queue_next(&p->ranges, n);
    return range_at(n);
}

const luas__range *luas__pending_from(const luas__pending *p, uint64_t index)
{
    int64_t before = index <= INT64_MAX ? (int64_t)index - 1 : INT64_MAX;
    return range_at(luas__queue_next(&p->ranges, &(luas__queue_node){.age = before}));
}

void luas__pending_take(luas__pending *p, const luas__range *range, uint64_t count)
{
    pending_range *r = of(range);
    r->range.first += count;
    r->range.count -= count;
    if (r->range.count == 0)
        drop(p, r);
}

void luas__pending_cut(luas__pending *p, const luas__range *range, uint64_t first, uint64_t count)
{
    pending_range *r = of(range);
    luas__range low = r->range, high = r->range;
    low.count = first - low.first;
    high.first = first + count;
    high.count -= low.count + count;
    take_out(p, r);
    put_aside(p, r);
    if (low.count > 0)
        insert(p, take_spare(p), low);
    if (high.count > 0)
        insert(p, take_spare(p), high);
}
