/*
 * Holding the collector while something is read that a finalizer could change: no finalizer runs, and
 * no address is used again. What is allocated meanwhile counts towards the next step as ever.
 */
#ifndef LUAS_GC_HOLD_H
#define LUAS_GC_HOLD_H

#include <lua.h>
#include <stdbool.h>

/* From here to luas__gc_hold_end, to which what this gives is to be passed. No error may leave between the
   two, and user code may not run. What ends it may be a step of the collector. */
bool luas__gc_hold(lua_State *L);
void luas__gc_hold_end(lua_State *L, bool held);

/* As lua_call, of what calls no user code. */
void luas__gc_hold_call(lua_State *L, int arguments, int results);

#endif
