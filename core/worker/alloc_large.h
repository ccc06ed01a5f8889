/*
 * Large blocks that a worker uses again. What is given back to the system
 * comes anew as zeros, and to write these takes as long as to write the string
 * that the block is for.
 */
#ifndef LUAS_LUA_LARGE_H
#define LUAS_LUA_LARGE_H

#include <lua.h>

/* From this size on a block is large. */
#define LUAS__LARGE_BLOCK ((size_t)1 << 20)

enum { LUAS__LARGE_BLOCKS = 8 };

/* Enough for results of some MB until the collector comes by. */
#define LUAS__LARGE_IDLE ((size_t)24 << 20)

/* All zero at first but for most_idle. Blocks beyond the few that it knows are
   as they were. */
typedef struct luas__large {
    size_t most_idle;       /* bytes that are kept for later */
    struct luas__large_block {
        void *at;       /* NULL: none */
        size_t size;    /* that it really has */
        int idle;       /* nobody's now */
    } blocks[LUAS__LARGE_BLOCKS];
} luas__large;

/* As a lua_Alloc, on top of that of `under` and `ud`, for blocks of any size
   and fork_detect. */
void *luas__alloc_large(luas__large *l, lua_Alloc under, void *ud, void *block,
                           size_t old_size, size_t new_size);

#endif
