/*
 * What has to be done as time passes: tasks reach their deadlines, workers exceed their
 * memory limit, and workers hang before they begin a task. The pool's lock is held.
 */
#ifndef LUAS_DEADLINES_H
#define LUAS_DEADLINES_H

#include "state.h"

/* Checks all workers, takes results that they have committed out of their rings, and sets
   the alarm for the next check. */
int luas__deadlines_check(luas__pool *p);

/* Asks the running task of the worker to stop, for this reason (LUAS__KIND_...). If it does
   not stop within its grace time the worker is killed. */
void luas__deadlines_stop_task(luas__pool *p, luas__worker *w, uint16_t kind);

#endif
