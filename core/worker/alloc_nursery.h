/*
 * Fresh memory for the small blocks that a worker allocates. The free blocks of
 * the heap that came with the fork lie all over it, and each page that one of
 * them is taken from must be copied.
 */
#ifndef LUAS_LUA_NURSERY_H
#define LUAS_LUA_NURSERY_H

#include <lua.h>
#include <stdbool.h>

/* In a worker: from now on the state allocates small blocks in fresh memory,
   which only small blocks use again, and if it may it keeps some of the largest
   for later (alloc_large.h); all is as before where no such memory can be had. */
void luas__alloc_nursery_open(lua_State *L, bool keeps_large);

#endif
