/*
 * A condition: processes wait until another one notifies them. The one that has waited longest
 * is notified first. If a process dies before it has seen its notice, another one gets the
 * notice.
 *
 * A process that waits: 1. luas__shared_condition_enter, while it holds the lock that goes with
 * the condition; 2. releases that lock; 3. luas__shared_condition_await until it returns 1, or
 * luas__shared_condition_leave. waits[seat] is the state of the process in that seat. It is
 * written with the condition's own robust lock.
 */
#ifndef LUAS_SHARED_CONDITION_H
#define LUAS_SHARED_CONDITION_H

#include "arena.h"

/* `lock` is the id of the lock that goes with it; the condition keeps that lock. 0: none. */
int luas__shared_condition_new(luas__arena *a, uint64_t lock, luas__object *o);
uint64_t luas__shared_condition_lock(const luas__object *o);

int luas__shared_condition_enter(const luas__object *o);

/* Waits, up to `ns` or a slice. Returns 1 when this process was notified: then it waits no
   longer. 0: not yet. LUAS_EINTR after a signal. */
int luas__shared_condition_await(const luas__object *o, int64_t ns);

/* Stops waiting. Returns 1 if this process was notified before. */
int luas__shared_condition_leave(const luas__object *o);

/* Notifies `n` processes that wait. Returns 0 or negative. */
int luas__shared_condition_notify(const luas__object *o, uint32_t n);

#endif
