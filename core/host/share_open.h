/*
 * The module `shared`, as lua/README.md describes it. It makes the objects of core/shared/
 * (share.h).
 */
#ifndef LUAS_SHARE_OPEN_H
#define LUAS_SHARE_OPEN_H

#include <lua.h>

/* Registers the classes; pushes the module's table. */
int luas__share_open(lua_State *L);

/* core.joining([pid]) */
int luas__share_joining(lua_State *L);

#endif
