/*
 * Workers that wait for a lock which nobody will give back. Where the host has threads, one of them
 * may hold any lock at the moment of a fork: the worker has a copy of it that stays locked (see
 * locks.h for those that are found out at once). The worker hangs when it takes it: while it starts,
 * or in a task that need not have a timeout.
 *
 * A process with one thread that waits for a lock of its own waits for ever. So such a worker is
 * killed and replaced, and the outcome of its task says why.
 *
 * The pool's lock is held.
 */
#ifndef LUAS_DEADLOCK_H
#define LUAS_DEADLOCK_H

#include "state.h"

/* Looks at a worker that is busy. Returns when to look next; INT64_MAX: not before something
   happens. */
int64_t luas__deadlock_watch(luas__worker *w, bool starts, int64_t now);

#endif
