/*
 * Was this raised by a signal, to stop the script? Whoever catches errors for
 * reasons of its own asks, and passes such a one on.
 */
#ifndef LUAS_STOP_H
#define LUAS_STOP_H

#include <lua.h>
#include <stdbool.h>

/*
 * Registry: what the program raised at its last signal, as text; false when
 * none came yet. Not there at all under an interpreter that is not ours: then
 * a message that ends as that of `lua` does is one.
 */
#define LUAS__STOPPED_KEY "luas.stopped"

/* Is the value at the index such an error, a message that has one in it, or an outcome that has
   one as its `value`? */
bool luas__stop_is(lua_State *L, int index);

#endif
