/*
 * Waiting for a change in shared memory. Who waits: 1. luas__bell_listen, 2. looks
 * whether what he waits for is there already, 3. luas__bell_wait, 4. looks again.
 * Who changes something rings afterwards.
 *
 * All who listen are woken, as a wake-up that is given to one process is lost when
 * that is killed. Somebody may still be killed between a change and its ring:
 * nobody sleeps longer than LUAS__SLICE at a time.
 */
#ifndef LUAS_BELL_H
#define LUAS_BELL_H

#include <stdatomic.h>
#include <stdint.h>

typedef struct luas__bell {
    _Atomic uint32_t rings;
    _Atomic uint32_t listeners;     /* 1: somebody may sleep */
} luas__bell;

/* Gives what luas__bell_wait wants. */
static inline uint32_t luas__bell_listen(luas__bell *b)
{
    uint32_t rings = atomic_load(&b->rings);
    atomic_store(&b->listeners, 1);
    return rings;
}

/* Waits for a ring, at most so many ns and never longer than a slice: 0, or LUAS_EINTR
   after a signal. */
int luas__bell_wait(luas__bell *b, uint32_t rings, int64_t ns);

void luas__bell_wake(luas__bell *b);

static inline void luas__bell_ring(luas__bell *b)
{
    atomic_thread_fence(memory_order_seq_cst);
    if (atomic_load_explicit(&b->listeners, memory_order_relaxed) != 0)
        luas__bell_wake(b);
}

#endif
