/*
 * A queue of byte strings between processes. An item whose put returned is given
 * once to a getter that lives; one whose putter was killed is there whole or not at
 * all; a getter that is killed leaves its item or had it.
 *
 * It is a ring of bytes with one lock for those who put and one for those who get.
 * Positions count from 0 for ever.
 *
 *   tail, put_count     are written with the putters' lock, by the getters read;
 *   head, got_count     with the getters' lock, by the putters read;
 *   taken[seat]         by the process that has the seat: items it has got and not
 *                       called done.
 *
 * The store of tail (of head) is the moment in which an item is put (got). What
 * goes with it was written beside it before, so that who finds its owner dead
 * finishes what he began. A putter who finds the ring empty goes on from its front:
 * a queue that is mostly empty does not use its whole ring.
 */
#ifndef LUAS_SHARED_QUEUE_H
#define LUAS_SHARED_QUEUE_H

#include "arena.h"
#include "buffer.h"

#define LUAS__QUEUE_BYTES (UINT64_C(16) << 20)

/* In two pieces, one after the other, and the objects that it refers to, which live as
   long as it is in the queue. */
typedef struct luas__queue_item {
    const char *bytes, *more;
    size_t len, more_len;
    const uint64_t *ids;
    uint32_t nids;
} luas__queue_item;

/* For items of at most `bytes`, and at most `max` of them (0: as many as fit). */
int luas__shared_queue_new(luas__arena *a, uint64_t max, uint64_t bytes, luas__object *o);

/* 0; LUAS_ETIMEDOUT: there is no room now; LUAS_ECLOSED; LUAS_ETOOBIG: there never will
   be; LUAS_ENOMEM: the arena is full. */
int luas__shared_queue_put(const luas__object *o, const luas__queue_item *item);

/* 1: *out has the next item, and *ids those that it referred to, which the queue
   keeps until the caller has found them (luas__arena_unkeep); 0: it is empty; LUAS_ECLOSED: for ever;
   LUAS_ETIMEDOUT: others are in the way. */
int luas__shared_queue_get(const luas__object *o, luas__buffer *out, luas__buffer *ids);

/* The same without a copy, for an item of at least so many bytes that refers to nothing
   and lies in one piece: true, and the bytes are there until luas__shared_queue_take,
   before which other getters wait. */
bool luas__shared_queue_peek(const luas__object *o, size_t least, const char **bytes, size_t *len);
void luas__shared_queue_take(const luas__object *o, bool takes);

/* Is there one, or is it closed? */
bool luas__shared_queue_has_item(const luas__object *o);

/* Waits, so many ns or a slice at most, until it is worth another try: 0, or LUAS_EINTR
   after a signal. */
int luas__shared_queue_await_item(const luas__object *o, int64_t ns);
int luas__shared_queue_await_room(const luas__object *o, const luas__queue_item *item, int64_t ns);
int luas__shared_queue_await_done(const luas__object *o, int64_t ns);

/* One of the items that this process got is dealt with: 0, or LUAS_EINVAL: it has none. */
int luas__shared_queue_done(const luas__object *o);

/* Is it empty, and has no living process an item that it did not call done? */
bool luas__shared_queue_is_done(const luas__object *o);

int luas__shared_queue_close(const luas__object *o);
bool luas__shared_queue_is_closed(const luas__object *o);
uint64_t luas__shared_queue_count(const luas__object *o);
uint64_t luas__shared_queue_bytes(const luas__object *o);   /* of the largest item */

#endif
