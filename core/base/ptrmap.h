/*
 * A hash table from addresses to numbers. A message or a space keeps the objects there
 * that it has met. A table that is all zero is valid and empty. Addresses are compared,
 * never followed. A copy that a forked child inherits works like the original.
 */
#ifndef LUAS_PTRMAP_H
#define LUAS_PTRMAP_H

#include <stddef.h>
#include <stdint.h>

typedef struct luas__pointer_slot {
    const void *key;
    uint32_t number;
    uint32_t age;       /* the slot is in use if this equals the age of the table */
} luas__pointer_slot;

typedef struct luas__ptrmap {
    luas__pointer_slot *slots;
    uint32_t mask;      /* slots - 1; a power of two less one */
    uint32_t count;
    uint32_t age;       /* to clear the table adds one: no slot is touched */
} luas__ptrmap;

/* Frees the storage; the hash is empty and usable again. */
void luas__ptrmap_release(luas__ptrmap *h);

/* Forgets all keys. Frees the storage if it is larger than usual. */
void luas__ptrmap_clear(luas__ptrmap *h);

/* The number of this key, or -1. */
int64_t luas__ptrmap_find(const luas__ptrmap *h, const void *key);

/*
 * Looks the key up. If it is there, stores its number in *number and returns 0. If it
 * is not, adds it with the number in *number and returns 1, or LUAS_ENOMEM with nothing
 * changed.
 */
int luas__ptrmap_add(luas__ptrmap *h, const void *key, uint32_t *number);

/* Forgets the keys with this number or a higher one. LUAS_ENOMEM with nothing changed. */
int luas__ptrmap_forget_from(luas__ptrmap *h, uint32_t number);

#endif
