/*
 * Which workers there are to be. They are forked when tasks want them, each with
 * its first task at once, and told to end when they are too many, used up, or
 * laden with what their tasks have left.
 *
 * The pool's lock is held.
 */
#ifndef LUAS_SCALING_H
#define LUAS_SCALING_H

#include "state.h"

/* Brings the workers up to what the tasks can use. A fork that fails matters only
   when there is no worker that could do anything. */
int luas__scaling_up(luas__pool *p, void *host);

/* Brings them up to what the options say, whether there are tasks or not. */
int luas__scaling_populate(luas__pool *p, void *host);

/* Prepares those of jobs that have their own: the first, and those that replace others. */
int luas__scaling_replace(luas__pool *p);

/* Forks so many of those now, for a new snapshot that becomes the job's: 0 if there is one at least. */
int luas__scaling_inherit(luas__pool *p, luas__job *job, int workers, int now, void *host);

/* Tells workers to end that are too many for `most`, or used up. */
void luas__scaling_down(luas__pool *p, int most);

/* Tells those to end that have allocated much and can be replaced. */
void luas__scaling_relieve(luas__pool *p);

/* Tells half of the idle workers to end, so that others have room; the next steps
   notice. False when none is about to end. */
bool luas__scaling_make_room(luas__pool *p);

#endif


