/* Ordered queues: a search tree in which each node is lighter than its parent. */
#include "queue.h"

#include <stddef.h>

#define is_before luas__queue_is_before

/* As good as random. So the depth of the tree is logarithmic, in whatever order nodes are
   inserted. */
static uint64_t weight(const luas__queue_node *n)
{
    return luas__queue_scramble((uint64_t)n->age);
}

/* Splits the tree `t` into the nodes that go before `n` and those that go after it. */
static void split(luas__queue_node *t, luas__queue_node *n)
{
    luas__queue_node **before = &n->before, **behind = &n->behind;
    while (t != NULL)
        if (is_before(t, n)) {
            *before = t;
            before = &t->behind;
            t = t->behind;
        } else {
            *behind = t;
            behind = &t->before;
            t = t->before;
        }
    *before = *behind = NULL;
}

/* Joins two trees; all nodes of `low` go before all of `high`. */
static luas__queue_node *join(luas__queue_node *low, luas__queue_node *high)
{
    luas__queue_node *root, **at = &root;
    while (low != NULL && high != NULL)
        if (weight(low) > weight(high)) {
            *at = low;
            at = &low->behind;
            low = low->behind;
        } else {
            *at = high;
            at = &high->before;
            high = high->before;
        }
    *at = low != NULL ? low : high;
    return root;
}

void luas__queue_add(luas__queue *q, luas__queue_node *n)
{
    luas__queue_node **at = &q->root;
    while (*at != NULL && weight(*at) > weight(n))
        at = is_before(*at, n) ? &(*at)->behind : &(*at)->before;
    split(*at, n);
    *at = n;
}

void luas__queue_remove(luas__queue *q, const luas__queue_node *n)
{
    luas__queue_node **at = &q->root;
    while (*at != n)
        at = is_before(*at, n) ? &(*at)->behind : &(*at)->before;
    *at = join(n->before, n->behind);
}

luas__queue_node *luas__queue_last(const luas__queue *q)
{
    luas__queue_node *t = q->root;
    while (t != NULL && t->behind != NULL)
        t = t->behind;
    return t;
}

luas__queue_node *luas__queue_next(const luas__queue *q, const luas__queue_node *n)
{
    luas__queue_node *found = NULL;
    for (luas__queue_node *t = q->root; t != NULL;)
        if (is_before(n, t)) {
            found = t;
            t = t->before;
        } else {
            t = t->behind;
        }
    return found;
}
