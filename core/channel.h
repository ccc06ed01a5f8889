/*
 * The worker's end of its connection: requests in, outcomes out, tasks
 * claimed. Everything waits here, as a worker has nothing else to do; a host
 * that is gone ends the process.
 *
 * A reply is safe from the moment luas__channel_reply returns: even if the
 * worker dies in the next instruction, the host finds it in the page.
 */
#ifndef LUAS_CHANNEL_H
#define LUAS_CHANNEL_H

#include <stdbool.h>

#include "area.h"
#include "frame.h"
#include "page.h"

typedef struct luas__channel {
    int in, out;            /* pipes to and from the host */
    int worker;             /* its number in the pool, from 1 */
    luas__page *page;
    luas__slot slot;        /* for large replies */
    uint64_t next;          /* where in it the next one goes */
    luas__buffer requests;  /* bytes read from `in` */
    uint32_t seen;          /* page->sent, when the last of them were read */
    bool lingers;           /* the last wait for them was short */
    luas__buffer reply;     /* the frame being made */
    int64_t flushed_at;     /* coarse ns */
    int64_t clock;          /* coarse ns; when the last reply was made, or later */
} luas__channel;

/* Waits for the next request. The body is valid until the next call.
   0, or negative: the host is gone (LUAS_ECLOSED) or speaks nonsense. */
int luas__channel_next(luas__channel *c, luas__mp_reader *body);

/* May task `seq` start? Not when the host has taken it back. */
int luas__channel_claim(luas__channel *c, uint32_t seq);

/* Starts an outcome frame in c->reply, to which the caller appends the
   payload, and sends it: then the task is over. */
int luas__channel_begin(luas__channel *c, enum luas__message code, uint32_t seq, size_t *mark);
int luas__channel_reply(luas__channel *c, size_t mark);

/* Sends the frame in c->reply that belongs to no task. */
int luas__channel_send(luas__channel *c, size_t mark);

/* Writes out what is in the ring. */
int luas__channel_flush(luas__channel *c);

#endif
