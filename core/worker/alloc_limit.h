/*
 * A limit on what a worker's Lua state allocates beyond what it has now: the
 * allocation that would pass it fails, which Lua answers with a full
 * collection and, if that does not help, the error "not enough memory".
 */
#ifndef LUAS_LUA_LIMIT_H
#define LUAS_LUA_LIMIT_H

#include <lua.h>

/* For the rest of the process's life. `bytes` of 0: no limit. Without memory
   for the bookkeeping there is none either, and 0 is returned. */
int luas__alloc_limit(lua_State *L, size_t bytes);

#endif
