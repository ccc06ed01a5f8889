/*
 * The end of a worker: which task is to blame, what becomes of its tasks, and whether another
 * worker can be expected to do better. The pool's lock is held.
 */
#ifndef LUAS_REAP_H
#define LUAS_REAP_H

#include "state.h"

/* Reaps a worker that may have ended, and settles its tasks. Returns 0, also while it still
   runs. After a negative result call it again: nothing is lost. */
int luas__reap_worker(luas__pool *p, luas__worker *w);

/* Frees workers and zygotes that have ended. Only for the owner's thread, or while no other
   thread looks at workers. */
void luas__reap_free(luas__pool *p);

#endif
