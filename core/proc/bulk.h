/*
 * The memory through which the workers of a pool hand large results over. They
 * would be long on their way through a pipe, which moves them in small pieces
 * and with two copies in the kernel. A worker puts each into its slot, in one
 * piece, and sends a LARGE frame that says where; the host copies it and
 * returns the room.
 *
 * The host: 1. luas__bulk_open; for each worker 2. luas__bulk_take, 3. luas__bulk_got
 * and luas__bulk_return, 4. luas__bulk_free when it has taken all that the worker
 * sent; 5. luas__bulk_close. The child: luas__bulk_keep. So no worker reaches the slot
 * of another.
 *
 * A slot is a ring of bytes whose positions are counted from 0. Memory is used
 * when large results come, and then stays the pool's.
 */
#ifndef LUAS_AREA_H
#define LUAS_AREA_H

#include "scoreboard.h"

typedef struct luas__slot {
    char *bytes;        /* NULL: there is none */
    size_t size;
} luas__slot;

typedef struct luas__bulk {
    char *bytes;        /* NULL: there is none */
    size_t size;        /* of one slot */
    int count;
    unsigned char *taken;   /* by slot */
} luas__bulk;

/* For so many workers; where there is no memory, an area without slots. */
void luas__bulk_open(luas__bulk *a, int workers);
void luas__bulk_close(luas__bulk *a);

/* A slot that nobody has, if there is one. */
luas__slot luas__bulk_take(luas__bulk *a);
void luas__bulk_free(luas__bulk *a, luas__slot slot);

/* In a forked child, once: gives up all but this slot. */
void luas__bulk_keep(const luas__bulk *a, luas__slot slot);

/* Worker: where the next `len` bytes of its slot are, if they are free, or NULL; their
   position goes to *next, at first 0. What is written there is to be added to it. */
char *luas__bulk_room(luas__slot slot, const luas__scoreboard *scoreboard, uint64_t *next, size_t len);

/* Worker: copies bytes there; gives their position, or -1 where there is no room. */
int64_t luas__bulk_put(luas__slot slot, const luas__scoreboard *scoreboard, uint64_t *next,
                       const char *bytes, size_t len);

/* Host: the bytes at a position, or NULL if none can be there; it returns
   their room when it has copied them. The worker may still change them. */
const char *luas__bulk_got(luas__slot slot, int64_t at, int64_t len);
void luas__bulk_return(luas__scoreboard *scoreboard, int64_t at, int64_t len);

#endif
