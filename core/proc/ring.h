/*
 * A ring of bytes in memory that a host and one worker share. It holds what the
 * worker has finished and not yet written to its result pipe, so that a result
 * is not lost when the worker dies in the next instruction.
 *
 * Results form one stream of bytes, counted from 0. Small ones are copied to
 * the ring and committed (head) before the next task starts; the worker writes
 * the stream to the pipe from there (tail follows). The host reads the pipe,
 * and at need takes the committed rest from the ring: at the worker's death, or
 * when a long task keeps it from writing.
 *
 *   word   written by   read by   order
 *   head   the worker   both      the bytes before it are stored first (release)
 *   tail   the worker   both      the bytes before it are in the pipe; bytes are
 *                                 overwritten only after the tail has passed them
 *   bytes  the worker   both
 *
 * No lock is needed, for the host writes nothing. It copies first and then looks
 * at the tail: if that has passed the place meanwhile, the copy may be torn, and
 * is thrown away, as the pipe has the bytes.
 */
#ifndef LUAS_RING_H
#define LUAS_RING_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buffer.h"

#define LUAS__RING (UINT64_C(1) << 16)   /* bytes; a power of two */

typedef struct luas__ring {
    _Atomic uint64_t head;      /* stream bytes committed */
    _Atomic uint64_t tail;      /* stream bytes that went into the pipe */
    char bytes[LUAS__RING];
} luas__ring;

/* Worker: appends and commits; 0 when there is no room. */
int luas__ring_commit(luas__ring *r, const char *bytes, size_t len);

/* Worker: where the next `len` bytes are, if they are free and in one piece, or
   NULL; and commits so many that were written there. */
static inline char *luas__ring_room(luas__ring *r, size_t len)
{
    uint64_t head = atomic_load_explicit(&r->head, memory_order_relaxed);
    uint64_t tail = atomic_load_explicit(&r->tail, memory_order_relaxed);
    size_t offset = (size_t)(head % LUAS__RING);
    bool is_free = LUAS__RING - (head - tail) >= len && LUAS__RING - offset >= len;
    return is_free ? r->bytes + offset : NULL;
}

static inline void luas__ring_advance(luas__ring *r, size_t len)
{
    uint64_t head = atomic_load_explicit(&r->head, memory_order_relaxed);
    atomic_store_explicit(&r->head, head + len, memory_order_release);
}

/* Worker: the committed bytes that are not in the pipe yet, as far as they
   lie in one piece; then how many of them were written. */
size_t luas__ring_unwritten(luas__ring *r, const char **bytes);
void luas__ring_written(luas__ring *r, size_t n);

/* Worker: `n` bytes went through the pipe past an empty ring. */
void luas__ring_bypassed(luas__ring *r, size_t n);

/* Host: appends stream bytes from `from` to `out` as far as committed: their
   count, 0 also when the worker is just writing them, or LUAS_ENOMEM. */
int64_t luas__ring_peek(luas__ring *r, uint64_t from, luas__buffer *out);

#endif
