/*
 * The library's thread. It drives the pool for jobs that no call waits for, and until workers
 * have ended that were told to, or that must be killed if they do not. It sleeps while a call
 * drives the pool, and when there is nothing to do. It never forks; it asks zygotes to. It
 * blocks all signals, so the threads of the application get them.
 */
#ifndef LUAS_PUMP_H
#define LUAS_PUMP_H

#include "state.h"

/* Starts the thread, once. Called with the lock. The thread calls `drive`, with the lock, as
   long as there is something to do; `drive` gives the lock up while it waits. */
int luas__pump_start(luas__pool *p, void (*drive)(luas__pool *p));

/* Are there workers that are about to end? Called with the lock. */
bool luas__pump_has_leftovers(const luas__pool *p);

/* Call it, with the lock, when a job was added, or when the last call that drives the pool has
   ended. */
void luas__pump_resume(luas__pool *p);

/* Takes the lock for the thread. Waits while the owner has left the pool in order to fork. */
void luas__pump_enter(luas__pool *p);

/* In a forked child: forgets the thread, which does not exist there. */
void luas__pump_renew(luas__pool *p);

/* Ends the thread. Called without the lock. */
void luas__pump_end(luas__pool *p);

#endif
