/*
 * What lines are reduced to (lua/luas/shell.lua), in a table. Numbers may be text; nil and empty
 * text are left out; other values raise.
 *
 *   add(t, i, x) -> boolean         t[i] is a sum, t[i + 1] what its rounding has lost, at first 0
 *                                   and 0.0. Was it a number?
 *   min(t, i, x)   max(t, i, x)     t[i] is the least, the greatest one, or nil
 */
#ifndef LUAS_FOLD_H
#define LUAS_FOLD_H

#include <lauxlib.h>

extern const luaL_Reg luas__fold_functions[];

/* `add`, with its arguments at 1, 2 and 3. */
int luas__fold_add(lua_State *L);

#endif
