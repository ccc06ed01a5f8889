/*
 * How many workers there are. A worker is forked when there are tasks for it, and gets its
 * first tasks with the fork. Workers are told to end when there are too many, when they have
 * done max_tasks or passed max_memory, and when their tasks have allocated too much.
 *
 * The pool's lock is held.
 */
#ifndef LUAS_SCALING_H
#define LUAS_SCALING_H

#include "state.h"

/* Forks as many workers as the tasks can use. A failing fork is a failure only when there is
   no worker at all that could do the tasks. */
int luas__scaling_up(luas__pool *p, void *host);

/* Would another call of it fork, because workers have ended since the last one? */
bool luas__scaling_is_due(luas__pool *p);

/* Forks as many workers as the options say, even without tasks. */
int luas__scaling_populate(luas__pool *p, void *host);

/* Prepares workers of inheriting jobs: their first ones, and those that replace others. */
int luas__scaling_replace(luas__pool *p);

/* Makes a new snapshot for the job, and forks `now` of its workers. Returns 0 if at least one
   was forked. */
int luas__scaling_inherit(luas__pool *p, luas__job *job, int workers, int now, void *host);

/* Tells workers to end: those beyond `most`, and those that are used up. */
void luas__scaling_down(luas__pool *p, int most);

/* Tells workers to end that have allocated much and can be replaced. */
void luas__scaling_relieve(luas__pool *p);

/* Tells half of the idle workers to end, so that others have room; the next steps
   notice. False when none is about to end. */
bool luas__scaling_make_room(luas__pool *p);

#endif
