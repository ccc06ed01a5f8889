/*
 * Shared memory for large results. A pipe would move them slowly: in small pieces, with
 * two copies in the kernel. Each worker has a slot. It writes a large result there, in one
 * piece, and sends a LARGE frame that says where. The host copies the result and gives the
 * room back.
 *
 * The host: 1. luas__bulk_open; for each worker 2. luas__bulk_take, 3. luas__bulk_got
 * and luas__bulk_return for each result, 4. luas__bulk_free when it has taken everything
 * that the worker sent; 5. luas__bulk_close. The child calls luas__bulk_keep: after that it
 * cannot reach the slots of other workers.
 *
 * A slot is a ring of bytes. Positions in it are counted from 0 and never wrap. Pages are
 * used when large results come; the pool keeps them from then on. The first touch of a page
 * can cost far more than the copy, so a worker begins at the front again whenever the host
 * has returned everything: a slot has as many pages as results waited in it at once.
 */
#ifndef LUAS_BULK_H
#define LUAS_BULK_H

#include "scoreboard.h"

typedef struct luas__slot {
    char *bytes;        /* NULL: there is none */
    size_t size;
    size_t touched;     /* bytes at the front that this process has pages for */
} luas__slot;

typedef struct luas__bulk {
    char *bytes;        /* NULL: there is none */
    size_t size;        /* of one slot */
    int count;
    int fd;             /* of the file that they lie in; -1: they are inherited */
    unsigned char *taken;   /* by slot */
} luas__bulk;

#define LUAS__BULK_INIT {.fd = -1}

/* Makes slots for this many workers. Without memory there are no slots. If it `is_file` a
   process that does not inherit the slots can attach to them by `fd`. */
void luas__bulk_open(luas__bulk *a, int workers, bool is_file);
void luas__bulk_close(luas__bulk *a);

/* Takes a free slot, if there is one. */
luas__slot luas__bulk_take(luas__bulk *a);
void luas__bulk_free(luas__bulk *a, luas__slot slot);

/* In a forked child, once: unmaps all slots but this one. */
void luas__bulk_keep(const luas__bulk *a, luas__slot slot);

/* In a process that has not inherited it: *slot, of the host's `a` with this `fd`, becomes the
   same one here; none if it cannot be mapped. */
void luas__bulk_attach(const luas__bulk *a, int fd, luas__slot *slot);

/* The worker's end of its slot. All 0 at first. */
typedef struct luas__bulk_end {
    uint64_t next;      /* the position to write at */
    uint64_t free;      /* all before it is free */
} luas__bulk_end;

/* Worker: returns where the next `len` bytes of its slot are, or NULL if they are not free.
   end->next is moved on to where these bytes begin. The caller adds to it the bytes that it
   has written. */
char *luas__bulk_room(luas__slot *slot, const luas__scoreboard *scoreboard, luas__bulk_end *end, size_t len);

/* Worker: copies bytes there. Returns their position, or -1 if there is no room. */
int64_t luas__bulk_put(luas__slot *slot, const luas__scoreboard *scoreboard, luas__bulk_end *end,
                       const char *bytes, size_t len);

/* Host: the bytes at a position, or NULL if that lies outside of the slot. It calls
   luas__bulk_return when it has copied them. A faulty worker may change them meanwhile. */
const char *luas__bulk_got(luas__slot *slot, int64_t at, int64_t len);
void luas__bulk_return(luas__scoreboard *scoreboard, int64_t at, int64_t len);

#endif
