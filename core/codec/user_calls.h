/*
 * How often something of the user's may have run in this state: a count that
 * never falls, from 1. While it stays the same, all tables are as they were but
 * for what the library itself has changed.
 *
 * Whoever calls a function of the user's from inside the library notes it.
 * Hooks and finalizers are not called by anybody: while there is a hook each
 * look counts, and so does a cycle of the collector that ended since the last
 * one. (Only an incremental collector may then still owe finalizers of the
 * cycle before.)
 */
#ifndef LUAS_USER_CALLS_H
#define LUAS_USER_CALLS_H

#include <lua.h>
#include <stdint.h>

void luas__user_calls_note(lua_State *L);

/* The count as of now. */
uint64_t luas__user_calls_look(lua_State *L);

#endif
