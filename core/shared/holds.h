/*
 * The locks and permits that a process holds. When a task ends, those that it took are given
 * back.
 */
#ifndef LUAS_HOLDS_H
#define LUAS_HOLDS_H

#include "arena.h"

/* How many holds there are now. Pass it to luas__holds_end_task when the task ends: that gives
   back those that came since. The next holder of such a lock is told. */
static inline uint32_t luas__holds_count(const luas__arena *a)
{
    return a->nholds;
}

void luas__holds_end_task(luas__arena *a, uint32_t before);

/* Gives back all holds and calls luas__arena_close: a thread must not hold locks in memory that
   is unmapped. */
void luas__holds_close(luas__arena *a);

#endif
