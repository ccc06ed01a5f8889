/*
 * A lock that processes share. The holder records who it is. If it dies with the lock, or its
 * task ends with it, the next holder is told.
 *
 * Only the process that has the robust lock writes here.
 */
#ifndef LUAS_SHARED_LOCK_H
#define LUAS_SHARED_LOCK_H

#include "arena.h"

/* A longer input is not recorded. */
enum { LUAS__MOST_INPUT = 2048 };

typedef struct luas__death {
    int pid, worker;        /* 0: unknown, none */
    int64_t task;           /* 0: it was in no task */
    size_t len;             /* of its encoded input; 0: unknown */
    char input[LUAS__MOST_INPUT];
} luas__death;

int luas__shared_lock_new(luas__arena *a, bool recursive, luas__object *o);

/*
 * Takes the lock; waits up to `ns`. Returns 0. LUAS__DIED: the caller has the lock, and the last
 * holder died or left it behind; *death says who that was. LUAS_ETIMEDOUT: the time is over.
 * -EDEADLK: the caller has the lock already, and it is not recursive. LUAS_ETOOBIG: the process
 * holds too many locks.
 */
int luas__shared_lock_take(const luas__object *o, int64_t ns, luas__death *death);

/* Returns 0, or -EPERM: the caller does not have the lock. */
int luas__shared_lock_release(const luas__object *o);

bool luas__shared_lock_is_own(const luas__object *o);

/* How often the caller has taken the lock; 0: it has not. The second releases it completely.
   The third takes it that often again; otherwise it is like luas__shared_lock_take. */
uint32_t luas__shared_lock_depth(const luas__object *o);
void luas__shared_lock_leave(const luas__object *o);
int luas__shared_lock_retake(const luas__object *o, uint32_t depth, int64_t ns,
                             luas__death *death);

/* Releases the lock because the task that took it has ended. The next holder is told. */
void luas__shared_lock_abandon(const luas__object *o);

#endif
