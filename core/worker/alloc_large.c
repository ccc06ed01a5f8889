/* Large blocks: taken, given back, resized. */
#include "alloc_large.h"

#include <stdint.h>

typedef struct luas__large_block entry;

/* Adds some room to the size, so that the block fits the next request, too. Lua builds a string
   in one block and keeps it in another, which is longer by a header. The extra room takes no
   memory until something is written there. */
static size_t with_room(size_t size)
{
    return size > SIZE_MAX / 2 ? size : size + size / 32;
}

static entry *find(luas__large *l, const void *block)
{
    for (int i = 0; i < LUAS__LARGE_BLOCKS; i++)
        if (l->blocks[i].at == block)
            return &l->blocks[i];
    return NULL;
}

/* Finds a block that is idle and fits, but none of which most would be unused. */
static entry *find_idle(luas__large *l, size_t size)
{
    for (int i = 0; i < LUAS__LARGE_BLOCKS; i++) {
        entry *e = &l->blocks[i];
        if (e->idle && e->size >= size && e->size / 2 <= size)
            return e;
    }
    return NULL;
}

static size_t count_idle(const luas__large *l)
{
    size_t sum = 0;
    for (int i = 0; i < LUAS__LARGE_BLOCKS; i++)
        sum += l->blocks[i].idle ? l->blocks[i].size : 0;
    return sum;
}

static void release(entry *e, lua_Alloc under, void *ud)
{
    under(ud, e->at, e->size, 0);
    *e = (entry){0};
}

static void release_idle(luas__large *l, lua_Alloc under, void *ud)
{
    for (int i = 0; i < LUAS__LARGE_BLOCKS; i++)
        if (l->blocks[i].idle)
            release(&l->blocks[i], under, ud);
}

/* `kind` is of what the block is for, as in lua_Alloc. */
static void *take(luas__large *l, lua_Alloc under, void *ud, size_t kind, size_t size)
{
    entry *e = find_idle(l, size);
    if (e != NULL) {
        e->idle = 0;
        return e->at;
    }
    if ((e = find(l, NULL)) == NULL) {
        release_idle(l, under, ud);
        e = find(l, NULL);
    }
    size_t whole = e != NULL ? with_room(size) : size;
    void *block = under(ud, NULL, kind, whole);
    if (block == NULL) {
        release_idle(l, under, ud);
        block = under(ud, NULL, kind, whole);
    }
    if (block != NULL && e != NULL)
        *e = (entry){.at = block, .size = whole};
    return block;
}

static void give_back(luas__large *l, lua_Alloc under, void *ud, entry *e)
{
    if (count_idle(l) + e->size > l->most_idle)
        release(e, under, ud);
    else
        e->idle = 1;
}

/* A block that becomes small is forgotten here. */
static void *resize(luas__large *l, lua_Alloc under, void *ud, entry *e, size_t size)
{
    if (size <= e->size && size >= e->size / 2 && size >= LUAS__LARGE_BLOCK)
        return e->at;
    size_t whole = size < LUAS__LARGE_BLOCK ? size : with_room(size);
    void *block = under(ud, e->at, e->size, whole);
    if (block == NULL && size > e->size) {
        release_idle(l, under, ud);
        block = under(ud, e->at, e->size, whole);
    }
    if (block == NULL)
        return size <= e->size ? e->at : NULL; /* shrinking must never fail: Lua relies on it */
    *e = whole < LUAS__LARGE_BLOCK ? (entry){0} : (entry){.at = block, .size = whole};
    return block;
}

void *luas__alloc_large(luas__large *l, lua_Alloc under, void *ud, void *block,
                           size_t old_size, size_t new_size)
{
    if (block == NULL && new_size >= LUAS__LARGE_BLOCK)
        return take(l, under, ud, old_size, new_size);
    entry *e = block != NULL ? find(l, block) : NULL;
    if (e == NULL)
        return under(ud, block, old_size, new_size);
    if (new_size > 0)
        return resize(l, under, ud, e, new_size);
    give_back(l, under, ud, e);
    return NULL;
}
