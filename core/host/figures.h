/* The figures of a tally as a Lua table. */
#ifndef LUAS_FIGURES_H
#define LUAS_FIGURES_H

#include <lua.h>

#include "tally.h"

/* Pushes the table. The tally must be locked. Raises if memory runs out. */
void luas__figures_push(lua_State *L, const luas__tally *t);

#endif
