/*
 * Fresh memory for what a worker allocates first. The free blocks of the heap
 * that came with the fork lie all over it, and each page that one of them is
 * taken from must be copied; most workers need little memory of their own.
 */
#ifndef LUAS_LUA_NURSERY_H
#define LUAS_LUA_NURSERY_H

#include <lua.h>

/* In a worker: from now on the state allocates in fresh memory while that
   lasts, and as before after that. Without memory nothing changes. */
void luas__nursery_open(lua_State *L);

#endif
