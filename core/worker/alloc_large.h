/*
 * Large blocks that a worker reuses. A block that is returned to the system comes back as
 * zeros. Writing these takes as long as writing the string that the block is for.
 */
#ifndef LUAS_ALLOC_LARGE_H
#define LUAS_ALLOC_LARGE_H

#include <lua.h>

/* From this size on a block is large. */
#define LUAS__LARGE_BLOCK ((size_t)1 << 20)

enum { LUAS__LARGE_BLOCKS = 8 };

/* Enough for results of some MB until the collector comes by. */
#define LUAS__LARGE_IDLE ((size_t)24 << 20)

/* All zero at first, except most_idle. It knows only a few blocks; others are allocated and
   freed as usual. */
typedef struct luas__large {
    size_t most_idle;       /* bytes that are kept for later */
    struct luas__large_block {
        void *at;       /* NULL: none */
        size_t size;    /* its real size */
        int idle;       /* nobody uses it now */
    } blocks[LUAS__LARGE_BLOCKS];
} luas__large;

/* A lua_Alloc on top of another one (`under` and `ud`), for blocks of any size and origin. */
void *luas__alloc_large(luas__large *l, lua_Alloc under, void *ud, void *block,
                           size_t old_size, size_t new_size);

#endif
