/* A pool as a userdata of Lua's; its methods are listed in core.h, as P. */
#ifndef LUAS_POOL_HANDLE_H
#define LUAS_POOL_HANDLE_H

#include <lua.h>

/* Registers the class, once a state. */
void luas__pool_handle_class(lua_State *L);

/* core.pool */
int luas__pool_handle_new(lua_State *L);

#endif
