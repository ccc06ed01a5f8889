/*
 * The Lua states that luas makes itself. Memory for large blocks comes in huge
 * pages where the system has them for the asking (madvise(2), MADV_HUGEPAGE):
 * a result of some megabytes costs far more in page faults, one for each 4 KB,
 * than in copying.
 */
#ifndef LUAS_LUA_STATE_H
#define LUAS_LUA_STATE_H

#include <lua.h>

/* As luaL_newstate. */
lua_State *luas__alloc_huge_state(void);

#endif
