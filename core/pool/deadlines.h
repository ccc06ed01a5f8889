/*
 * Watching workers as time passes: deadlines of tasks, limits of memory, and
 * those that do not come to their tasks at all. The pool's lock is held.
 */
#ifndef LUAS_DEADLINES_H
#define LUAS_DEADLINES_H

#include "state.h"

/* Looks at all workers, peeks at what they have committed, and sets the alarm for the
   next time. */
int luas__deadlines_check(luas__pool *p);

/* Asks the worker's running task to stop, for this reason (LUAS__KIND_...); after its
   grace time the worker is killed. */
void luas__deadlines_stop_task(luas__pool *p, luas__worker *w, uint16_t kind);

#endif


