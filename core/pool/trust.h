/*
 * What a worker says in the memory that it shares with its host has limits: a task may have
 * written there, by mistake or by intent. A worker that goes on to say what cannot be is
 * killed, as one whose messages make no sense is; its task is a crash.
 *
 * Some of what looks wrong is right for a moment, as the words are written one by one. So
 * only what stays, and nothing comes from the worker meanwhile, counts.
 */
#ifndef LUAS_TRUST_H
#define LUAS_TRUST_H

#include "state.h"

/* Looks at all workers, now and then. */
void luas__trust_check(luas__pool *p, int64_t now);

#endif
