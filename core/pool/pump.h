/*
 * The library's thread: moves bytes for jobs that nobody waits for just now.
 * It sleeps while a call drives the pool or no such job is left, never forks
 * (but has zygotes do it), and takes no signals, so that the application's
 * threads get them.
 */
#ifndef LUAS_PUMP_H
#define LUAS_PUMP_H

#include "state.h"

/* Starts it, once, with the lock. `drive` is called with the lock, again and again
   while there is something to do, and gives the lock up while it waits. */
int luas__pump_start(luas__pool *p, void (*drive)(luas__pool *p));

/* A job was added, or the last call that drives the pool has ended. With the lock. */
void luas__pump_resume(luas__pool *p);

/* Takes the lock for it, but not while the owner has left the pool to fork. */
void luas__pump_enter(luas__pool *p);

/* In a forked child, which has no such thread. */
void luas__pump_renew(luas__pool *p);

/* Ends it, without the lock. */
void luas__pump_end(luas__pool *p);

#endif


