/*
 * What a finalizer makes while its state closes, lua_close releases never: Lua calls no finalizer of an
 * object that got it then. So whatever has memory, descriptors or processes of its own is given to the
 * keeper when a finalizer makes it. The keeper is the first object that the library makes, and so its
 * own finalizer is called after those of all that came since. It releases what was made meanwhile; for
 * finalizers that are still to come, of objects older than the library, nothing can be made any more.
 */
#ifndef LUAS_KEEPER_H
#define LUAS_KEEPER_H

#include <lua.h>
#include <stdbool.h>

/* Makes the keeper, once a state: before any object that it is to be older than. Raises in a finalizer,
   for the state may be closing. */
void luas__keeper_open(lua_State *L);

/* The object at the top, which stays, has just got its finalizer and holds nothing yet. False: the state is
   closing, and nobody would call that. A finalizer may be called twice. */
bool luas__keeper_add(lua_State *L);

/* The same; raises where that is false. */
void luas__keeper_must_add(lua_State *L);

/* In the finalizer of the object at 1, which lua_close calls: true when the keeper will call it again, after all
   that was added, for that may depend on it. */
bool luas__keeper_postpone(lua_State *L);

#endif
