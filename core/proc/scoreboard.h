/*
 * The memory that a host shares with one worker. It answers what a pipe cannot:
 * which task is running (even after the worker was killed), whether a task that
 * was sent may still be taken back, and which results were finished but not yet
 * written (ring.h).
 *
 * The claim word. The worker claims each task before it starts it; the host
 * revokes what is not claimed. Both change one 64-bit word by compare-and-swap,
 * so the two can never pass each other: a task is either started or revoked,
 * never both. That is why no task runs twice, and why what ran when a worker died
 * is known.
 *
 *     started seq << 32 | revoked up to this seq
 *
 * A claim of task `seq` succeeds only if `seq` comes after what was revoked. It
 * sets both halves: `seq` is started, and all before it counts as revoked. It was
 * either started or revoked, so nothing is lost by that; and as sequence numbers
 * wrap, what was revoked long ago would else come to lie ahead of the claims.
 * A revocation leaves the started half and sets the other to the last seq that
 * was sent. The host then reads from the word which task was started last: those
 * after it are its own again.
 *
 * Who writes what (w the worker, h the host); each word has one writer, but for
 * the first, so no lock is needed:
 *
 *     claims          w, h    passed, since, busy, over_gc_budget   w
 *     ring            w       stop, sent, spun_for, returned        h
 *
 * `since` is stored before the claim: what is read between two sights of the
 * same claim is that task's.
 *
 * Results of more than half the ring are put into the worker's slot (bulk.h), if
 * it has one with room; else they go through the pipe alone, past the ring.
 */
#ifndef LUAS_SCOREBOARD_H
#define LUAS_SCOREBOARD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "ring.h"

typedef struct luas__scoreboard {
    _Atomic uint64_t claims;    /* started seq << 32 | revoked up to this seq */
    _Atomic uint32_t passed;    /* seq of a chunk's last task; the worker is done with it */
    _Atomic int64_t since;      /* when the running task started; ns, timed jobs */
    _Atomic int64_t busy;       /* ns spent in chunks so far */
    _Atomic uint32_t stop;      /* seq of a task that is to stop */
    _Atomic uint32_t sent;      /* how often the host had sent all requests */
    _Atomic uint32_t spun_for;     /* the last task that the host spun for, or 0 */
    _Atomic uint64_t returned;  /* positions in the slot of bulk.h up to here are free again */
    _Atomic uint32_t over_gc_budget; /* 1: the worker has allocated more than it should */
    luas__ring ring;
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

#endif
