/*
 * How the program stops a script: SIGINT and SIGTERM become errors while Lua
 * runs, so that the script unwinds, closes its pools and ends with one message
 * and the status that a shell gives to a program that died of them.
 *
 * What SIGINT raises can be caught like any error. What SIGTERM raises is
 * raised again where it was caught, until the whole script is unwound; what
 * closes on the way, a pool above all, runs undisturbed. Code in a coroutine is
 * told when it comes back to the main thread. A second signal of the same kind
 * kills at once.
 *
 * There is one main state to a process, which luas__signals_open names. Children
 * that it forks die of the signals as if nobody handled them.
 */
#ifndef LUAS_STOP_H
#define LUAS_STOP_H

#include <lua.h>

/* To be called once, with the standard libraries open and unchanged. */
void luas__signals_open(lua_State *L);

/* lua_pcall, in which the signals are raised. */
int luas__signals_pcall(lua_State *L, int nargs, int nresults, int handler);

/*
 * A lua_CFunction, call(f, handler): an xpcall within luas__signals_pcall which
 * Ctrl-C stops, and Ctrl-C in a hurry once only; it kills only where Lua has
 * not come back to be told for a second. After a SIGTERM it does not return but
 * raises.
 */
int luas__signals_xpcall(lua_State *L);

/* Where in a message that of the latest stop ends; NULL where it is not in it. */
const char *luas__signals_find(lua_State *L, const char *message);

/* The exit status of who died of the latest signal. */
int luas__signals_status(void);

#endif
