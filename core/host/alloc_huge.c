/* An allocator like that of luaL_newstate, but with aligned large blocks. */
#define _GNU_SOURCE
#include "alloc_huge.h"

#include <lauxlib.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>

#define HUGE_PAGE ((size_t)2 << 20)
#define PAGE ((size_t)4 << 10)

/* From this size on a string has all its pages at once. */
#define WHOLE ((size_t)256 << 10)

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

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

/* Has its pages there in one call, in place of a page fault for each. */
static void touch(char *block, size_t size)
{
    size_t before = -(uintptr_t)block & (PAGE - 1);
    if (block != NULL)
        madvise(block + before, (size - before) & ~(PAGE - 1), MADV_POPULATE_WRITE); /* likewise */
}

/* What is allocated for a string is filled at once. */
static void *allocate(void *ud, void *block, size_t old_size, size_t size)
{
    (void)ud;
    if (size == 0) {
        free(block);
        return NULL;
    }
    if (block != NULL || size < WHOLE)
        return realloc(block, size);
    block = size >= HUGE_PAGE ? allocate_large(size) : malloc(size);
    if (old_size == LUA_TSTRING)
        touch(block, size);
    return block;
}

lua_State *luas__alloc_huge_state(void)
{
    lua_State *L = luaL_newstate(); /* to copy its panic function and its warnings */
    if (L != NULL)
        lua_setallocf(L, allocate, NULL);
    return L;
}
