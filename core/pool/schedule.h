/*
 * Which worker gets which tasks, and how many at once.
 *
 * A chunk should take about CHUNK_TIME: then the overhead of a chunk does not matter. It is
 * never more than a fair part of the tasks that are left. A worker is given chunks until it has
 * work for HORIZON, and always one more than the chunk it works on: so it never waits for the
 * host. If a worker turns out to be slow, idle workers get the tasks that wait in it.
 *
 * Jobs of equal priority take turns of at least LUAS__SHORTEST_TURN of work. A single long task may
 * make a turn longer. Then the next turns are longer, too, each half as long as the one before: so
 * jobs with short tasks get their share of the workers' time beside jobs with long ones.
 *
 * The pool's lock is held.
 */
#ifndef LUAS_SCHEDULE_H
#define LUAS_SCHEDULE_H

#include "state.h"

/* Gives pending tasks to workers that have room, and moves waiting tasks to idle workers. With
   `alarmed`, an idle worker may also get a single task that has waited for a while. */
int luas__schedule_deal(luas__pool *p, bool alarmed);

/* Gives a worker that is prepared and not yet forked its first chunk. */
int luas__schedule_first(luas__pool *p, luas__worker *w);

/* Is another worker allowed, and are there tasks for it? */
bool luas__schedule_needs_worker(luas__pool *p);

/* Is the worker idle, and does no open job depend on its snapshot? */
bool luas__schedule_is_spare(const luas__worker *w);

#endif
