/*
 * Which worker gets which tasks, and how many at once.
 *
 * A chunk should take about CHUNK_TIME, so that its overhead vanishes, and
 * never be more than a fair part of what is left. A worker is given chunks
 * until HORIZON is covered, at least one beyond the one it works on, so that
 * it never waits for the host. What turns out badly dealt is taken back from
 * the slow and given to the idle.
 *
 * Jobs of equal priority take turns, of LUAS__SHORTEST_TURN of work at least. What is
 * dealt at once may be more, as a single long task is: then the next turns are longer,
 * too, each half as long as the one before, so that short tasks get their share of the
 * workers' time beside long ones.
 *
 * The pool's lock is held.
 */
#ifndef LUAS_SCHEDULE_H
#define LUAS_SCHEDULE_H

#include "state.h"

/* Gives pending tasks to workers with room, and evens out; `alarmed`: those that
   have had a task for a while may lose it to one that is idle. */
int luas__schedule_deal(luas__pool *p, bool alarmed);

/* Gives a worker that was just prepared its first chunk, which it finds when it is forked. */
int luas__schedule_first(luas__pool *p, luas__worker *w);

/* Would another worker have something to do at once, and is it allowed? */
bool luas__schedule_needs_worker(luas__pool *p);

/* Is the worker idle, and no open job depends on its snapshot? */
bool luas__schedule_is_spare(const luas__worker *w);

#endif


