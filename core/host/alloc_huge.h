/*
 * The allocator of the Lua states that luas makes itself. It asks for huge pages for large blocks
 * (madvise(2), MADV_HUGEPAGE). Without these a result of some megabytes takes far more time for
 * page faults, one for each 4 KB, than for copying. Pages of a string that are not huge are
 * asked for in one call (MADV_POPULATE_WRITE), from 256 KB on.
 */
#ifndef LUAS_ALLOC_HUGE_H
#define LUAS_ALLOC_HUGE_H

#include <lua.h>

/* Like luaL_newstate. */
lua_State *luas__alloc_huge_state(void);

#endif
