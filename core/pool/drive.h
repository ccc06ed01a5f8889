/*
 * The loop of a pool, on one page: replace workers, deal, wait, take in what
 * came, deal again. A call that waits drives it (luas__drive_step), or the
 * library's thread when none does (luas__drive_pumped).
 *
 * The pool's lock is held, and given up while they wait.
 */
#ifndef LUAS_DRIVE_H
#define LUAS_DRIVE_H

#include "state.h"

/* Once: waits at most `timeout` ns (negative: until something happens). 1 when anything
   happened, 0 when the time ran out, LUAS_EINTR after a signal, or why it failed: then
   the alarm is set to try again; or LUAS_EFOREIGN, without the lock: a signal's handler
   has forked, and this is the child. `host` is for the workers that it forks. */
int luas__drive_step(luas__pool *p, int64_t timeout, void *host);

/* Once, without a fork here: what needs one waits for a step. */
void luas__drive_pumped(luas__pool *p);

/* What failed (rc < 0) for want of memory or descriptors left something to be done
   that no event will tell of: sets the alarm. Gives rc. */
int luas__drive_try_again(luas__pool *p, int rc);

#endif


