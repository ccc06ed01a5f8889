/*
 * Counts how often code of the user may have run in this state. The count begins at 1 and never
 * decreases. While it stays the same, only the library has changed tables.
 *
 * Code in the library that calls a function of the user adds one. Nobody calls hooks and finalizers
 * explicitly. So while there is a hook every look at the count adds one, and so does every look
 * after a cycle of the collector has ended. (Only an incremental collector may then still have to
 * run finalizers of the cycle before.)
 */
#ifndef LUAS_USER_CALLS_H
#define LUAS_USER_CALLS_H

#include <lua.h>
#include <stdint.h>

void luas__user_calls_note(lua_State *L);

/* The count now. */
uint64_t luas__user_calls_look(lua_State *L);

#endif
