/*
 * The memory through which the workers of a pool hand large results over. They
 * would be long on their way through a pipe, which moves them in small pieces
 * and with two copies in the kernel. A worker puts each into its slot, in one
 * piece, and sends a LARGE frame that says where; the host copies it and
 * returns the room.
 *
 * The host: 1. luas__area_open; for each worker 2. luas__area_take, 3. at its fork
 * luas__area_show for its slot where all is hidden, 4. luas__area_got and
 * luas__area_return, 5. luas__area_free when it has taken all that the worker
 * sent; 6. luas__area_close. The child: luas__area_keep. So no worker reaches the
 * slot of another.
 *
 * A slot is a ring of bytes whose positions are counted from 0. Memory is used
 * when large results come, and then stays the pool's.
 */
#ifndef LUAS_AREA_H
#define LUAS_AREA_H

#include "page.h"

typedef struct luas__slot {
    char *bytes;        /* NULL: there is none */
    size_t size;
} luas__slot;

typedef struct luas__area {
    char *bytes;        /* NULL: there is none */
    size_t size;        /* of one slot */
    int count;
    unsigned char *taken;   /* by slot */
} luas__area;

/* For so many workers; where there is no memory, an area without slots. */
void luas__area_open(luas__area *a, int workers);
void luas__area_close(luas__area *a);

/* A slot that nobody has, if there is one. */
luas__slot luas__area_take(luas__area *a);
void luas__area_free(luas__area *a, luas__slot slot);

/* All that there is, as if it were one slot. */
luas__slot luas__area_whole(const luas__area *a);

/* Children that are forked from now on do not have the slot, or have it again: 0, or
   negative. What is not copied takes no time to copy, and none to give up. */
void luas__area_hide(luas__slot slot);
int luas__area_show(luas__slot slot);

/* In a forked child, once: gives up all but this slot, whether it was hidden or not. */
void luas__area_keep(const luas__area *a, luas__slot slot);

/* Worker: where the next `len` bytes of its slot are, if they are free, or NULL; their
   position goes to *next, at first 0. What is written there is to be added to it. */
char *luas__area_room(luas__slot slot, const luas__page *page, uint64_t *next, size_t len);

/* Worker: copies bytes there; gives their position, or -1 where there is no room. */
int64_t luas__area_put(luas__slot slot, const luas__page *page, uint64_t *next,
                       const char *bytes, size_t len);

/* Host: the bytes at a position, or NULL if none can be there; it returns
   their room when it has copied them. The worker may still change them. */
const char *luas__area_got(luas__slot slot, int64_t at, int64_t len);
void luas__area_return(luas__page *page, int64_t at, int64_t len);

#endif
