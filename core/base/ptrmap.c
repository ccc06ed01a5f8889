/* Open addressing with linear probing. A slot of another age is free. */
#include "ptrmap.h"

#include <stdlib.h>

#include "error.h"

enum { FIRST_SLOTS = 16, KEPT_SLOTS = 1 << 16 };

/*
 * Objects that were allocated together are looked up together. So the addresses of one
 * kilobyte get slots side by side, which share cache lines. The multiplication spreads
 * the kilobytes.
 */
static inline uint32_t slot_of(const luas__ptrmap *h, const void *key)
{
    uint64_t line = (uint64_t)(uintptr_t)key >> 6;
    uint64_t mixed = (line >> 4) * UINT64_C(0x9e3779b97f4a7c15);
    return ((uint32_t)(mixed >> 32 << 4) | (uint32_t)(line & 15)) & h->mask;
}

/* The slot that holds key, or the free one where it belongs. */
static inline luas__pointer_slot *probe(const luas__ptrmap *h, const void *key)
{
    uint32_t i = slot_of(h, key);
    while (h->slots[i].age == h->age && h->slots[i].key != key)
        i = (i + 1) & h->mask;
    return &h->slots[i];
}

/* Moves the keys with a number below `end` to as many slots as the mask says. */
static int rebuild(luas__ptrmap *h, uint32_t mask, int64_t end)
{
    luas__ptrmap next = {calloc((size_t)mask + 1, sizeof *next.slots), mask, 0, 1};
    if (next.slots == NULL)
        return LUAS_ENOMEM;
    for (size_t i = 0; h->slots != NULL && i <= h->mask; i++) {
        if (h->slots[i].age == h->age && h->slots[i].number < end) {
            luas__pointer_slot *slot = probe(&next, h->slots[i].key);
            *slot = (luas__pointer_slot){h->slots[i].key, h->slots[i].number, next.age};
            next.count++;
        }
    }
    free(h->slots);
    *h = next;
    return 0;
}

static int grow(luas__ptrmap *h)
{
    if (h->mask >= UINT32_MAX / 4)
        return LUAS_ENOMEM;
    return rebuild(h, h->slots == NULL ? FIRST_SLOTS - 1 : h->mask * 2 + 1, INT64_MAX);
}

int luas__ptrmap_forget_from(luas__ptrmap *h, uint32_t number)
{
    return h->count == 0 ? 0 : rebuild(h, h->mask, number);
}

void luas__ptrmap_release(luas__ptrmap *h)
{
    free(h->slots);
    *h = (luas__ptrmap){NULL, 0, 0, 0};
}

void luas__ptrmap_clear(luas__ptrmap *h)
{
    if (h->slots == NULL)
        return;
    if (h->mask >= KEPT_SLOTS || h->age == UINT32_MAX) {
        luas__ptrmap_release(h);
        return;
    }
    h->count = 0;
    h->age++;
}

int64_t luas__ptrmap_find(const luas__ptrmap *h, const void *key)
{
    if (h->count == 0)
        return -1;
    const luas__pointer_slot *slot = probe(h, key);
    return slot->age == h->age ? (int64_t)slot->number : -1;
}

int luas__ptrmap_add(luas__ptrmap *h, const void *key, uint32_t *number)
{
    if (h->slots == NULL || h->count > h->mask / 2) {
        int rc = grow(h);
        if (rc < 0)
            return rc;
    }
    luas__pointer_slot *slot = probe(h, key);
    if (slot->age == h->age) {
        *number = slot->number;
        return 0;
    }
    *slot = (luas__pointer_slot){key, *number, h->age};
    h->count++;
    return 1;
}
