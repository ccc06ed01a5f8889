/* Errors of the caller. Their messages name a line of the script, not of luas. */
#ifndef LUAS_FAIL_H
#define LUAS_FAIL_H

#include <lua.h>

/*
 * Pushes "file:line: " of the innermost line that is neither in C nor in a Lua file of the library;
 * an empty string if there is none.
 */
void luas__fail_push_caller(lua_State *L);

/* Like luaL_error, with that line in front. */
int luas__fail(lua_State *L, const char *format, ...);

/* The same for an argument: `bad argument #1 to 'queue' (reason)`. luaL_argerror would name a line
   of the library where a Lua function of its lies between. */
int luas__fail_argument(lua_State *L, int argument, const char *verb, const char *reason);

/* Registry: true where C has opened the library (luas_openlibs), and not `require`. */
#define LUAS__OPENED_KEY "luas.opened"

/* Registry: the module `luas`, whose field `report` a script may set. */
#define LUAS__MODULE_KEY "luas.module"

/* Registry: who tells people else: a function of the program's (it may print; the library
   may not), or luas__fail_reporter's. */
#define LUAS__REPORT_KEY "luas.report"

/* Registry: the message of the last error that a wrong command line has caused (a journal that is there
   already), for the program's exit status. */
#define LUAS__REFUSED_KEY "luas.refused"

/* core.report(message): tells people, in one of these ways, else as a warning of Lua's. */
int luas__fail_report(lua_State *L);

/* core.reporter(f): f(message) tells people from now on, but not where C has opened the
   library: it would have to say so. */
int luas__fail_reporter(lua_State *L);

#endif
