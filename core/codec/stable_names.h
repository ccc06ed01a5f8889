/*
 * Names of what modules have, for stable bytes. An object may be in several modules, and which of these gives it its
 * name (names.h) differs from run to run. Here it is the first by the alphabet, of those that have it as themselves
 * or as a field.
 */
#ifndef LUAS_STABLE_NAMES_H
#define LUAS_STABLE_NAMES_H

#include <lua.h>
#include <stdbool.h>

/* Pushes the name of the object at the top, `module` or `module\1field`, and returns true; or returns false. `names`:
   the index of the names, after a scan. */
bool luas__stable_names_push(lua_State *L, int names);

#endif
