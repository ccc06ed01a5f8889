/*
 * The loop of a pool, on one page: replace workers, deal tasks, wait for events, take in what
 * came, deal again. A call that waits runs it (luas__drive_step); while there is none, the
 * library's thread does (luas__drive_pumped).
 *
 * The pool's lock is held. Both functions give it up while they wait.
 */
#ifndef LUAS_DRIVE_H
#define LUAS_DRIVE_H

#include "state.h"

/* Runs the loop once. Waits at most `timeout` ns (negative: until something happens). `host`
   is passed to the workers that it forks. Returns 1 when anything happened, 0 when the time
   ran out, LUAS_EINTR after a signal. Other negative results are failures; the alarm is set
   to try again. After LUAS_EFOREIGN the lock is not held: the handler of a signal has forked,
   and this is the child. */
int luas__drive_step(luas__pool *p, int64_t timeout, void *host);

/* Runs the loop once, but does not fork. Work that needs a fork waits for a step. */
void luas__drive_pumped(luas__pool *p);

/* When rc < 0 for want of memory or descriptors, something is left to do and no event will
   tell of it. So this sets the alarm. Returns rc. */
int luas__drive_try_again(luas__pool *p, int rc);

#endif
