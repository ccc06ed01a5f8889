/*
 * A barrier for n processes. It breaks when a process that waits at it dies or gives up. Until
 * it is reset everybody is told who that was.
 *
 * came[seat] is the last round to which the process in that seat has come. Processes of the
 * current round are waiting. One store ends a round. All words are written with the robust
 * lock of the barrier.
 */
#ifndef LUAS_SHARED_BARRIER_H
#define LUAS_SHARED_BARRIER_H

#include "arena.h"

typedef struct luas__barrier_visit {
    uint32_t round, resets;     /* of the barrier, when this visit began */
    uint32_t place;             /* 1 to n */
    int pid, worker;            /* who broke it; pid 0: unknown, or it was reset */
} luas__barrier_visit;

int luas__shared_barrier_new(luas__arena *a, uint32_t n, luas__object *o);

/* Return 1 when the round is over, 0 when it is not yet, -EPIPE when the barrier is broken (the
   visit says by whom), or another failure. The second one waits, up to `ns` or a slice. */
int luas__shared_barrier_enter(const luas__object *o, luas__barrier_visit *v);
int luas__shared_barrier_await(const luas__object *o, luas__barrier_visit *v, int64_t ns);

/* Gives up waiting. Breaks the barrier, unless the round is over by now: then it returns 1. */
int luas__shared_barrier_leave(const luas__object *o, luas__barrier_visit *v);

int luas__shared_barrier_reset(const luas__object *o);

#endif
