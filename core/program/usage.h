/* The help text: what `luas -h` prints, and `luas --help NAME`. */
#ifndef LUAS_USAGE_H
#define LUAS_USAGE_H

#include <lua.h>

void luas__usage_print(void);

/* Pushes a function, and its argument, that says what the reference has on a name: it gives an exit
   status and a message or nil. Returns how many arguments there are. */
int luas__usage_push(lua_State *L, const char *topic);

#endif
