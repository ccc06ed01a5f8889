/*
 * Ends a job after too many failures: no task of it is begun any more.
 *
 * The pool's lock is held.
 */
#ifndef LUAS_HALT_H
#define LUAS_HALT_H

#include "state.h"

/*
 * Looks whether the job is to end, after an outcome, when it is sealed, and when tasks were fed.
 * A part of all tasks counts only once the job is sealed: before that nobody knows how many these are.
 * If memory is short, the job does more tasks than it should.
 */
void luas__halt_look(luas__pool *p, luas__job *job);

#endif
