/*
 * What a worker made, and what came with the fork.
 *
 * Its Lua state is a copy of the host's, whose objects are the host's to finalize. Lua
 * finalizes the youngest objects first, so a mark that is made when the worker begins
 * is where its own end, when its state is closed.
 */
#ifndef LUAS_MARK_H
#define LUAS_MARK_H

#include <lua.h>
#include <stdbool.h>

/* When the worker begins: its finalizer is to leave the process, with the mark's status
   (luas__mark_status). May raise. */
void luas__mark_make(lua_State *L, lua_CFunction leave);

bool luas__mark_is_there(lua_State *L);

/* Is there no object with a finalizer that is younger than the mark? May say no where
   that is so; always, where there is no mark. */
bool luas__mark_is_clean(lua_State *L);

/* The library made one, and none was there before: it needs no finalizer at the end. */
void luas__mark_renew(lua_State *L);

/* What the worker exits with. */
void luas__mark_set_status(lua_State *L, int status);
int luas__mark_status(lua_State *L);

#endif
