/* Lists of values, as users give them. */
#ifndef LUAS_LIST_H
#define LUAS_LIST_H

#include <lua.h>

/* The most values of a list that are arguments of one call. */
enum { LUAS__LIST_MOST_ARGUMENTS = 200000 };

/* The table has keys but no item 1: so it is no list, and must not count as an empty one. */
enum { LUAS__LIST_KEYS_ONLY = -2 };

/*
 * The length of the table at this index: its own field n, as table.pack sets it; without one,
 * its length by #. If that is no whole number of at least 0, or the table is no list, pushes a
 * message and returns -1 or LUAS__LIST_KEYS_ONLY. Raises what __len raises.
 */
lua_Integer luas__list_length(lua_State *L, int list);

/* Pushes the first n values. Raises if the stack cannot hold them. */
void luas__list_unpack(lua_State *L, int list, int n);

#endif
