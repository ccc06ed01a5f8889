/*
 * A table from hashes (xxh.h) to numbers. One that is all zero is valid and empty. Nothing is
 * ever removed.
 */
#ifndef LUAS_HASHMAP_H
#define LUAS_HASHMAP_H

#include "xxh.h"

typedef struct luas__hashmap_slot {
    luas__hash key;
    uint32_t number;
    uint32_t used;
} luas__hashmap_slot;

typedef struct luas__hashmap {
    luas__hashmap_slot *slots;
    size_t mask;        /* slots - 1 */
    size_t count;
} luas__hashmap;

/* Frees the storage; the table is empty and usable again. */
void luas__hashmap_release(luas__hashmap *m);

/* Makes room for so many more keys; without memory there is none. */
void luas__hashmap_reserve(luas__hashmap *m, size_t extra);

/* The number of this key; NULL: it is not there. Valid until something is added. */
uint32_t *luas__hashmap_find(const luas__hashmap *m, luas__hash key);

/* The same, but a key that is not there is added first, with the number 0. NULL: no memory. */
uint32_t *luas__hashmap_add(luas__hashmap *m, luas__hash key);

#endif
