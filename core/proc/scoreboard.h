/*
 * The memory that a host shares with one worker. It answers what a pipe
 * cannot: which task is running (even after the worker was killed), whether a
 * task that was sent may still be taken back, and which results were finished
 * but not yet written.
 *
 * Tasks. The worker claims each task before it starts it; the host revokes
 * what is not claimed. Both happen on one atomic word, so a task is either
 * started or revoked, never both: that is why no task runs twice.
 *
 * Results form one stream of bytes, counted from 0. Small ones are copied to
 * the ring and committed (head) before the next task starts; the worker
 * writes the stream to the pipe from there (tail follows). The host reads the
 * pipe, and at need takes the committed rest from the ring: at death, or when
 * a long task keeps a worker from writing.
 *
 * Results of more than half the ring are put into the worker's slot (bulk.h), if
 * it has one with room; else they go through the pipe alone, past the ring.
 */
#ifndef LUAS_PAGE_H
#define LUAS_PAGE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "buffer.h"

#define LUAS__RING (UINT64_C(1) << 16)   /* bytes; a power of two */

typedef struct luas__scoreboard {
    _Atomic uint64_t claims;    /* started seq << 32 | revoked up to this seq */
    _Atomic uint32_t passed;    /* seq of a chunk's last task; the worker is done with it */
    _Atomic int64_t since;      /* when the running task started; ns, timed jobs */
    _Atomic int64_t busy;       /* ns spent in chunks so far */
    _Atomic uint32_t stop;      /* seq of a task that is to stop */
    _Atomic uint64_t head;      /* stream bytes committed */
    _Atomic uint64_t tail;      /* stream bytes that went into the pipe */
    _Atomic uint32_t sent;      /* how often the host had sent all requests */
    _Atomic uint32_t spun_for;     /* the last task that the host spun for, or 0 */
    _Atomic uint64_t returned;  /* positions of the area up to here are free again */
    _Atomic uint32_t over_gc_budget;     /* 1: the worker has allocated more than it should */
    char ring[LUAS__RING];
} luas__scoreboard;

/* Shared with children forked later, but for those forked while it is hidden;
   NULL when there is no memory. It is shown to those that come: 0, or negative. */
luas__scoreboard *luas__scoreboard_map(void);
void luas__scoreboard_hide(luas__scoreboard *p);
int luas__scoreboard_show(luas__scoreboard *p);

/* One that a process which has the descriptor maps with luas__scoreboard_attach (NULL
   when it cannot): the descriptor, the caller's to close, or negative. */
int luas__scoreboard_share(luas__scoreboard **p);
luas__scoreboard *luas__scoreboard_attach(int fd);

void luas__scoreboard_unmap(luas__scoreboard *p);

/* Sequence numbers wrap: `a` comes after `b` when less than half way round. */
static inline bool luas__seq_after(uint32_t a, uint32_t b)
{
    return (int32_t)(a - b) > 0;
}

/* Worker: may task `seq` start? From 1 on it counts as started, and what came before
   it as revoked, which it is or it was started: else numbers that wrap would come to
   lie before what was revoked long ago. */
static inline int luas__scoreboard_claim(luas__scoreboard *p, uint32_t seq)
{
    uint64_t word = atomic_load_explicit(&p->claims, memory_order_relaxed);
    do {
        if (!luas__seq_after(seq, (uint32_t)word))
            return 0;
    } while (!atomic_compare_exchange_weak(&p->claims, &word, (uint64_t)seq << 32 | (seq - 1)));
    return 1;
}

/* Host: takes back all tasks up to `last` that are not started; gives the
   seq of the last started one. */
uint32_t luas__scoreboard_revoke(luas__scoreboard *p, uint32_t last);

uint32_t luas__scoreboard_started(luas__scoreboard *p);

/* Worker: appends to the ring and commits; 0 when there is no room. */
int luas__ring_commit(luas__scoreboard *p, const char *bytes, size_t len);

/* Worker: where the next `len` bytes of the ring are, if they are free and in one
   piece, or NULL; and commits so many that were written there. */
static inline char *luas__ring_room(luas__scoreboard *p, size_t len)
{
    uint64_t head = atomic_load_explicit(&p->head, memory_order_relaxed);
    uint64_t tail = atomic_load_explicit(&p->tail, memory_order_relaxed);
    size_t offset = (size_t)(head % LUAS__RING);
    return LUAS__RING - (head - tail) >= len && LUAS__RING - offset >= len ? p->ring + offset : NULL;
}

static inline void luas__ring_advance(luas__scoreboard *p, size_t len)
{
    uint64_t head = atomic_load_explicit(&p->head, memory_order_relaxed);
    atomic_store_explicit(&p->head, head + len, memory_order_release);
}

/* Worker: the committed bytes that are not in the pipe yet, as far as they
   lie in one piece; then how many of them were written. */
size_t luas__ring_unwritten(luas__scoreboard *p, const char **bytes);
void luas__ring_written(luas__scoreboard *p, size_t n);

/* Worker: `n` bytes went through the pipe past an empty ring. */
void luas__ring_bypassed(luas__scoreboard *p, size_t n);

/* Host: appends stream bytes from `from` to `out` as far as committed: their
   count, 0 also when the worker is just writing them, or LUAS_ENOMEM. */
int64_t luas__ring_peek(luas__scoreboard *p, uint64_t from, luas__buffer *out);

#endif
