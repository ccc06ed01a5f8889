/*
 * A queue of byte strings between processes. An item whose put has returned goes to exactly one
 * living getter. If a putter is killed its item is complete or not there. If a getter is killed
 * its item is still there, or the getter had it.
 *
 * The queue is a ring of bytes with two locks: one for putters, one for getters. Positions count
 * from 0 and never wrap.
 *
 *   tail, put_count     written with the putters' lock; getters read them
 *   head, got_count     written with the getters' lock; putters read them
 *   taken[seat]         written by the process in that seat: how many items it has got and
 *                       not called done
 *
 * An item is put at the moment of the store to tail, and got at the moment of the store to head.
 * The new values of the other words are written first, to next_at and next_count. So a process
 * that finds the last holder of the lock dead can finish its change. A putter that finds the
 * ring empty starts at the front again: a queue that is mostly empty does not use its whole
 * ring.
 */
#ifndef LUAS_SHARED_QUEUE_H
#define LUAS_SHARED_QUEUE_H

#include "arena.h"
#include "buffer.h"

#define LUAS__QUEUE_BYTES (UINT64_C(16) << 20)

/* An item: two pieces of bytes that follow each other, and the objects that it refers to. These
   live as long as the item is in the queue. */
typedef struct luas__queue_item {
    const char *bytes, *more;
    size_t len, more_len;
    const uint64_t *ids;
    uint32_t nids;
} luas__queue_item;

/* A queue for items of at most `bytes`, and for at most `max` items (0: as many as fit). */
int luas__shared_queue_new(luas__arena *a, uint64_t max, uint64_t bytes, luas__object *o);

/* Returns 0; LUAS_ETIMEDOUT: there is no room now; LUAS_ECLOSED: the queue is closed;
   LUAS_ETOOBIG: the item will never fit; LUAS_ENOMEM: the arena is full. */
int luas__shared_queue_put(const luas__object *o, const luas__queue_item *item);

/* Returns 1: *out has the next item, and *ids the ids of the objects that it refers to. The
   queue keeps these until the caller has found them and calls luas__arena_unkeep. 0: the queue
   is empty; LUAS_ECLOSED: it is empty for good; LUAS_ETIMEDOUT: other getters are in the way.
   */
int luas__shared_queue_get(const luas__object *o, luas__buffer *out, luas__buffer *ids);

/* The same, but an item of at least `*len` bytes that refers to no object and is in one piece is not
   copied. Then it returns 2, and *bytes and *len are valid until luas__shared_queue_take. Other
   getters wait until then. */
int luas__shared_queue_get_or_peek(const luas__object *o, luas__buffer *out, luas__buffer *ids,
                                   const char **bytes, size_t *len);
void luas__shared_queue_take(const luas__object *o, bool takes);

/* Is there an item, or is the queue closed? */
bool luas__shared_queue_has_item(const luas__object *o);

/* Wait, up to `ns` or a slice, until another try is worth it. Return 0, or LUAS_EINTR after a
   signal. */
int luas__shared_queue_await_item(const luas__object *o, int64_t ns);
int luas__shared_queue_await_room(const luas__object *o, const luas__queue_item *item, int64_t ns);
int luas__shared_queue_await_done(const luas__object *o, int64_t ns);

/* Says that one of the items that this process got is done. Returns 0, or LUAS_EINVAL: it has got
   none. */
int luas__shared_queue_done(const luas__object *o);

/* Is the queue empty, and are all items done that living processes got? */
bool luas__shared_queue_is_done(const luas__object *o);

int luas__shared_queue_close(const luas__object *o);
bool luas__shared_queue_is_closed(const luas__object *o);
uint64_t luas__shared_queue_count(const luas__object *o);
uint64_t luas__shared_queue_bytes(const luas__object *o);   /* of the largest item */

#endif
