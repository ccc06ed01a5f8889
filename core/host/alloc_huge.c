/* An allocator like that of luaL_newstate, but with aligned large blocks. */
#define _GNU_SOURCE
#include "alloc_huge.h"

#include <lauxlib.h>
#include <stdlib.h>
#include <sys/mman.h>

#define HUGE_PAGE ((size_t)2 << 20)

/* Uses only huge pages that are completely inside the block: so it takes no more memory. */
static void *allocate_large(size_t size)
{
    void *block;
    if (posix_memalign(&block, HUGE_PAGE, size) != 0)
        return NULL;
#ifdef MADV_HUGEPAGE
    madvise(block, size & ~(HUGE_PAGE - 1), MADV_HUGEPAGE); /* a failure only costs time */
#endif
    return block;
}

static void *allocate(void *ud, void *block, size_t old_size, size_t size)
{
    (void)ud;
    (void)old_size;
    if (size == 0) {
        free(block);
        return NULL;
    }
    return block == NULL && size >= HUGE_PAGE ? allocate_large(size) : realloc(block, size);
}

lua_State *luas__alloc_huge_state(void)
{
    lua_State *L = luaL_newstate(); /* to copy its panic function and its warnings */
    if (L != NULL)
        lua_setallocf(L, allocate, NULL);
    return L;
}
