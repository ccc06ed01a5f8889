/*
 * How the program stops a script. While Lua runs, SIGINT and SIGTERM become errors. So the
 * script unwinds, closes its pools, and ends with one message and with the status that a shell
 * gives to a program that a signal has killed.
 *
 * The error of SIGINT can be caught like any other. The error of SIGTERM is raised again when
 * it is caught, until the whole script is unwound. Values that are closed on the way, pools
 * above all, close undisturbed. A coroutine is not interrupted: the error is raised when it
 * returns to the main thread. A second signal of the same kind kills at once.
 *
 * A process has one main state, which luas__signals_open is given. In forked children the
 * signals have their default actions.
 */
#ifndef LUAS_SIGNALS_H
#define LUAS_SIGNALS_H

#include <lua.h>

/* Call it once, while the standard libraries are open and unchanged. */
void luas__signals_open(lua_State *L);

/* lua_pcall; while it runs the signals become errors. */
int luas__signals_pcall(lua_State *L, int nargs, int nresults, int handler);

/*
 * A lua_CFunction, call(f, handler): an xpcall within luas__signals_pcall. Ctrl-C stops it. The
 * error of a second Ctrl-C is raised again when it is caught, as that of SIGTERM is. It kills
 * only if Lua has not reacted to the first for a second. After a SIGTERM the function does not
 * return, it raises.
 */
int luas__signals_xpcall(lua_State *L);

/* Finds the message of the latest stop in this message. Returns where it ends, or NULL. */
const char *luas__signals_find(lua_State *L, const char *message);

/* The exit status of a program that died of the latest signal. */
int luas__signals_status(void);

#endif
