/*
 * A ring of bytes in memory that the host shares with one worker. It holds results that the
 * worker has finished and not yet written to its result pipe. So a finished result is not
 * lost, even if the worker dies in the next instruction.
 *
 * The results of a worker form one stream of bytes, counted from 0. A small result is copied
 * into the ring and committed, which moves the head, before the next task starts. Now and
 * then the worker writes committed bytes from the ring to the pipe, which moves the tail:
 *
 *     0 ..... tail    in the pipe; their places in the ring may be overwritten
 *     tail .. head    committed, only in the ring
 *     head ..         free: at most LUAS__RING bytes beyond the tail
 *
 * Normally the host reads the pipe alone. It takes the bytes from tail to head out of the
 * ring when the worker has died, or when a long task keeps the worker from writing them.
 * A result that is too large for the ring goes straight to the pipe, after all that is in
 * the ring; head and tail both skip its bytes.
 *
 *   word   written by   read by   order
 *   bytes  the worker   both      overwritten only after the tail has passed them
 *   head   the worker   both      stored (release) after the bytes before it
 *   tail   the worker   both      stored after the pipe has the bytes before it
 *
 * No lock is needed, because the host writes nothing here. It copies first and then looks
 * at the tail. If the tail has passed the place that it copied from, the copy may be torn.
 * Then the host drops the copy: the pipe has the bytes.
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
    _Atomic uint64_t tail;      /* stream bytes written to the pipe */
    char bytes[LUAS__RING];
} luas__ring;

/* Worker: appends bytes and commits them. Returns 0 when there is no room. */
int luas__ring_commit(luas__ring *r, const char *bytes, size_t len);

/* Worker: luas__ring_room returns where the next `len` bytes are, or NULL unless they are
   free and in one piece. luas__ring_advance commits `len` bytes that were written there. */
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

/* Worker: luas__ring_unwritten gives the committed bytes that are not in the pipe yet, as
   far as they are in one piece. luas__ring_written tells how many of them were written. */
size_t luas__ring_unwritten(luas__ring *r, const char **bytes);
void luas__ring_written(luas__ring *r, size_t n);

/* Worker: tells that `n` bytes went straight to the pipe, while the ring was empty. */
void luas__ring_bypassed(luas__ring *r, size_t n);

/* Host: appends the committed stream bytes from `from` on to `out`. Returns their number, 0
   if there are none or the worker was just writing them to the pipe, or LUAS_ENOMEM. */
int64_t luas__ring_peek(luas__ring *r, uint64_t from, luas__buffer *out);

#endif
