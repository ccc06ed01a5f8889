/* Lists of values, as users give them. */
#ifndef LUAS_LIST_H
#define LUAS_LIST_H

#include <lua.h>

/* The most values of a list that are arguments of one call. */
enum { LUAS__LIST_MOST_ARGUMENTS = 200000 };

/* What has keys and no item 1 is something else, which had better not pass for empty. */
enum { LUAS__LIST_KEYS_ONLY = -2 };

/*
 * The length of the table at this index: its own field n, as table.pack gives it,
 * or without one what # says. Where that is no whole number of at least 0: -1, or
 * LUAS__LIST_KEYS_ONLY, and a message is pushed. Raises what __len does.
 */
lua_Integer luas__list_length(lua_State *L, int list);

/* Pushes the first n values. Raises if the stack cannot hold them. */
void luas__list_unpack(lua_State *L, int list, int n);

#endif
