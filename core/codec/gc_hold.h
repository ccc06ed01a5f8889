/*
 * Holds the collector while something is read that a finalizer could change. Meanwhile no finalizer
 * runs and no address is reused. Memory that is allocated meanwhile counts towards the next step as
 * usual.
 */
#ifndef LUAS_GC_HOLD_H
#define LUAS_GC_HOLD_H

#include <lua.h>
#include <stdbool.h>

/* Holds the collector until luas__gc_hold_end, which takes the result of this. Between the two
   no error may be raised and no user code may run. luas__gc_hold_end may run a step of the
   collector. */
bool luas__gc_hold(lua_State *L);
void luas__gc_hold_end(lua_State *L, bool held);

/* Like lua_call, for functions that call no user code. */
void luas__gc_hold_call(lua_State *L, int arguments, int results);

#endif
