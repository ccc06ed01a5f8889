/*
 * The options of a pool, for both who open one: a script by a table, and an application by a struct
 * of luas.h. They have the same names there, and the same meaning.
 */
#ifndef LUAS_POOL_OPTIONS_H
#define LUAS_POOL_OPTIONS_H

#include <lua.h>

#include "luas.h"
#include "state.h"

/* As many workers may a pool have; lua/luas/options.lua says so, too. */
enum { LUAS__MOST_WORKERS = 4096 };

/* Reads the table at the index, which lua/luas/options.lua has checked. */
void luas__pool_options_read(lua_State *L, int table, luas__pool_options *o);

/* Reads the struct. Returns 0, or LUAS_EINVAL for a value that an option cannot have. */
int luas__pool_options_take(const luas_options *from, luas__pool_options *o);

#endif
