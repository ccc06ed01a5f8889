/*
 * The worker's end of its connection: it reads requests, claims tasks and sends
 * outcomes. Every function here may wait, because a worker has nothing else to do.
 * When the host is gone the process ends.
 *
 * When a write fails the process ends at once.
 *
 * A reply is safe once luas__channel_reply has returned. Even if the worker dies in the
 * next instruction, the host finds the reply in the ring.
 */
#ifndef LUAS_CHANNEL_H
#define LUAS_CHANNEL_H

#include <stdbool.h>

#include "bulk.h"
#include "clock.h"
#include "frame.h"
#include "scoreboard.h"
#include "surroundings.h"

typedef struct luas__channel {
    int in, out;            /* pipes to and from the host */
    int worker;             /* its number in the pool, from 1 */
    luas__scoreboard *scoreboard;
    luas__slot slot;        /* for large replies */
    luas__surroundings *around; /* what the host knew to be around it at the fork; or NULL */
    luas__bulk_end bulk;    /* where the next one goes */
    luas__buffer requests;  /* bytes read from `in` */
    uint32_t seen;          /* scoreboard->sent, when the last of them were read */
    bool spins;             /* the last wait for requests was short: spinning pays */
    luas__buffer reply;     /* the frame that is being written */
    int64_t flushed_at;     /* coarse ns */
    int64_t clock;          /* coarse ns; when the last reply was made, or later */
} luas__channel;

/* Waits for the next request. The body is valid until the next call. Returns 0, or
   negative: the host is gone (LUAS_ECLOSED), or its bytes are no frame. */
int luas__channel_next(luas__channel *c, luas__mp_reader *body);

/* Writes the contents of the ring to the pipe. */
int luas__channel_flush(luas__channel *c);

/* The same, but only if results have waited in the ring for LUAS__FLUSH_AFTER. Until then
   more may come that go with them in one write. */
#define LUAS__FLUSH_AFTER (2 * LUAS__MS)
static inline int luas__channel_flush_in_time(luas__channel *c)
{
    c->clock = luas__now_coarse();
    return c->clock - c->flushed_at > LUAS__FLUSH_AFTER ? luas__channel_flush(c) : 0;
}

/* Sends the frame in c->reply, for messages that belong to no task. */
int luas__channel_send(luas__channel *c, size_t mark);

/* luas__channel_begin starts an outcome frame in c->reply. The caller appends the payload,
   and luas__channel_reply sends the frame: then the task is over. */
int luas__channel_begin(luas__channel *c, enum luas__message code, uint32_t seq, size_t *mark);
int luas__channel_reply(luas__channel *c, size_t mark);

/* For large values. luas__channel_large_room returns where the slot has room for `len` bytes
   of results of task `seq`, or NULL. When the caller has written `n` bytes there,
   luas__channel_reply_large sends them. From LUAS__LARGE_VALUE bytes on that is faster than
   the ring. */
#define LUAS__LARGE_VALUE (LUAS__RING / 2)
char *luas__channel_large_room(luas__channel *c, uint32_t seq, size_t len);
int luas__channel_reply_large(luas__channel *c, size_t n);

/* For short values. luas__channel_room returns where the ring has room for LUAS__SHORT bytes
   of results, or NULL. The other one sends the value of task `seq`, of `n` bytes that were
   written there. */
static inline char *luas__channel_room(luas__channel *c)
{
    char *p = luas__ring_room(&c->scoreboard->ring, LUAS__SHORT_HEAD + LUAS__SHORT);
    return p != NULL ? p + LUAS__SHORT_HEAD : NULL;
}

static inline int luas__channel_reply_short(luas__channel *c, uint32_t seq, char *at, size_t n)
{
    luas__frame_put_short(at - LUAS__SHORT_HEAD, seq, n);
    luas__ring_advance(&c->scoreboard->ring, LUAS__SHORT_HEAD + n);
    return luas__channel_flush_in_time(c);
}

#endif
