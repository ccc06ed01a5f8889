/*
 * Locks in shared memory. When who holds one dies, the kernel gives it back,
 * and the next one is told. A lock belongs to a thread: a thread that ends
 * while it holds one counts as dead.
 *
 * No function waits longer than it is told to. The kernel walks 2048 held locks
 * of a thread at most (LUAS__MOST_HELD leaves some for the library).
 */
#ifndef LUAS_ROBUST_H
#define LUAS_ROBUST_H

#include <pthread.h>
#include <stdint.h>

#include "clock.h"

/* What a wait takes at most before its caller looks whether it shall go on. */
#define LUAS__SLICE (50 * LUAS__MS)

enum { LUAS__MOST_HELD = 2000 };

/* A result above 0: the lock is the caller's, and who had it has died. What it
   protects may be half changed, which the caller mends; if he dies on the way,
   the next one is told the same. */
enum { LUAS__DIED = 1 };

typedef struct luas__robust {
    pthread_mutex_t mutex;
} luas__robust;

/* In zeroed memory: 0 or negative errno. */
int luas__robust_init(luas__robust *r);

/* 0 or LUAS__DIED; LUAS_ETIMEDOUT when somebody has it; -EDEADLK when the caller has
   it himself. The second waits so many ns. */
int luas__robust_try(luas__robust *r);
int luas__robust_lock(luas__robust *r, int64_t ns);

/* Waits for a lock that is held for moments only, in case its owner was stopped
   some seconds at most. */
int luas__robust_lock_briefly(luas__robust *r);

void luas__robust_unlock(luas__robust *r);

#endif
