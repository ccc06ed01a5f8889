/*
 * A look at the scoreboard before going to sleep. Where one worker alone is at a
 * single short task, its result is there before the host would be asleep and
 * woken again, and so costs half as much. What it takes from other processes is
 * bounded: it is given up after the first wait that was too long for it, until a
 * wait has turned out short again. The worker that it has worked for may spin in
 * the same way for its next task (channel.c).
 *
 * The pool's lock is held.
 */
#ifndef LUAS_SPIN_H
#define LUAS_SPIN_H

#include "state.h"

/* Looks for a result that is about to come, for a moment at most: true when it is there. */
bool luas__spin_for_result(luas__pool *p);

/* Learns from how long a wait was (ns). */
void luas__spin_learn(luas__pool *p, int64_t waited);

#endif


