/*
 * What a process holds of an arena's objects: locks, and permits of semaphores. A
 * task that ends gives back what it took.
 */
#ifndef LUAS_HOLDS_H
#define LUAS_HOLDS_H

#include "arena.h"

/* How many there are now, to be given to luas__holds_end_task later, which gives back
   those that came since: whoever waits for such a lock is told. */
static inline uint32_t luas__holds_count(const luas__arena *a)
{
    return a->nholds;
}

void luas__holds_end_task(luas__arena *a, uint32_t before);

/* luas__arena_close, with what is held given back before: the thread must not go on with
   locks in memory that is not there any more. */
void luas__holds_close(luas__arena *a);

#endif
