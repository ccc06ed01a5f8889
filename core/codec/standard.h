/*
 * The standard library as it was when a state was first asked for it. Whoever
 * needs it later finds it whole, whatever scripts have done to their globals.
 */
#ifndef LUAS_STANDARD_H
#define LUAS_STANDARD_H

#include <lua.h>

/* Names of the global functions and of the libraries, each list with NULL at its end. */
extern const char *const luas__standard_functions[], *const luas__standard_libraries[];

/* What the metatable of strings is called among the tables. */
#define LUAS__STRING_CLASS "(string)"

/*
 * Pushes two tables by name: the values, where a library is a copy of its
 * table; and the libraries' own tables, with the metatable of strings. Make the
 * first call before user code can have replaced anything.
 */
void luas__standard_push(lua_State *L);

#endif
