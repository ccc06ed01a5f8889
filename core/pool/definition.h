/*
 * Definitions (functions, classes) as bytes, kept by content: a job that
 * defines what an earlier job defined finds the earlier definition, and a worker
 * that has it is not sent it again. A few unused ones are kept for that.
 *
 * Each operation takes as long with many definitions as with few.
 */
#ifndef LUAS_BLOB_H
#define LUAS_BLOB_H

#include "buffer.h"

typedef struct luas__definition {
    struct luas__definition *next;    /* in its bucket */
    struct luas__definition *younger; /* among the unused: the next that became so */
    struct luas__definition **older;  /* what points to this one there */
    int64_t id;                 /* from 1, never used again */
    uint64_t hash;
    int users;                  /* jobs that hold it */
    size_t len;
    char bytes[];
} luas__definition;

/* Zeroed it is an empty collection. */
typedef struct luas__definitions {
    luas__definition **buckets;       /* by hash; `size` of them, a power of two or 0 */
    size_t size;
    luas__definition *oldest, **youngest; /* of the unused; where the next one goes, or NULL */
    int64_t last_id;
    int count, unused;
    size_t bytes, unused_bytes;
} luas__definitions;

/* The definition with these bytes, made if need be, with one more user; NULL when
   there is no memory. */
luas__definition *luas__definition_take(luas__definitions *all, const char *bytes, size_t len);

/* One user less. */
void luas__definition_drop(luas__definitions *all, luas__definition *definition);

/* Takes the least recently used definition out of the collection when there are too
   many that nobody uses; the caller frees it. NULL: there are not. */
luas__definition *luas__definition_evict(luas__definitions *all);

void luas__definition_release_all(luas__definitions *all);

#endif
