/*
 * Workers that have nothing to do: they end after a while, or when they are told.
 *
 * The pool's lock is held.
 */
#ifndef LUAS_REST_H
#define LUAS_REST_H

#include "state.h"

/* Ends the worker if it has had nothing to do for options.idle: when (ns) to look again. */
int64_t luas__rest_watch(luas__pool *p, luas__worker *w, int64_t now);

/* Tells all of them to exit: how many these are. */
int luas__rest_trim(luas__pool *p);

#endif
