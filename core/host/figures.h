/* A tally's figures as a table of Lua's. */
#ifndef LUAS_FIGURES_H
#define LUAS_FIGURES_H

#include <lua.h>

#include "tally.h"

/* Pushes it. The tally must be locked; where memory runs out this raises. */
void luas__figures_push(lua_State *L, const luas__tally *t);

#endif
