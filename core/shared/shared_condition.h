/*
 * A condition: processes wait until another one notifies them, the longest waiting
 * first. A notice for a process that dies before it has noticed goes to another one.
 *
 * Who waits: 1. luas__shared_condition_enter, holding the lock that goes with it;
 * 2. lets go of that; 3. luas__shared_condition_await until it gives 1, or
 * luas__shared_condition_leave. waits[seat] says what became of a process; it is
 * written with the condition's own robust lock.
 */
#ifndef LUAS_SHARED_CONDITION_H
#define LUAS_SHARED_CONDITION_H

#include "arena.h"

/* `lock`: the id of the lock that goes with it, which it keeps; 0: none. */
int luas__shared_condition_new(luas__arena *a, uint64_t lock, luas__object *o);
uint64_t luas__shared_condition_lock(const luas__object *o);

int luas__shared_condition_enter(const luas__object *o);

/* 1: it was notified, and waits no longer; 0: not yet, after so many ns or a slice;
   LUAS_EINTR after a signal. */
int luas__shared_condition_await(const luas__object *o, int64_t ns);

/* Waits no longer: 1: it had been notified. */
int luas__shared_condition_leave(const luas__object *o);

/* Notifies `n` of those who wait: 0 or negative. */
int luas__shared_condition_notify(const luas__object *o, uint32_t n);

#endif
