/*
 * Settles the first unanswered tasks of a worker: gives their outcomes to the job, or retries
 * them. The pool's lock is held. Functions return 0, or LUAS_ENOMEM with nothing changed.
 */
#ifndef LUAS_SETTLE_H
#define LUAS_SETTLE_H

#include "state.h"

/* Call it when the chunk at the front is done: learns how long its tasks take. */
void luas__settle_measure(luas__pool *p, luas__worker *w);

/* Settles the first task with an outcome of this kind and payload (or NULL). */
int luas__settle_task(luas__pool *p, luas__worker *w, int kind, luas__mp_reader *payload, int status);

/* Settles the first n tasks with values: `len` bytes of frames at the front of link.in. With
   `framed` they are stored as frames; otherwise n is 1, and the value alone is stored. */
int luas__settle_values(luas__pool *p, luas__worker *w, uint32_t n, size_t len, bool framed);

#endif
