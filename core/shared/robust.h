/*
 * Locks in shared memory. When the holder of a lock dies, the kernel releases the lock and
 * the next holder is told. A lock belongs to a thread: a thread that ends while it holds a
 * lock counts as dead.
 *
 * No function waits longer than it is told to. The kernel releases at most 2048 locks of a
 * dead thread (LUAS__MOST_HELD leaves some of these for the library).
 */
#ifndef LUAS_ROBUST_H
#define LUAS_ROBUST_H

#include <pthread.h>
#include <stdint.h>

#include "clock.h"

/* The longest single wait. After it the caller checks whether to go on waiting. */
#define LUAS__SLICE (50 * LUAS__MS)

enum { LUAS__MOST_HELD = 2000 };

/* The caller has the lock, and its last holder has died. The data may be half changed: the caller
   mends them. If it dies while it does, the next holder is told the same. */
enum { LUAS__DIED = 1 };

typedef struct luas__robust {
    pthread_mutex_t mutex;
} luas__robust;

/* Initializes a lock in zeroed memory. Returns 0 or a negative errno. */
int luas__robust_init(luas__robust *r);

/* Take the lock. Return 0 or LUAS__DIED; LUAS_ETIMEDOUT when another thread has it; -EDEADLK
   when the caller has it already. The second one waits up to `ns`. */
int luas__robust_try(luas__robust *r);
int luas__robust_lock(luas__robust *r, int64_t ns);

/* Takes a lock that is never held for long. Waits some seconds at most, in case its holder was
   stopped: in slices, as a wake-up is lost with a process that is killed before it takes the lock. */
int luas__robust_lock_briefly(luas__robust *r);

void luas__robust_unlock(luas__robust *r);

#endif
