/*
 * The collector's rest while the results of many tasks are taken. They are alive,
 * every one, so a cycle could free none of them; and a page that it marks has to be
 * copied first, if a worker that was forked shares it. (CPython has gc.freeze for
 * the latter.)
 *
 * What is allocated at rest does not count towards the next cycle. So that garbage
 * stays bounded there is one rest a cycle, and it has a credit: whoever asks before a
 * cycle has ended since the last one, or has used it up, has to take his results while
 * the collector works.
 */
#ifndef LUAS_LUA_REST_H
#define LUAS_LUA_REST_H

#include <lua.h>

/* May the collector rest? Once a cycle: how many KB may be allocated meanwhile, 0 if
   none. Raises what Lua does without memory. */
int luas__gc_pause_allowed(lua_State *L);

/* At rest from here to luas__gc_pause_end, to which what this gives is to be passed, and
   which gives what is left of the credit; an error between the two just makes the rest
   longer. Nothing without credit, nor where the collector is stopped: what ends a rest
   may be a step of it. */
int luas__gc_pause_begin(lua_State *L, int credit);
int luas__gc_pause_end(lua_State *L, int credit, int begun);

#endif
