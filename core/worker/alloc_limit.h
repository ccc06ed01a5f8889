/*
 * A limit on the memory that a worker's Lua state allocates from now on. An allocation that
 * would exceed it fails. Lua then runs a full collection; if that does not help it raises
 * "not enough memory".
 */
#ifndef LUAS_ALLOC_LIMIT_H
#define LUAS_ALLOC_LIMIT_H

#include <lua.h>

/* Sets the limit for the rest of the process's life; `bytes` of 0: no limit. Returns 0 if there
   is no memory for the bookkeeping: then there is no limit either. */
int luas__alloc_limit(lua_State *L, size_t bytes);

#endif
