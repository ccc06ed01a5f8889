/*
 * Takes in the messages of workers: values, errors, progress, READY and FAILED. The pool's
 * lock is held. On LUAS_ENOMEM a message stays in link.in for the next try. A worker that
 * sends bytes that are no message is killed.
 */
#ifndef LUAS_RECEIVE_H
#define LUAS_RECEIVE_H

#include "state.h"

/* Reads the pipe, and takes in what came. */
int luas__receive_from(luas__pool *p, luas__worker *w);

/* Takes in the messages that are in link.in. */
int luas__receive_messages(luas__pool *p, luas__worker *w);

/* Takes in results that are committed to the ring and have not come through the pipe. */
int luas__receive_catch_up(luas__pool *p, luas__worker *w);

/* For a worker that has ended: reads the pipe to its end, then the ring. */
int luas__receive_all(luas__pool *p, luas__worker *w);

#endif
