/* Functions of the script of a pool of luas.h, by their names. */
#ifndef LUAS_BY_NAME_H
#define LUAS_BY_NAME_H

#include <lua.h>

/* Registry: the table that the script has returned. */
#define LUAS__SCRIPT_KEY "luas.script"

/*
 * Pushes the function that is called `name`, or `mod.f`: of the table that the script has
 * returned, of a module that is loaded, or a global one; the first of these. Raises if there is none.
 */
void luas__by_name_push(lua_State *L, const char *name);

#endif
