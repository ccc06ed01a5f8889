/*
 * The end of a worker that was told to end: what it made is finalized (mark.h), and what
 * is the host's is not. Of that there are also variables that are to be closed.
 */
#ifndef LUAS_WORKER_END_H
#define LUAS_WORKER_END_H

#include <lua.h>

/* When the worker begins. Without memory, or where it has inherited much, nothing will be
   finalized. */
void luas__worker_end_prepare(lua_State *L);

/* What its tasks have submitted and started is waited for; then it finalizes what the
   worker made, gives back what it shared, flushes its files, and exits. */
_Noreturn void luas__worker_end(lua_State *L, int status);

#endif
