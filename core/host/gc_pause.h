/*
 * Lets the collector rest while the results of many tasks are taken. All of them are alive, so a
 * cycle could free none. And each page that a cycle marks would be copied, if a forked worker
 * shares it. (CPython has gc.freeze for the latter.)
 *
 * Memory that is allocated during a rest does not count towards the next cycle. To limit garbage
 * there is only one rest for each cycle, and a rest has a credit. When the credit is used up, or
 * no cycle has ended since the last rest, results are taken while the collector works.
 */
#ifndef LUAS_GC_PAUSE_H
#define LUAS_GC_PAUSE_H

#include <lua.h>

/* May the collector rest? Returns how many KB may be allocated during the rest; 0: it may not.
   Raises memory errors. */
int luas__gc_pause_allowed(lua_State *L);

/* Begins a rest. Pass the result to luas__gc_pause_end, which ends the rest and returns what is
   left of the credit. An error between the two only makes the rest longer. Does nothing without
   credit, or if the collector is stopped. The end of a rest may run a step of the collector. */
int luas__gc_pause_begin(lua_State *L, int credit);
int luas__gc_pause_end(lua_State *L, int credit, int begun);

#endif
