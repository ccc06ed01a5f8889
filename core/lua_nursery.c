/* An allocator in front of the state's own, with a little memory of its own. */
#define _GNU_SOURCE
#include "lua_nursery.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

enum { SIZE = 1 << 15 };

typedef struct nursery {
    lua_Alloc allocate;
    void *ud;
    char *next;         /* what is free: up to SIZE bytes from the struct */
} nursery;

static void *take(nursery *n, size_t size)
{
    char *block = n->next;
    size_t rounded = (size + _Alignof(max_align_t) - 1) & ~(_Alignof(max_align_t) - 1);
    if (rounded < size || rounded > (size_t)((char *)n + SIZE - block))
        return NULL;
    n->next += rounded;
    return block;
}

/* What it gave away it gets back never: objects made so early seldom die. */
static void *allocate_fresh(void *ud, void *block, size_t old_size, size_t new_size)
{
    nursery *n = ud;
    if ((uintptr_t)block - (uintptr_t)n >= SIZE) {
        void *fresh = block == NULL && new_size > 0 ? take(n, new_size) : NULL;
        return fresh != NULL ? fresh : n->allocate(n->ud, block, old_size, new_size);
    }
    if (new_size <= old_size)
        return new_size > 0 ? block : NULL;
    void *moved = allocate_fresh(n, NULL, 0, new_size);
    if (moved != NULL)
        memcpy(moved, block, old_size);
    return moved;
}

void luas__nursery_open(lua_State *L)
{
    nursery *n = mmap(NULL, SIZE, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (n == MAP_FAILED)
        return;
    n->next = (char *)(n + 1);
    n->next += -(uintptr_t)n->next % _Alignof(max_align_t);
    n->allocate = lua_getallocf(L, &n->ud);
    lua_setallocf(L, allocate_fresh, n);
}
