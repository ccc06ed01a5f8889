/*
 * A semaphore whose permits belong to the processes that hold them: those of the
 * dead come back.
 *
 * held[seat] is how many a process has; `out` is their sum, made anew after a death.
 * Both are written with the lock.
 */
#ifndef LUAS_SHARED_SEMAPHORE_H
#define LUAS_SHARED_SEMAPHORE_H

#include "arena.h"

int luas__shared_semaphore_new(luas__arena *a, uint32_t permits, luas__object *o);

/* 0; LUAS_ETIMEDOUT: none is free; LUAS_ETOOBIG: the process holds too much. */
int luas__shared_semaphore_take(const luas__object *o);

/* Waits, so many ns or a slice at most: 0, or LUAS_EINTR after a signal. */
int luas__shared_semaphore_await(const luas__object *o, int64_t ns);

/* 0, or -EPERM: the caller holds none. */
int luas__shared_semaphore_release(const luas__object *o);

uint32_t luas__shared_semaphore_count(const luas__object *o);   /* of those that are free */

#endif
