/*
 * The end of workers: whose fault it was, what becomes of their tasks, and
 * whether others can be expected to do better. The pool's lock is held.
 */
#ifndef LUAS_REAP_H
#define LUAS_REAP_H

#include "state.h"

/* Of a worker that may have ended: 0, also while it has not, or negative: to be
   called again, as nothing that it sent or was sent is lost. */
int luas__reap_worker(luas__pool *p, luas__worker *w);

/* Frees those that have ended, and zygotes; in the owner's thread, or where no other
   one looks at workers. */
void luas__reap_free(luas__pool *p);

#endif


