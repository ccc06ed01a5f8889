/* Functions of the library's Lua modules, which the program calls. */
#ifndef LUAS_MODULE_H
#define LUAS_MODULE_H

#include <lua.h>

/* Pushes a function of a module, which is opened if it is not open yet. Raises what opening it raises. */
void luas__module_push(lua_State *L, const char *module, const char *function);

#endif
