/*
 * How workers end with their pool, when it is closed and not joined. One that runs a task
 * is asked to stop it; each sees the end of its request pipe, puts what its tasks wrote
 * to files there, and ends. Who takes too long is killed; so are processes, which
 * have no such end, and who has not come to its tasks yet.
 */
#ifndef LUAS_CLOSING_H
#define LUAS_CLOSING_H

#include "state.h"

/* With the lock. */
void luas__closing_tell(luas__pool *p);

/* Without it: until all have ended, for a second or so at most. */
void luas__closing_await(luas__pool *p);

#endif
