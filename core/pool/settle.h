/*
 * What became of a worker's first unanswered tasks: it goes to their job, or
 * they are tried again. The pool's lock is held; 0, or LUAS_ENOMEM, after which
 * nothing has changed.
 */
#ifndef LUAS_SETTLE_H
#define LUAS_SETTLE_H

#include "state.h"

/* The chunk at the front has run to its last task: learns how long its tasks take. */
void luas__settle_measure(luas__worker *w);

/* The first task has ended so; the payload is that of its outcome, or NULL. */
int luas__settle_task(luas__pool *p, luas__worker *w, int kind, luas__mp_reader *payload, int status);

/* The first n tasks have values: `len` bytes of frames at the front of link.in,
   settled as they are (framed), or the one value in them. */
int luas__settle_values(luas__pool *p, luas__worker *w, uint32_t n, size_t len, bool framed);

#endif


