/*
 * The standard library as it was at the first call in a state. It is complete, whatever scripts
 * do to their globals later.
 */
#ifndef LUAS_STANDARD_H
#define LUAS_STANDARD_H

#include <lua.h>

/* Names of the global functions and of the libraries, each list with NULL at its end. */
extern const char *const luas__standard_functions[], *const luas__standard_libraries[];

/* The name of the metatable of strings among the tables. */
#define LUAS__STRING_CLASS "(string)"

/*
 * Pushes two tables by name: the values, in which a library is a copy of its table; and the own
 * tables of the libraries, with the metatable of strings. The first call must come before user
 * code can replace anything.
 */
void luas__standard_push(lua_State *L);

#endif
