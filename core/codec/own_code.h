/*
 * The Lua code of the library itself. An error at any instruction would leave its tables half
 * changed: a job that nobody closes, a task that seems to run for ever. So a hook that stops a
 * task waits until code of the task runs again. Before the library waits, it looks for a stop
 * itself.
 */
#ifndef LUAS_OWN_CODE_H
#define LUAS_OWN_CODE_H

#include <lua.h>
#include <stdbool.h>

/* How often a hook, called at each instruction, may let the library go on. */
enum { LUAS__LEEWAY = 10000 };

/* Called by a hook: does the innermost Lua function belong to the library? */
bool luas__own_code_runs(lua_State *L);

/* Is the function of a level the library's? `ar` is filled by lua_getinfo with "S". */
bool luas__own_code_is(const lua_Debug *ar);

#endif
