/*
 * Spins on the scoreboard before the host goes to sleep. If a single worker runs a single short
 * task, the result is there before the host could have slept and been woken: the call takes
 * half the time. Spinning takes CPU time from other processes, so it is limited: after a wait
 * that was too long the host does not spin until a wait was short again. The worker may spin
 * for its next task in the same way (channel.c).
 *
 * The pool's lock is held.
 */
#ifndef LUAS_SPIN_H
#define LUAS_SPIN_H

#include "state.h"

/* Spins for a result, for a moment at most. Returns true when it has come. */
bool luas__spin_for_result(luas__pool *p);

/* Learns from the length of a wait (ns) whether spinning pays. */
void luas__spin_learn(luas__pool *p, int64_t waited);

#endif
