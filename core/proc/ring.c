/* The result ring, in memory shared by host and worker. */
#include "ring.h"

#include <string.h>

static void copy_in(luas__ring *r, uint64_t at, const char *bytes, size_t len)
{
    size_t offset = (size_t)(at % LUAS__RING);
    size_t first = LUAS__RING - offset < len ? LUAS__RING - offset : len;
    memcpy(r->bytes + offset, bytes, first);
    if (first < len)
        memcpy(r->bytes, bytes + first, len - first);
}

int luas__ring_commit(luas__ring *r, const char *bytes, size_t len)
{
    uint64_t head = atomic_load_explicit(&r->head, memory_order_relaxed);
    uint64_t tail = atomic_load_explicit(&r->tail, memory_order_relaxed);
    if (len > LUAS__RING - (head - tail))
        return 0;
    copy_in(r, head, bytes, len);
    atomic_store_explicit(&r->head, head + len, memory_order_release);
    return 1;
}

size_t luas__ring_unwritten(luas__ring *r, const char **bytes)
{
    uint64_t head = atomic_load_explicit(&r->head, memory_order_relaxed);
    uint64_t tail = atomic_load_explicit(&r->tail, memory_order_relaxed);
    size_t offset = (size_t)(tail % LUAS__RING);
    *bytes = r->bytes + offset;
    size_t piece = LUAS__RING - offset;
    return head - tail < piece ? (size_t)(head - tail) : piece;
}

void luas__ring_written(luas__ring *r, size_t n)
{
    /* Sequentially consistent: from here on the worker may overwrite these bytes, and the host
       must see the new tail before it can see such a change. */
    atomic_fetch_add(&r->tail, n);
}

void luas__ring_bypassed(luas__ring *r, size_t n)
{
    atomic_fetch_add(&r->tail, n);
    atomic_fetch_add(&r->head, n);
}

static void copy_out(luas__ring *r, uint64_t at, char *to, size_t len)
{
    size_t offset = (size_t)(at % LUAS__RING);
    size_t first = LUAS__RING - offset < len ? LUAS__RING - offset : len;
    memcpy(to, r->bytes + offset, first);
    memcpy(to + first, r->bytes, len - first);
}

int64_t luas__ring_peek(luas__ring *r, uint64_t from, luas__buffer *out)
{
    uint64_t head = atomic_load(&r->head);
    if (head <= from || head - from > LUAS__RING)
        return 0;
    size_t len = (size_t)(head - from);
    int rc = luas__buffer_reserve(out, len);
    if (rc < 0)
        return rc;
    copy_out(r, from, luas__buffer_end(out), len);
    /* The worker overwrites only bytes that it has written to the pipe, and moves the tail
       before it does. So if the tail has not passed `from`, nothing was overwritten while we
       copied. If it has, the copy may be torn: we drop it and read the bytes from the pipe. */
    atomic_thread_fence(memory_order_seq_cst);
    if (atomic_load(&r->tail) > from)
        return 0;
    out->len += len;
    return (int64_t)len;
}
