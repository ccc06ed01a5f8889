/*
 * A growable run of bytes. `data` holds `len` bytes from `start`; a buffer
 * that is all zero is a valid empty one. Nothing here raises or prints:
 * functions returning int give 0, or LUAS_ENOMEM with the buffer unchanged.
 */
#ifndef LUAS_BUFFER_H
#define LUAS_BUFFER_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef struct luas__buffer {
    char *data;     /* NULL while cap is 0 */
    size_t start;   /* offset of the first byte that is still wanted */
    size_t len;     /* bytes from start */
    size_t cap;     /* bytes allocated */
} luas__buffer;

#define LUAS__BUFFER_INIT {NULL, 0, 0, 0}

/* Makes room for `extra` bytes after the contents. */
int luas__buffer_grow(luas__buffer *b, size_t extra);

/* Frees the room after the contents. */
void luas__buffer_trim(luas__buffer *b);

/* Frees the storage; the buffer is empty and usable again. */
void luas__buffer_release(luas__buffer *b);

/* Forgets the first n bytes (n <= len); an emptied buffer starts over. */
void luas__buffer_consume(luas__buffer *b, size_t n);

static inline char *luas__buffer_bytes(const luas__buffer *b)
{
    return b->data + b->start;
}

/* Where the next byte goes. The caller may write as many bytes as it has reserved. */
static inline char *luas__buffer_end(const luas__buffer *b)
{
    return b->data + b->start + b->len;
}

static inline size_t luas__buffer_room(const luas__buffer *b)
{
    return b->cap - b->start - b->len;
}

static inline int luas__buffer_reserve(luas__buffer *b, size_t extra)
{
    return luas__buffer_room(b) >= extra ? 0 : luas__buffer_grow(b, extra);
}

static inline int luas__buffer_append(luas__buffer *b, const void *bytes, size_t n)
{
    int rc = luas__buffer_reserve(b, n);
    if (rc == 0 && n > 0) {
        memcpy(luas__buffer_end(b), bytes, n);
        b->len += n;
    }
    return rc;
}

/* Cuts the contents back to their first `len` bytes. */
static inline void luas__buffer_truncate(luas__buffer *b, size_t len)
{
    b->len = len;
}

#endif
