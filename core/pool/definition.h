/*
 * Definitions (functions, classes) as bytes, found by their content. A job with the same
 * definition as an earlier job uses the earlier one, and workers that have it already are
 * not sent it again. So a few definitions are kept that no job uses.
 *
 * No operation becomes slower with the number of definitions.
 */
#ifndef LUAS_DEFINITION_H
#define LUAS_DEFINITION_H

#include "buffer.h"

typedef struct luas__definition {
    struct luas__definition *next;    /* in its bucket */
    struct luas__definition *younger; /* among the unused: the next that became so */
    struct luas__definition **older;  /* the pointer to this one in that list */
    int64_t id;                 /* from 1, never used again */
    uint64_t hash;
    int users;                  /* jobs that hold it */
    size_t len;
    char bytes[];
} luas__definition;

/* All zero is an empty collection. */
typedef struct luas__definitions {
    luas__definition **buckets;       /* by hash; `size` of them, a power of two or 0 */
    size_t size;
    luas__definition *oldest, **youngest; /* of the unused; where the next one goes, or NULL */
    int64_t last_id;
    int count, unused;
    size_t bytes, unused_bytes;
} luas__definitions;

/* Returns the definition with these bytes, and adds one user. Makes it if there is none yet;
   NULL without memory. */
luas__definition *luas__definition_take(luas__definitions *all, const char *bytes, size_t len);

/* Drops one user. */
void luas__definition_drop(luas__definitions *all, luas__definition *definition);

/* If too many definitions have no user, removes the least recently used one from the
   collection and returns it: the caller frees it. Else NULL. */
luas__definition *luas__definition_evict(luas__definitions *all);

void luas__definition_release_all(luas__definitions *all);

#endif
