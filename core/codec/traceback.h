/*
 * luaL_traceback, for stacks of any depth. That one takes seconds for a million levels,
 * because it asks for a hundred of them, each by a walk from the top.
 *
 * The library's own levels are left out, and those of C functions that they called: what a
 * script did wrong is in the script. An error in the library itself, whose message begins with
 * the name of one of its files, shows all levels.
 */
#ifndef LUAS_TRACEBACK_H
#define LUAS_TRACEBACK_H

#include <lua.h>

/* Pushes what luaL_traceback gives from level `from` on, as if the library's levels and the
   `below` outermost ones were not there. `message` may be NULL. */
void luas__traceback_push(lua_State *L, const char *message, int from, int below);

/* How many levels the stack has, with that of the caller. */
int luas__traceback_levels(lua_State *L);

#endif
