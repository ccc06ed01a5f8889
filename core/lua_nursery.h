/*
 * Fresh memory for the small blocks that a worker allocates. The free blocks of
 * the heap that came with the fork lie all over it, and each page that one of
 * them is taken from must be copied.
 */
#ifndef LUAS_LUA_NURSERY_H
#define LUAS_LUA_NURSERY_H

#include <lua.h>

/* In a worker: from now on the state allocates small blocks in fresh memory,
   which only small blocks use again; large ones as before, and all where no
   such memory can be had. */
void luas__nursery_open(lua_State *L);

#endif
