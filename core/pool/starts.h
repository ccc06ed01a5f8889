/*
 * Workers that fail before they are of use: what they run first (init, a script to
 * load) raises, kills them or takes too long.
 *
 * Once some worker has started, another failure may be an accident, such as a database
 * that is away for a moment: others are tried, one at a time and after pauses that grow,
 * and workers that are there go on. When there is none left to do anything, and as many
 * were tried as make sense, the tasks are given up: each has an outcome that says what
 * went wrong. Then the pool is broken, and takes no further tasks. So does a job that
 * inherits end, and it alone, where only its own workers fail.
 *
 * The pool's lock is held.
 */
#ifndef LUAS_STARTS_H
#define LUAS_STARTS_H

#include "state.h"

/* May another worker be prepared now? */
bool luas__starts_allowed(const luas__pool *p);

/* When (ns) that will be so, for the clock; INT64_MAX: it is, or something else happens before. */
int64_t luas__starts_retry_at(const luas__pool *p);

/* Kills a worker that has been starting for too long: when (ns) to look again. */
int64_t luas__starts_watch(luas__pool *p, luas__worker *w, int64_t now);

/* What the worker ran first raised, in these words. */
int luas__starts_failed(luas__worker *w, const char *words, size_t len);

/* The worker is ready. */
void luas__starts_done(luas__pool *p, luas__worker *w);

/* A worker has ended, and its tasks were taken back. On LUAS_ENOMEM to be called again. */
int luas__starts_ended(luas__pool *p, luas__worker *w);

/* A worker with this number could not be made at all, for a reason that stays, in these words: without
   another one the pool is broken. Returns LUAS_EBROKEN then, else `rc`. */
int luas__starts_refused(luas__pool *p, int number, int rc, const char *words);

/* Of a pool that is broken: whatever is pending has its outcome. */
int luas__starts_give_up(luas__pool *p);

#endif
