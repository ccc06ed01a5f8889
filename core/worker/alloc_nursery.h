/*
 * Fresh memory for the small blocks that a worker allocates. The heap that came with the fork
 * has free blocks, too, but they are scattered over all its pages, and each page that is
 * written to must be copied.
 */
#ifndef LUAS_ALLOC_NURSERY_H
#define LUAS_ALLOC_NURSERY_H

#include <lua.h>
#include <stdbool.h>

/* In a worker: from now on the state allocates small blocks in fresh memory. With `keeps_large`
   it also keeps some large blocks for reuse (alloc_large.h). If no memory can be had nothing
   changes. */
void luas__alloc_nursery_open(lua_State *L, bool keeps_large);

#endif
