/* What a raised value says, whatever it is. */
#ifndef LUAS_DESCRIBE_H
#define LUAS_DESCRIBE_H

#include <lua.h>

/* Pushes what a raised value at `index` (positive) says, for people, always a string; what else it
   pushes may stay below. Its __tostring runs in protected mode: only memory errors are raised. */
void luas__describe_error(lua_State *L, int index);

#endif
