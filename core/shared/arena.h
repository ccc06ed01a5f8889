/*
 * The memory that a host shares with all processes below it: one sparse file in memory.
 * Each shared object is a block of it.
 *
 * The host: 1. luas__arena_open before its first fork. This only makes the descriptor,
 * which every child inherits. Then every process: 2. luas__arena_enter, which maps the file
 * at first use and takes a seat in it; 3. luas__arena_new to make an object, or
 * luas__arena_find for an object of another process; 4. luas__arena_drop for each object;
 * 5. luas__arena_close. A forked child keeps the objects that it inherits; its first
 * luas__arena_enter takes a seat of its own.
 *
 * Who shares what. The head has a lock for making, finding and freeing objects. Each object
 * has an entry, which says where its block is; one word of the entry says whether the object
 * exists. The block begins with one bit for each seat: the process in that seat has the
 * object. Only that process sets the bit (with the lock) and clears it. When no living
 * process has an object it is freed, and its memory goes back to the system at once. If a
 * process dies during a change, these words are still right. The lists of free blocks may not
 * be; the next process that takes the lock rebuilds them.
 *
 * An object that was packed into a message lives until the host says that no such message
 * is under way (luas__arena_settle). One in a queue or table lives as long as that keeps it.
 *
 * Threads must not share an arena: each has one of its own, by luas__arena_join.
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

/* The seats come after the head. */
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

/* A lock or permit that a process holds. A task gives it back when it ends. */
typedef struct luas__hold {
    luas__object object;    /* a lock, or a permit of a semaphore */
} luas__hold;

/* Who the process is, for others who find a lock that it held. */
typedef struct luas__who {
    int worker;             /* its number; 0: none */
    uint64_t serial;        /* differs from task to task; 0: no task */
    int64_t task;           /* the task's index */
    const char *input;      /* its encoded input, while it runs; NULL: unknown */
    size_t len;
} luas__who;

typedef struct luas__arena {
    int fd;                 /* -1: none */
    bool is_root;           /* this process has made it */
    uint64_t limit;         /* bytes; 0: depends on the machine's memory */
    luas__fork_detect here;
    struct luas__arena_head *head;  /* NULL: not mapped */
    size_t size;            /* of what is mapped */
    uint32_t seat, generation;      /* generation 0: none taken */
    uint32_t *uses;         /* by entry: how many luas__objects this process has */
    size_t nuses;
    luas__hold *holds;
    uint32_t nholds;
    size_t cap_holds;
    uint32_t blind_waits;   /* how many waits for an item will not spin first */
    luas__who who;
    struct luas__opened *tables;    /* shared_table.c's: what this process has open */
    uint64_t *packed;       /* ids, while `collects` */
    uint32_t npacked;
    size_t cap_packed;
    bool collects;
    bool refuses;           /* objects are not to be packed: the message leaves this machine */
} luas__arena;

#define LUAS__ARENA_INIT {.fd = -1}

/* Makes the descriptor. On failure *a is LUAS__ARENA_INIT. */
int luas__arena_open(luas__arena *a, uint64_t limit);

/* Makes another arena of the same memory, for another thread or Lua state. */
int luas__arena_join(luas__arena *a, const luas__arena *other);

/* Gives up all objects of this process. It must hold no locks: luas__holds_close. */
void luas__arena_close(luas__arena *a);

int luas__arena_enter_slowly(luas__arena *a);

/* Returns 0, or negative: no memory, or no free seat. */
static inline int luas__arena_enter(luas__arena *a)
{
    return a->generation != 0 && luas__fork_detect_is_here(&a->here) ? 0 : luas__arena_enter_slowly(a);
}

/* A number that no other arena has. Call it after luas__arena_enter. */
uint64_t luas__arena_name(const luas__arena *a);

/*
 * Makes an object of `size` bytes. The first LUAS__BLOCK_HEAD of them belong to the arena;
 * the rest is zero. `charged` bytes count against the limit now. When the limit is reached
 * the result is LUAS_ENOMEM, and *o is unchanged.
 */
enum { LUAS__BLOCK_HEAD = LUAS__SEATS / 8 };
int luas__arena_new(luas__arena *a, luas__shared_kind kind, uint64_t size, uint64_t charged,
                    luas__object *o);

/* LUAS_ECLOSED when there is no such object, or it is gone. */
int luas__arena_find(luas__arena *a, uint64_t id, luas__shared_kind kind, luas__object *o);

/* Adds a reference of this process, or drops one. */
void luas__arena_retain(const luas__object *o);
void luas__arena_drop(luas__object *o);

/* Is it the last reference of this process? */
bool luas__arena_is_last(const luas__object *o);

/* Does the object that this process has inherited still exist? */
bool luas__arena_has(const luas__object *o);

/* luas__arena_charge counts further bytes that the object uses, or (negative) fewer. Returns 0 or
   LUAS_ENOMEM. luas__arena_discard gives whole pages of a block back to the system; they read as
   zeros from then on. */
int luas__arena_charge(const luas__object *o, int64_t bytes);
void luas__arena_discard(const luas__object *o, uint64_t from, uint64_t len);

/* Host: luas__arena_settle says that all messages with objects packed before this moment
   (coarse ns) were read or never will be. luas__arena_sweep frees the objects that nobody has
   any more, if it is time for that or `now`. */
void luas__arena_settle(luas__arena *a, int64_t before);
void luas__arena_sweep(luas__arena *a, bool now);

/* Does another living process have it, or may it be in a message? */
bool luas__arena_is_shared(const luas__object *o);

/* Bytes in use, the most that can be, and objects. */
uint64_t luas__arena_used(const luas__arena *a);
uint64_t luas__arena_limit(const luas__arena *a);
uint32_t luas__arena_objects(const luas__arena *a);

/* Is so much of it in use that garbage of any process may be in the way of others? */
bool luas__arena_is_scarce(const luas__arena *a);

/* The seats of the arena, for words that belong to a process. */
static inline luas__seat *luas__arena_seats(const luas__arena *a)
{
    return (luas__seat *)(void *)((char *)a->head + LUAS__SEATS_AT);
}

uint32_t luas__arena_seat_count(const luas__arena *a);

/* ---- what is told of a process ---- */

/* Tells the number that this process has as a worker. */
void luas__arena_call_worker(luas__arena *a, int worker);

/* Tells that this process waits for the end of another one and does nothing else until then (0:
   it waits no longer); or that it waits for room in a queue (NULL: no longer). */
void luas__arena_say_join(luas__arena *a, int pid);
void luas__arena_say_full(luas__arena *a, const luas__object *queue);

/* For a process that waits for room in the queue: is nobody able to take something from it? */
bool luas__arena_is_stuck(const luas__object *queue, int *pid);

/* ---- what a task holds ---- */

/* Makes room for one more hold, before the lock is taken. LUAS_ETOOBIG: this process holds too
   many. The others add and remove a hold. */
int luas__arena_reserve_hold(luas__arena *a);
void luas__arena_add_hold(luas__arena *a, const luas__object *o);
void luas__arena_remove_hold(luas__arena *a, const luas__object *o);

#endif
