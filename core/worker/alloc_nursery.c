/* An allocator in front of the state's own, with memory of its own for small blocks. */
#define _GNU_SOURCE
#include "alloc_nursery.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include "alloc_large.h"

/*
 * Sizes are multiples of UNIT. A block of at most UNITS units is reused for blocks of the same
 * size. Larger blocks come from here only among the first START bytes.
 */
enum { UNIT = _Alignof(max_align_t), UNITS = 256 / UNIT, START = 1 << 15 };

/* Address space, more than a worker will need. Only pages that are touched take memory. */
static const size_t SPACE = sizeof(void *) > 4 ? (size_t)1 << 16 << 20 : (size_t)1 << 27;

typedef struct nursery {
    lua_Alloc allocate;
    void *ud;
    size_t size;        /* from the struct on */
    size_t used;
    luas__large large;
    void *idle[UNITS + 1];  /* lists of freed blocks, by size in units */
} nursery;

static size_t units(size_t size)
{
    return size / UNIT + (size % UNIT != 0);
}

static void *take(nursery *n, size_t size)
{
    size_t count = units(size), most = count > UNITS ? START : n->size;
    if (count <= UNITS && n->idle[count] != NULL) {
        void **block = n->idle[count];
        n->idle[count] = *block;
        return block;
    }
    if (n->used > most || size > most - n->used || count * UNIT > most - n->used)
        return NULL;
    n->used += count * UNIT;
    return (char *)n + n->used - count * UNIT;
}

static void give_back(nursery *n, void *block, size_t size)
{
    size_t count = units(size);
    if (count > UNITS || count == 0)
        return;
    *(void **)block = n->idle[count];
    n->idle[count] = block;
}

/* A block that shrinks stays in place. From then on it counts as a block of the new size. */
static void *allocate_fresh(void *ud, void *block, size_t old_size, size_t new_size)
{
    nursery *n = ud;
    if ((uintptr_t)block - (uintptr_t)n >= n->size) {
        void *fresh = block == NULL && new_size > 0 ? take(n, new_size) : NULL;
        return fresh != NULL ? fresh
            : luas__alloc_large(&n->large, n->allocate, n->ud, block, old_size, new_size);
    }
    if (new_size > 0 && units(new_size) <= units(old_size))
        return block;
    void *moved = new_size == 0 ? NULL : allocate_fresh(n, NULL, 0, new_size);
    if (moved != NULL)
        memcpy(moved, block, old_size);
    if (moved != NULL || new_size == 0)
        give_back(n, block, old_size);
    return moved;
}

static nursery *map(size_t size)
{
    void *space = mmap(NULL, size, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return space == MAP_FAILED ? NULL : space;
}

void luas__alloc_nursery_open(lua_State *L, bool keeps_large)
{
    nursery *n = map(SPACE);
    size_t size = SPACE;
    if (n == NULL) {
        size = START;
        n = map(size);
    }
    if (n == NULL)
        return;
    n->size = size;
    n->used = units(sizeof *n) * UNIT;
    n->large.most_idle = keeps_large ? LUAS__LARGE_IDLE : 0;
    n->allocate = lua_getallocf(L, &n->ud);
    lua_setallocf(L, allocate_fresh, n);
}
