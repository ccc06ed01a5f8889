/* Errors of the caller. Their messages name a line of the script, not of luas. */
#ifndef LUAS_LUA_FAIL_H
#define LUAS_LUA_FAIL_H

#include <lua.h>

/*
 * Pushes "file:line: " of the innermost line that is neither in C nor in a Lua file of the library;
 * an empty string if there is none.
 */
void luas__fail_push_caller(lua_State *L);

/* Like luaL_error, with that line in front. */
int luas__fail(lua_State *L, const char *format, ...);

/* core.report(message): tells people. The program prints it; the library itself must not print,
   so without the program it becomes a warning of Lua. */
int luas__fail_report(lua_State *L);

#endif
