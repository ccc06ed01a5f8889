/*
 * A semaphore. Permits belong to the processes that hold them; the permits of a dead process come
 * back.
 *
 * held[seat] is how many permits a process has. `out` is the sum; it is computed anew after a
 * death. Both are written with the lock.
 */
#ifndef LUAS_SHARED_SEMAPHORE_H
#define LUAS_SHARED_SEMAPHORE_H

#include "arena.h"

int luas__shared_semaphore_new(luas__arena *a, uint32_t permits, luas__object *o);

/* Returns 0; LUAS_ETIMEDOUT: no permit is free; LUAS_ETOOBIG: the process holds too many. */
int luas__shared_semaphore_take(const luas__object *o);

/* Waits, up to `ns` or a slice. Returns 0, or LUAS_EINTR after a signal. */
int luas__shared_semaphore_await(const luas__object *o, int64_t ns);

/* Returns 0, or -EPERM: the caller holds no permit. */
int luas__shared_semaphore_release(const luas__object *o);

uint32_t luas__shared_semaphore_count(const luas__object *o);   /* of those that are free */

#endif
