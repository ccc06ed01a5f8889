/* Text for a raised value of any type. */
#ifndef LUAS_DESCRIBE_H
#define LUAS_DESCRIBE_H

#include <lua.h>
#include <stdbool.h>

/* Pushes a string for people that describes the raised value at `index` (positive). May leave
   other values below it. A __tostring runs in protected mode, so only memory errors are raised.
   Returns false if the hook of a signal ended that (stop.h); the string is what the hook raised. */
bool luas__describe_error(lua_State *L, int index);

#endif
