/*
 * The worker's end of its connection: requests in, outcomes out, tasks
 * claimed. Everything waits here, as a worker has nothing else to do; a host
 * that is gone ends the process.
 *
 * A reply is safe from the moment luas__channel_reply returns: even if the
 * worker dies in the next instruction, the host finds it in the scoreboard.
 */
#ifndef LUAS_CHANNEL_H
#define LUAS_CHANNEL_H

#include <stdbool.h>

#include "bulk.h"
#include "clock.h"
#include "frame.h"
#include "scoreboard.h"

typedef struct luas__channel {
    int in, out;            /* pipes to and from the host */
    int worker;             /* its number in the pool, from 1 */
    luas__scoreboard *scoreboard;
    luas__slot slot;        /* for large replies */
    uint64_t next;          /* where in it the next one goes */
    luas__buffer requests;  /* bytes read from `in` */
    uint32_t seen;          /* scoreboard->sent, when the last of them were read */
    bool spins;           /* the last wait for them was short */
    luas__buffer reply;     /* the frame being made */
    int64_t flushed_at;     /* coarse ns */
    int64_t clock;          /* coarse ns; when the last reply was made, or later */
} luas__channel;

/* Waits for the next request. The body is valid until the next call.
   0, or negative: the host is gone (LUAS_ECLOSED) or speaks nonsense. */
int luas__channel_next(luas__channel *c, luas__mp_reader *body);

/* Writes out what is in the ring. */
int luas__channel_flush(luas__channel *c);

/* The same once results may not wait there any longer for company. */
#define LUAS__FLUSH_AFTER (2 * LUAS__MS)
static inline int luas__channel_flush_in_time(luas__channel *c)
{
    c->clock = luas__now_coarse();
    return c->clock - c->flushed_at > LUAS__FLUSH_AFTER ? luas__channel_flush(c) : 0;
}

/* Sends the frame in c->reply that belongs to no task. */
int luas__channel_send(luas__channel *c, size_t mark);

/* Starts an outcome frame in c->reply, to which the caller appends the
   payload, and sends it: then the task is over. */
int luas__channel_begin(luas__channel *c, enum luas__message code, uint32_t seq, size_t *mark);
int luas__channel_reply(luas__channel *c, size_t mark);

/* Where the area has room for `len` bytes of results of that task, to be written there,
   or NULL; and sends its value, with `n` of them. That takes longer than through the
   ring unless they are many. */
#define LUAS__LARGE_VALUE (LUAS__RING / 2)
char *luas__channel_large_room(luas__channel *c, uint32_t seq, size_t len);
int luas__channel_reply_large(luas__channel *c, size_t n);

/* Where the ring has room for LUAS__SHORT bytes of results, to be written there, or NULL;
   and sends the value of a task with `n` of them. */
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
