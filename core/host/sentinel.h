/*
 * The sentinel tells that a state closes. Lua finalizes all objects then, the youngest
 * first, and the sentinel is one of them, to which something always refers: so it is
 * finalized then only. What is older than it is still whole.
 *
 *   core.sentinel()     makes it anew. Does nothing in a finalizer: the state may be closing,
 *                       and then a new one would never be finalized
 *   core.at_close(f)    f() is called when the sentinel is finalized
 *   core.in_finalizer() -> boolean      does a finalizer run?
 */
#ifndef LUAS_SENTINEL_H
#define LUAS_SENTINEL_H

#include <lauxlib.h>

extern const luaL_Reg luas__sentinel_core[];

#endif
