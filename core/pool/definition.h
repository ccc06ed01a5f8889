/*
 * Definitions (functions, classes) as bytes, kept by content: a job that
 * defines what an earlier job defined finds the earlier definition, and a worker
 * that has it is not sent it again. A few unused ones are kept for that.
 */
#ifndef LUAS_BLOB_H
#define LUAS_BLOB_H

#include "buffer.h"

typedef struct luas__definition {
    struct luas__definition *next;    /* most recently used first */
    int64_t id;                 /* from 1, never used again */
    uint64_t hash;
    int users;                  /* jobs that hold it */
    size_t len;
    char bytes[];
} luas__definition;

typedef struct luas__definitions {
    luas__definition *first;
    int64_t last_id;
    int count;
    size_t bytes;
} luas__definitions;

/* The definition with these bytes, made if need be, with one more user; NULL when
   there is no memory. */
luas__definition *luas__definition_take(luas__definitions *all, const char *bytes, size_t len);

/* One user less. */
void luas__definition_drop(luas__definition *definition);

/* Takes the least recently used definition out of the collection when that has
   grown too large and nobody uses it; the caller frees it. NULL: none. */
luas__definition *luas__definition_evict(luas__definitions *all);

void luas__definition_release_all(luas__definitions *all);

#endif
