/* Errors that are the caller's: they name a line of a script, not of luas. */
#ifndef LUAS_LUA_FAIL_H
#define LUAS_LUA_FAIL_H

#include <lua.h>

/*
 * Pushes "file:line: " of the innermost line that is neither of C nor of the
 * library's own Lua files; an empty string where there is none.
 */
void luas__fail_push_caller(lua_State *L);

/* luaL_error, with that line in front. */
int luas__fail(lua_State *L, const char *format, ...);

/* core.report(message): tells people, by way of the program if it listens (it may
   print; the library may not), else as a warning of Lua's. */
int luas__fail_report(lua_State *L);

#endif
