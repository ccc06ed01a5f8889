/*
 * How workers end when their pool is closed without a join. A worker that runs a task is asked to
 * stop it. Each worker sees the end of its request pipe, flushes the files that its tasks wrote,
 * and ends. A worker that takes too long is killed. So are spawned processes, which do not see
 * such an end, and workers that have not come to their tasks yet.
 */
#ifndef LUAS_CLOSING_H
#define LUAS_CLOSING_H

#include "state.h"

/* Tells the workers to end. Called with the lock. */
void luas__closing_tell(luas__pool *p);

/* Waits until all have ended, for about a second at most. Called without the lock. */
void luas__closing_await(luas__pool *p);

#endif
