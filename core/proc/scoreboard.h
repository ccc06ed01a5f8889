/*
 * The memory that a host shares with one worker. It answers three questions that a pipe
 * cannot answer: Which task is running, or was running when the worker was killed? Can a
 * task that was sent still be taken back? Which results are finished but not yet in the
 * pipe (ring.h)?
 *
 * The claim word. The host sends tasks ahead, so that the worker never waits for the next
 * one. Sometimes the host wants tasks back that were sent: to cancel them, to give them to
 * another worker, or because the worker died. A task must then either run or be taken back,
 * never both. So the worker *claims* each task before it starts it, the host *revokes* tasks
 * that are not claimed, and both do so by compare-and-swap on one 64-bit word:
 *
 *     started seq << 32 | revoked up to this seq
 *
 * - Claim of task `seq` (worker): fails if `seq` is revoked, which means at or before the
 *   lower half. Otherwise it sets the upper half to `seq` and the lower half to `seq` - 1.
 *   The tasks before `seq` were started or revoked before, so calling them revoked loses
 *   nothing. It is needed because sequence numbers wrap: a lower half that stayed behind
 *   for long would seem to lie ahead of new tasks, and their claims would fail.
 * - Revocation (host): keeps the upper half and sets the lower half to the last `seq` that
 *   was sent. The upper half then says which task was started last. All later ones belong to
 *   the host again; the worker will skip them, as its claims fail.
 *
 * For example, tasks 1 to 5 were sent, and 2 runs: the word is (2, 1). The host revokes: the
 * word becomes (2, 5), and the host knows that 3, 4 and 5 are its own. If the worker claims 3
 * first, the word is (3, 2), and the host gets back 4 and 5. When a worker has died, the
 * upper half names the only task that can have been running.
 *
 * Who writes what (w the worker, h the host). Only the claim word has two writers, so the
 * others need no lock:
 *
 *     claims          w, h    passed, since, busy, over_gc_budget   w
 *     ring, begun     w       stop, sent, spun_for, returned, closes    h
 *
 * The worker stores `since` before the claim. So the host reads the claim, then `since`, then
 * the claim again: if the claim is the same, `since` belongs to that task.
 *
 * A result larger than half the ring goes into the worker's slot (bulk.h), if it has one with
 * room. Otherwise it goes straight to the pipe, past the ring.
 */
#ifndef LUAS_SCOREBOARD_H
#define LUAS_SCOREBOARD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "ring.h"

typedef struct luas__scoreboard {
    _Atomic uint64_t claims;    /* started seq << 32 | revoked up to this seq */
    _Atomic uint32_t passed;    /* seq of the last task of the last chunk that is over */
    _Atomic int64_t since;      /* when the running task started; ns, exact only in timed jobs */
    _Atomic int64_t busy;       /* ns spent in chunks so far */
    _Atomic uint32_t stop;      /* seq of the task that has to stop */
    _Atomic uint32_t sent;      /* how often the host has written all waiting requests */
    _Atomic uint32_t spun_for;  /* seq of the last task that the host spun for, or 0 */
    _Atomic uint64_t returned;  /* the slot of bulk.h is free up to this position */
    _Atomic uint32_t over_gc_budget; /* 1: the worker's tasks have allocated so much that it
                                        should be replaced */
    _Atomic uint32_t begun;     /* 1: the worker has given up what belongs to its host */
    _Atomic uint32_t closes;    /* 1: the host closes the pool, and waits for the worker's end */
    luas__ring ring;
} luas__scoreboard;

/* luas__scoreboard_map makes a scoreboard that is shared with children forked later; NULL
   without memory. Children that are forked between hide and show do not have it.
   luas__scoreboard_show returns 0, or negative. */
luas__scoreboard *luas__scoreboard_map(void);
void luas__scoreboard_hide(luas__scoreboard *p);
int luas__scoreboard_show(luas__scoreboard *p);

/* luas__scoreboard_share makes a scoreboard with a descriptor, which the caller closes.
   Returns the descriptor, or negative. A process that is sent the descriptor maps the
   scoreboard with luas__scoreboard_attach, which returns NULL when it cannot. */
int luas__scoreboard_share(luas__scoreboard **p);
luas__scoreboard *luas__scoreboard_attach(int fd);

void luas__scoreboard_unmap(luas__scoreboard *p);

/* Does `a` come after `b`? Sequence numbers wrap: it does if it is less than half of the
   32-bit range ahead. */
static inline bool luas__scoreboard_is_after(uint32_t a, uint32_t b)
{
    return (int32_t)(a - b) > 0;
}

/* Worker: may task `seq` start? If so it counts as started, and the result is 1. If the
   host has revoked it, the result is 0. */
static inline int luas__scoreboard_claim(luas__scoreboard *p, uint32_t seq)
{
    uint64_t word = atomic_load_explicit(&p->claims, memory_order_relaxed);
    do {
        if (!luas__scoreboard_is_after(seq, (uint32_t)word))
            return 0;
    } while (!atomic_compare_exchange_weak(&p->claims, &word, (uint64_t)seq << 32 | (seq - 1)));
    return 1;
}

/* Host: takes back all tasks up to `last` that have not started. Returns the seq of the one
   that started last. */
uint32_t luas__scoreboard_revoke(luas__scoreboard *p, uint32_t last);

uint32_t luas__scoreboard_started(luas__scoreboard *p);

/* The worker says that it has begun. The host waits for that, at most `ns`; false if the time
   is over. A signal may end the wait early. */
void luas__scoreboard_begin(luas__scoreboard *p);
bool luas__scoreboard_await_begin(luas__scoreboard *p, int64_t ns);

#endif
