/* Growable bytes: one allocation, doubled when full, slid back when drained. */
#include "buffer.h"

#include <stdlib.h>

#include "error.h"

enum { SMALLEST = 256 };

static void slide_to_front(luas__buffer *b)
{
    if (b->start > 0) {
        memmove(b->data, b->data + b->start, b->len);
        b->start = 0;
    }
}

int luas__buffer_grow(luas__buffer *b, size_t extra)
{
    /* Sliding pays only when it frees at least as much as it moves. */
    if (b->start >= b->len && b->cap - b->len >= extra) {
        slide_to_front(b);
        return 0;
    }
    if (extra > SIZE_MAX / 8 || b->cap > SIZE_MAX / 8)
        return LUAS_ENOMEM;
    size_t used = b->start + b->len;
    size_t cap = b->cap > SMALLEST ? b->cap : SMALLEST;
    while (cap - used < extra || cap < used)
        cap *= 2;
    char *data = realloc(b->data, cap);
    if (data == NULL)
        return LUAS_ENOMEM;
    b->data = data;
    b->cap = cap;
    return 0;
}

void luas__buffer_trim(luas__buffer *b)
{
    size_t cap = b->start + b->len;
    if (b->len == 0) {
        luas__buffer_release(b);
        return;
    }
    char *data = cap < b->cap ? realloc(b->data, cap) : NULL;
    if (data == NULL)
        return; /* nothing to free, or realloc failed: the buffer stays as it is */
    b->data = data;
    b->cap = cap;
}

void luas__buffer_release(luas__buffer *b)
{
    free(b->data);
    *b = (luas__buffer)LUAS__BUFFER_INIT;
}

void luas__buffer_consume(luas__buffer *b, size_t n)
{
    b->start += n;
    b->len -= n;
    if (b->len == 0)
        b->start = 0;
}
