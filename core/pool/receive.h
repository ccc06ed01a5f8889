/*
 * What arrives from workers: values, errors, and that they are ready or failed.
 * The pool's lock is held. Where there is no memory (LUAS_ENOMEM) a message
 * stays in link.in for the next try. A worker whose words are not understood is
 * killed.
 */
#ifndef LUAS_RECEIVE_H
#define LUAS_RECEIVE_H

#include "state.h"

/* Reads the pipe, and takes in what came. */
int luas__receive_from(luas__pool *p, luas__worker *w);

/* Takes in the messages that are in link.in. */
int luas__receive_messages(luas__pool *p, luas__worker *w);

/* Takes in what was committed to the ring and has not come through the pipe. */
int luas__receive_catch_up(luas__pool *p, luas__worker *w);

/* Of a worker that has ended: the pipe to its end, then the ring. */
int luas__receive_all(luas__pool *p, luas__worker *w);

#endif


