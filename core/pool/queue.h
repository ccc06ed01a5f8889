/*
 * Queues ordered by priority, then by age. An element in the middle of a long queue is
 * removed or inserted as quickly as one at an end: the queue is a search tree that random
 * weights keep balanced (a treap).
 *
 * A queue owns nothing: the nodes are members of the structs that are queued.
 */
#ifndef LUAS_QUEUE_H
#define LUAS_QUEUE_H

#include <stddef.h>
#include <stdint.h>

typedef struct luas__queue_node {
    struct luas__queue_node *before, *behind;   /* subtrees; only queue.c uses them */
    int64_t priority;       /* higher goes first */
    int64_t age;            /* lower goes first; no two in a queue have the same */
} luas__queue_node;

/* All zero is empty. */
typedef struct luas__queue {
    luas__queue_node *root;
} luas__queue;

/* Numbers in a row become numbers that are as good as random (the finalizer of splitmix64). */
static inline uint64_t luas__queue_scramble(uint64_t x)
{
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

void luas__queue_add(luas__queue *q, luas__queue_node *n);
void luas__queue_remove(luas__queue *q, const luas__queue_node *n);

/* The first element, the last one, and the one after `n`, which need not be in the queue; or
   NULL. */
static inline luas__queue_node *luas__queue_first(const luas__queue *q)
{
    luas__queue_node *t = q->root;
    while (t != NULL && t->before != NULL)
        t = t->before;
    return t;
}

luas__queue_node *luas__queue_last(const luas__queue *q);
luas__queue_node *luas__queue_next(const luas__queue *q, const luas__queue_node *n);

/* Does `a` go before `b`? */
static inline int luas__queue_is_before(const luas__queue_node *a, const luas__queue_node *b)
{
    return a->priority != b->priority ? a->priority > b->priority : a->age < b->age;
}

#endif
