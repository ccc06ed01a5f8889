/* The inside of an arena, shared by arena.c and arena_map.c. */
#ifndef LUAS_ARENA_HEAD_H
#define LUAS_ARENA_HEAD_H

#include "arena.h"

enum { LUAS__PAGE_SIZE = 4096, LUAS__CLASSES = 40, LUAS__OBJECTS = 1 << 18, LUAS__KEEPERS = 4 };

enum luas__entry_state { ENTRY_FREE, ENTRY_CHANGING, ENTRY_USED };

/* The entry of an object. An entry always keeps its block: when the object is freed, the next
   object of that size gets both. */
typedef struct luas__entry {
    _Atomic uint32_t state;
    uint32_t kind;
    _Atomic uint32_t generation;
    uint32_t next;                  /* in a list of free ones; 0: its end */
    uint64_t at, size;              /* of the block in the arena */
    _Atomic uint64_t charged;
    _Atomic int64_t packed_at;      /* coarse ns of the last time; 0: never */
    struct luas__keeper {
        uint64_t id;                /* of the keeper; one that is gone keeps nothing */
        uint64_t count;
    } keepers[LUAS__KEEPERS];
    uint64_t stays;                 /* 1: it has too many keepers to list, so it stays */
} luas__entry;

typedef struct luas__arena_head {
    uint64_t name;                  /* 0: not laid out yet */
    uint64_t size, limit;
    _Atomic uint64_t used;
    luas__robust lock;              /* of what follows */
    uint32_t made;                  /* entries that have a block: 1 to this */
    uint32_t objects;
    uint64_t bump;                  /* where the next new block comes */
    _Atomic uint64_t reserved;      /* the sizes of the blocks of all objects */
    uint32_t free[LUAS__CLASSES];   /* lists of entries, by the power of two of the size */
    uint32_t sweep_at;              /* the number of objects that makes a sweep worth it */
    int64_t swept;                  /* coarse ns */
    _Atomic int64_t settled;        /* luas__arena_settle's */
    _Atomic uint32_t seats;         /* how many seats exist */
    _Atomic uint32_t next_seat;
} luas__arena_head;

/* The layout: the head, then the seats, the entries, the blocks. */
#define LUAS__ENTRIES_AT (UINT64_C(1) << 20)
#define LUAS__BLOCKS_AT (UINT64_C(32) << 20)

static inline luas__entry *luas__arena_head_entry(const luas__arena *a, uint32_t i)
{
    return (luas__entry *)(void *)((char *)a->head + LUAS__ENTRIES_AT) + i;
}

static inline luas__entry *luas__arena_head_entry_of(const luas__object *o)
{
    return luas__arena_head_entry(o->arena, (uint32_t)o->id);
}

/* arena_map.c: makes the descriptor, or gives negative errno. */
int luas__arena_map_create(void);

/* Maps the file, and lays it out if no process has done so yet. Returns 0 or negative. */
int luas__arena_map_open(luas__arena *a);
void luas__arena_map_close(luas__arena *a);

/* Gives a part of the file back to the system: it reads as zeros from then on. Returns 0, or negative
   where that is not possible. */
int luas__arena_map_discard(const luas__arena *a, uint64_t from, uint64_t len);

/* Makes more seats. The lock is held. Returns 0 or negative. */
int luas__arena_map_seats(luas__arena *a);

#endif
