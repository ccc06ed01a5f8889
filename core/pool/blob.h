/*
 * Definitions (functions, classes) as bytes, kept by content: a job that
 * defines what an earlier job defined finds the earlier blob, and a worker
 * that has it is not sent it again. A few unused ones are kept for that.
 */
#ifndef LUAS_BLOB_H
#define LUAS_BLOB_H

#include "buffer.h"

typedef struct luas__blob {
    struct luas__blob *next;    /* most recently used first */
    int64_t id;                 /* from 1, never used again */
    uint64_t hash;
    int users;                  /* jobs that hold it */
    size_t len;
    char bytes[];
} luas__blob;

typedef struct luas__blobs {
    luas__blob *first;
    int64_t last_id;
    int count;
    size_t bytes;
} luas__blobs;

/* The blob with these bytes, made if need be, with one more user; NULL when
   there is no memory. */
luas__blob *luas__blob_take(luas__blobs *all, const char *bytes, size_t len);

/* One user less. */
void luas__blob_drop(luas__blob *blob);

/* Takes the least recently used blob out of the collection when that has
   grown too large and nobody uses it; the caller frees it. NULL: none. */
luas__blob *luas__blob_evict(luas__blobs *all);

void luas__blobs_release(luas__blobs *all);

#endif
