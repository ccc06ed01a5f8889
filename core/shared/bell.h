/*
 * Waiting for a change in shared memory. A process that waits: 1. luas__bell_listen;
 * 2. checks whether the change has happened already; 3. luas__bell_wait; 4. checks again.
 * A process that changes something rings afterwards.
 *
 * A ring wakes all that listen. If it woke only one, and that one was killed, the wake-up
 * would be lost. A process may also be killed between its change and the ring. So nobody
 * sleeps longer than LUAS__SLICE at a time.
 */
#ifndef LUAS_BELL_H
#define LUAS_BELL_H

#include <stdatomic.h>
#include <stdint.h>

typedef struct luas__bell {
    _Atomic uint32_t rings;
    _Atomic uint32_t listeners;     /* 1: somebody may sleep */
} luas__bell;

/* Returns the number of rings to pass to luas__bell_wait. */
static inline uint32_t luas__bell_listen(luas__bell *b)
{
    uint32_t rings = atomic_load(&b->rings);
    atomic_store(&b->listeners, 1);
    return rings;
}

/* Waits for a ring, at most `ns` and never longer than a slice. Returns 0, or LUAS_EINTR after a
   signal. */
int luas__bell_wait(luas__bell *b, uint32_t rings, int64_t ns);

void luas__bell_wake(luas__bell *b);

static inline void luas__bell_ring(luas__bell *b)
{
    atomic_thread_fence(memory_order_seq_cst);
    if (atomic_load_explicit(&b->listeners, memory_order_relaxed) != 0)
        luas__bell_wake(b);
}

#endif
