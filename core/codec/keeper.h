/*
 * Releases objects that finalizers make while a state closes. For such an object Lua never calls a
 * finalizer. So an object with memory, descriptors or processes of its own is given to the keeper
 * when a finalizer makes it. The keeper is the first object that the library makes. Therefore its
 * finalizer runs after those of all later objects, and releases what they have made. Finalizers
 * that still run after that, of objects older than the library, cannot make such objects any more.
 */
#ifndef LUAS_KEEPER_H
#define LUAS_KEEPER_H

#include <lua.h>
#include <stdbool.h>

/* Makes the keeper, once for each state, before all other objects of the library. Raises in a
   finalizer, because the state may be closing. */
void luas__keeper_open(lua_State *L);

/* Call it when the object at the top, which stays, has just got its finalizer and holds nothing
   yet. Returns false if the state is closing and nobody would call that finalizer. A finalizer
   may be called twice. */
bool luas__keeper_add(lua_State *L);

/* The same, but raises instead of returning false. */
void luas__keeper_must_add(lua_State *L);

/* Call it in the finalizer of the object at 1, during lua_close. Returns true if the keeper
   will call that finalizer again, after those of all objects that were added: they may depend
   on it. */
bool luas__keeper_postpone(lua_State *L);

#endif
