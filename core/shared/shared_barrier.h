/*
 * A barrier for n processes. It breaks when one that has come to it dies, or gives
 * up waiting; everybody is told who, until it is reset.
 *
 * came[seat] is the round in which a process came last; those whose round is the
 * present one are waiting. A round is over by one store. All is written with the
 * barrier's robust lock.
 */
#ifndef LUAS_SHARED_BARRIER_H
#define LUAS_SHARED_BARRIER_H

#include "arena.h"

typedef struct luas__barrier_visit {
    uint32_t round, resets;     /* as they were */
    uint32_t place;             /* 1 to n */
    int pid, worker;            /* who broke it; pid 0: unknown, or it was reset */
} luas__barrier_visit;

int luas__shared_barrier_new(luas__arena *a, uint32_t n, luas__object *o);

/* 1: the round is over; 0: it is not yet; -EPIPE: the barrier is broken, and the visit
   says by whom; or another failure. The second waits, so many ns or a slice at most. */
int luas__shared_barrier_enter(const luas__object *o, luas__barrier_visit *v);
int luas__shared_barrier_await(const luas__object *o, luas__barrier_visit *v, int64_t ns);

/* Gives up: breaks it, unless the round is over by now (1). */
int luas__shared_barrier_leave(const luas__object *o, luas__barrier_visit *v);

int luas__shared_barrier_reset(const luas__object *o);

#endif
