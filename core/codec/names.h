/*
 * Objects that are sent by name instead of by value, because the receiver has its own: the
 * standard library (standard.h), and what can be reached from package.loaded. That is modules,
 * their functions, tables and userdata, those inside these tables and so on; and classes
 * (tables that look like metatables) that a module has only as upvalues of its functions.
 *
 * A name is an extension type of value_format.h and a payload. Everything here may raise memory
 * errors; other failures are codes.
 */
#ifndef LUAS_NAMES_H
#define LUAS_NAMES_H

#include <lua.h>
#include <stddef.h>
#include <stdint.h>

#include "buffer.h"
#include "ptrmap.h"

/*
 * Pushes the names of this state, a userdata. The first call makes them, for the standard library
 * as standard.h has it.
 */
void luas__names_push(lua_State *L);

/* The objects that may have a name, as of the last scan (names_scan.h). The pointer stays
   valid. */
const luas__ptrmap *luas__names_map(lua_State *L, int names);

/*
 * The name of the object at `object`, if the last scan saw it and the name still leads to it.
 * Returns the WIRE type, with the payload pushed; or 0, with nothing pushed.
 */
int luas__names_find(lua_State *L, int names, int object);

/*
 * The name of a metatable that luaL_newmetatable has registered under its __name. Returns
 * WIRE_NAME, with the payload pushed; or 0.
 */
int luas__names_find_type(lua_State *L, int metatable);

/* The module in the payload of a WIRE_NAME; NULL for a registered type. */
const char *luas__names_module(const char *payload, size_t payload_len, size_t *len);

/* Does the name lead through an upvalue? Then it may lead elsewhere where that has another value. */
int luas__names_is_inside(const char *payload, size_t len);

/*
 * Pushes the object with this name here. Requires its module if that is not loaded. Returns 0; or
 * pushes a message and returns LUAS_EPROTO for a payload that no sender writes, or LUAS_EUNSENT
 * if this state has no such module or field.
 */
int luas__names_resolve(lua_State *L, int names, int type, const char *payload, size_t len);

/* Does this table have a field that only metatables have? */
int luas__names_is_class(lua_State *L, int table);

/*
 * Remembers the globals as they are now. Call it in a worker before `init` runs: so globals that it
 * inherited from its host can be told from its own.
 */
void luas__names_snapshot(lua_State *L);

/* Pushes the snapshot, a table, or nil if there is none. */
void luas__names_push_snapshot(lua_State *L);

/* Does the global of that name (a string at `name`) still have the value from the snapshot? */
int luas__names_inherited(lua_State *L, int name);

/* ---- for names_scan.c ---- */

/* A fingerprint of the modules that were read last; 0 for none. */
uint64_t *luas__names_stamp(lua_State *L, int names);

/* Forgets all names but those of the standard library. */
void luas__names_forget_modules(lua_State *L, int names);

/* May this value have a name? Names the one at the top after the text, unless
   it has a name already (0). */
int luas__names_may_have(lua_State *L, int index);
int luas__names_add(lua_State *L, int names);
luas__buffer *luas__names_text(lua_State *L, int names);

/* Raises a code's message, if it is negative. */
void luas__names_must(lua_State *L, int rc);

#endif
