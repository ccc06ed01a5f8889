/*
 * Globals that `init` or tasks have made in a worker, and that its host did not have when it was
 * forked. The host is told their names: workers that inherit a job lack these globals, and should
 * say so where the job reads one.
 */
#ifndef LUAS_MADE_GLOBALS_H
#define LUAS_MADE_GLOBALS_H

#include <lua.h>
#include <stdbool.h>
#include <stdint.h>

/* The global of the name at this index was assigned to. Returns whether it is a new one. */
bool luas__made_globals_note(lua_State *L, int name);

/* Notes all that there are now. */
void luas__made_globals_look(lua_State *L);

/* How many were noted so far; for who looks often. The pointer stays valid. */
const uint32_t *luas__made_globals_count(lua_State *L);

/* Pushes a name that was noted since the last calls of this, or returns false. */
bool luas__made_globals_take(lua_State *L);

/* From now on reading one of these globals raises, as long as it is nil: `names` is the index of a set
   of them. Where the globals have an __index already that decides. */
void luas__made_globals_guard(lua_State *L, int names);

#endif
