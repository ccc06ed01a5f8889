/* Open addressing: a key is in the first free slot from the one that its low bits say. */
#include "hashmap.h"

#include <stdlib.h>

enum { FIRST_SLOTS = 64 };

static luas__hashmap_slot *slot_of(const luas__hashmap *m, luas__hash key)
{
    size_t i = (size_t)key.low & m->mask;
    while (m->slots[i].used && !luas__xxh_same(m->slots[i].key, key))
        i = (i + 1) & m->mask;
    return &m->slots[i];
}

/* At most three quarters are in use. */
static bool make_room(luas__hashmap *m, size_t extra)
{
    size_t old = m->slots != NULL ? m->mask + 1 : 0, size = old > 0 ? old : FIRST_SLOTS;
    while (m->count + extra > size - size / 4)
        size *= 2;
    if (size == old)
        return true;
    luas__hashmap bigger = {.mask = size - 1, .count = m->count};
    bigger.slots = calloc(bigger.mask + 1, sizeof *bigger.slots);
    if (bigger.slots == NULL)
        return false;
    for (size_t i = 0; i < old; i++)
        if (m->slots[i].used)
            *slot_of(&bigger, m->slots[i].key) = m->slots[i];
    free(m->slots);
    *m = bigger;
    return true;
}

void luas__hashmap_release(luas__hashmap *m)
{
    free(m->slots);
    *m = (luas__hashmap){.slots = NULL};
}

void luas__hashmap_reserve(luas__hashmap *m, size_t extra)
{
    (void)make_room(m, extra);
}

uint32_t *luas__hashmap_find(const luas__hashmap *m, luas__hash key)
{
    if (m->slots == NULL)
        return NULL;
    luas__hashmap_slot *s = slot_of(m, key);
    return s->used ? &s->number : NULL;
}

uint32_t *luas__hashmap_add(luas__hashmap *m, luas__hash key)
{
    if (!make_room(m, 1))
        return NULL;
    luas__hashmap_slot *s = slot_of(m, key);
    if (!s->used) {
        *s = (luas__hashmap_slot){.key = key, .used = 1};
        m->count++;
    }
    return &s->number;
}
