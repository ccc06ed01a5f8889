/*
 * Hashes of 128 bits (XXH3), by the library xxHash (Debian: libxxhash0). It is loaded when the
 * first journal is opened. The same bytes have the same hash everywhere.
 */
#ifndef LUAS_XXH_H
#define LUAS_XXH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct luas__hash {
    uint64_t low, high;
} luas__hash;

static inline bool luas__xxh_same(luas__hash a, luas__hash b)
{
    return a.low == b.low && a.high == b.high;
}

/* Call it before luas__xxh_of. Returns false, and why, where the library cannot be loaded. */
bool luas__xxh_load(const char **why);

luas__hash luas__xxh_of(const void *bytes, size_t len);

#endif
