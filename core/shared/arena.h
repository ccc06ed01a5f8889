/*
 * The memory that a host and all processes below it share: one file in memory,
 * sparse, in which each object is a block.
 *
 * The host: 1. luas__arena_open before its first fork, which only makes the
 * descriptor that every child then has; any process: 2. luas__arena_enter, which
 * maps it when it is first wanted and takes a seat in it; 3. luas__arena_new for
 * an object, or luas__arena_find for one that another process has made;
 * 4. luas__arena_drop for each of them; 5. luas__arena_close. A forked child goes
 * on with what it inherits: its first luas__arena_enter takes a seat of its own.
 *
 * Who shares what. The head has a lock for making, finding and freeing objects.
 * The entry of an object says where its block is; whether there is an object is
 * one word of it. The block begins with a bit for each seat whose process has
 * the object, which that process alone sets, holding the lock, and clears. An
 * object is freed when no living process has it; its memory goes back to the
 * system at once. Whoever dies on the way, the words are right, and the lists of
 * free blocks are made anew by the next who takes the lock.
 *
 * An object that was packed into a message lives until the host says that no such
 * message is under way (luas__arena_settle), or while something keeps it.
 *
 * Nothing here is safe for several threads: each has an arena of its own, by
 * luas__arena_join.
 */
#ifndef LUAS_ARENA_H
#define LUAS_ARENA_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fork_detect.h"
#include "robust.h"
#include "seat.h"

typedef enum luas__shared_kind {
    LUAS__SHARED_QUEUE = 1, LUAS__SHARED_LOCK, LUAS__SHARED_SEMAPHORE, LUAS__SHARED_EVENT,
    LUAS__SHARED_CONDITION, LUAS__SHARED_BARRIER, LUAS__SHARED_VALUE, LUAS__SHARED_ARRAY,
    LUAS__SHARED_TABLE
} luas__shared_kind;

/* Behind the head. */
#define LUAS__SEATS_AT 4096

struct luas__arena;
struct luas__arena_head;

/* A process's hold on an object. */
typedef struct luas__object {
    struct luas__arena *arena;
    char *at;               /* its block; NULL: none */
    uint64_t id;            /* never 0; tells it from all others of the arena */
    luas__shared_kind kind;
} luas__object;

/* What a process holds, and a task is to give back at its end. */
typedef struct luas__hold {
    luas__object object;    /* a lock, or a permit of a semaphore */
} luas__hold;

/* Who the process is, for those who find what it held. */
typedef struct luas__who {
    int worker;             /* its number; 0: none */
    uint64_t serial;        /* differs from task to task; 0: no task */
    int64_t task;           /* the task's index */
    const char *input;      /* its encoded input, while it runs; NULL: unknown */
    size_t len;
} luas__who;

typedef struct luas__arena {
    int fd;                 /* -1: none */
    bool is_root;           /* it was made here */
    uint64_t limit;         /* bytes; 0: by the memory that there is */
    luas__fork_detect here;
    struct luas__arena_head *head;  /* NULL: not mapped */
    size_t size;            /* of what is mapped */
    uint32_t seat, generation;      /* generation 0: none taken */
    uint32_t *uses;         /* by entry: how many luas__object there are here */
    size_t nuses;
    luas__hold *holds;
    uint32_t nholds;
    size_t cap_holds;
    uint32_t blind_waits;   /* for an item, that are not worth a look before */
    luas__who who;
    struct luas__opened *tables;    /* shared_table.c's: what this process has open */
    uint64_t *packed;       /* ids, while `collects` */
    uint32_t npacked;
    size_t cap_packed;
    bool collects;
} luas__arena;

#define LUAS__ARENA_INIT {.fd = -1}

/* Makes the descriptor. On failure *a is LUAS__ARENA_INIT. */
int luas__arena_open(luas__arena *a, uint64_t limit);

/* Another one of the same memory, for another thread or state. */
int luas__arena_join(luas__arena *a, const luas__arena *other);

/* Gives up what this process has of it; it holds nothing (luas__holds_close). */
void luas__arena_close(luas__arena *a);

int luas__arena_enter_slowly(luas__arena *a);

/* 0, or negative: no memory, no seat free. */
static inline int luas__arena_enter(luas__arena *a)
{
    return a->generation != 0 && luas__fork_detect_is_here(&a->here) ? 0 : luas__arena_enter_slowly(a);
}

/* A number that no other arena has; for who has entered. */
uint64_t luas__arena_name(const luas__arena *a);

/*
 * A new object, zeroed but for its first LUAS__BLOCK_HEAD bytes, which are the
 * arena's; `size` with those, of which `charged` bytes count against the limit now.
 * LUAS_ENOMEM where the limit is reached: *o is then as it was.
 */
enum { LUAS__BLOCK_HEAD = LUAS__SEATS / 8 };
int luas__arena_new(luas__arena *a, luas__shared_kind kind, uint64_t size, uint64_t charged,
                    luas__object *o);

/* LUAS_ECLOSED where there is no such object (any more). */
int luas__arena_find(luas__arena *a, uint64_t id, luas__shared_kind kind, luas__object *o);

/* One more hold on it, or one less. */
void luas__arena_retain(const luas__object *o);
void luas__arena_drop(luas__object *o);

/* Is it the only hold that this process has on it? */
bool luas__arena_is_last(const luas__object *o);

/* Is it still what it was when this process was forked? */
bool luas__arena_has(const luas__object *o);

/* Counts further bytes that it uses, or (negative) no longer: 0 or LUAS_ENOMEM. Gives the
   whole pages of a part of a block back to the system, which reads as zeros then. */
int luas__arena_charge(const luas__object *o, int64_t bytes);
void luas__arena_discard(const luas__object *o, uint64_t from, uint64_t len);

/* Its id goes into a message. */
int luas__arena_pack(const luas__object *o);

/* These objects live at least as long as `keeper`, or until it has been said so often
   that it does not keep them: 0 or negative. */
int luas__arena_keep(const luas__object *keeper, const uint64_t *ids, uint32_t count);
void luas__arena_unkeep(const luas__object *keeper, const uint64_t *ids, uint32_t count);

/* Host: messages with objects that were packed before that moment (coarse ns) have been
   read or will never be. Frees what nobody has, if it is time for that or `now`. */
void luas__arena_settle(luas__arena *a, int64_t before);
void luas__arena_sweep(luas__arena *a, bool now);

/* Does a living process but this one have it, or may a message? */
bool luas__arena_is_shared(const luas__object *o);

/* Bytes in use, and objects; for tests. */
uint64_t luas__arena_used(const luas__arena *a);
uint32_t luas__arena_objects(const luas__arena *a);

/* The seats of the arena, for words that belong to a process. */
static inline luas__seat *luas__arena_seats(const luas__arena *a)
{
    return (luas__seat *)(void *)((char *)a->head + LUAS__SEATS_AT);
}

uint32_t luas__arena_seat_count(const luas__arena *a);

/* ---- what is told of a process ---- */

/* The number that it has as a worker. */
void luas__arena_call_worker(luas__arena *a, int worker);

/* It waits for the end of a process, and does nothing else until then; 0: no longer. Or
   for room in a queue; NULL: no longer. */
void luas__arena_say_join(luas__arena *a, int pid);
void luas__arena_say_full(luas__arena *a, const luas__object *queue);

/* For one who waits for room: does nobody live who could take something from it? */
bool luas__arena_is_stuck(const luas__object *queue, int *pid);

/* ---- what a task holds ---- */

/* Room for one more, before it is taken; then it is added, or removed. LUAS_ETOOBIG: it
   holds too many. */
int luas__arena_reserve_hold(luas__arena *a);
void luas__arena_add_hold(luas__arena *a, const luas__object *o);
void luas__arena_remove_hold(luas__arena *a, const luas__object *o);

#endif
