/*
 * A hash from addresses to numbers: what a message or a space has met so far.
 * All zero is a valid empty one. Addresses are compared, never followed.
 * A copy inherited by fork is as good as the original.
 */
#ifndef LUAS_POINTERS_H
#define LUAS_POINTERS_H

#include <stddef.h>
#include <stdint.h>

typedef struct luas__pointer_slot {
    const void *key;
    uint32_t number;
    uint32_t age;       /* in use when equal to the hash's own */
} luas__pointer_slot;

typedef struct luas__ptrmap {
    luas__pointer_slot *slots;
    uint32_t mask;      /* slots - 1; a power of two less one */
    uint32_t count;
    uint32_t age;       /* clearing adds one, so that it costs nothing */
} luas__ptrmap;

/* Frees the storage; the hash is empty and usable again. */
void luas__ptrmap_release(luas__ptrmap *h);

/* Forgets all keys; storage above what is common is given back. */
void luas__ptrmap_clear(luas__ptrmap *h);

/* The number of this key, or -1. */
int64_t luas__ptrmap_find(const luas__ptrmap *h, const void *key);

/*
 * The number of this key if it is there, in *number (0). If it is not, it is
 * added with the number given (1), or LUAS_ENOMEM and nothing has changed.
 */
int luas__ptrmap_add(luas__ptrmap *h, const void *key, uint32_t *number);

#endif
