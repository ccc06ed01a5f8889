/*
 * What processes share, as userdata of Lua's: the module `shared`. Each kind of
 * object is a class (share_queue.c, share_lock.c, share_meet.c, share_word.c,
 * share_table.c); this is what they have in common (share.c).
 *
 * An object is a userdata of a registered type that packs itself: a message has
 * its id and the name of its arena, so that workers which were forked before it
 * was made find it, too. There is one arena to a state, made with its first pool.
 *
 * A wait goes in slices. Between two of them hooks run (a task is stopped, Ctrl-C
 * came), pools are driven, and it is looked whether there is anybody left who could
 * end the wait.
 */
#ifndef LUAS_SHARE_H
#define LUAS_SHARE_H

#include <lauxlib.h>
#include <stdbool.h>

#include "arena.h"
#include "buffer.h"

/* ---- for the rest of the host ---- */

/* Before the first fork: makes the memory, or leaves that for later. */
void luas__share_prepare(lua_State *L);

/* No pool is open any more: memory that nobody has used is given up. */
void luas__share_rest(lua_State *L);

/* In a forked worker of that number: it has what it inherited; and it ends as it should. */
void luas__share_inherit(lua_State *L, int worker);
void luas__share_leave(lua_State *L);

/* From now on the state's objects are in the memory of that arena: 0 or negative. */
int luas__share_adopt(lua_State *L, const luas__arena *arena);

/* Around a task that is called in the host, whose table is at `token`: the first gives
   what the second wants, which gives back what the task holds. */
uint32_t luas__share_begin_task(lua_State *L, int token);
void luas__share_end_task(lua_State *L, uint32_t before);

/* ---- for the classes ---- */

/* User values of an object: its arena; of a table, whether a function of update's runs. */
enum { LUAS__SHARE_ARENA = 1, LUAS__SHARE_UPDATING };

/* Born empty; its class is of the object's kind. */
typedef struct luas__share {
    luas__object object;
    luas__object lock;      /* a condition's, or none */
} luas__share;

extern const char *const luas__share_names[];   /* of the types, by kind */

/* The arena of the state, entered; raises what is wrong. */
luas__arena *luas__share_arena(lua_State *L);

/* Pushes an object without anything, of a class. */
luas__share *luas__share_new(lua_State *L, luas__shared_kind kind);

/* Finds the lock of a condition that was just made or came in a message. */
void luas__share_find_lock(lua_State *L, luas__share *condition);

/* Raises what a code of the arena's says, unless it is one of success. */
int luas__share_check(lua_State *L, const luas__arena *a, int rc);

/* Makes one: tries again when the collector has run, for what nobody uses any more is
   garbage that Lua thinks is small. `make` is called with the arena and `context`. */
typedef int luas__share_maker(luas__arena *a, luas__object *o, void *context);
int luas__share_make(lua_State *L, luas__shared_kind kind, luas__share_maker *make, void *context);

/* The object at an index, in a method of its class: upvalue 1. Raises if it is none. */
luas__share *luas__share_at(lua_State *L, int index, luas__shared_kind kind);

static inline const luas__object *luas__share_self(lua_State *L, luas__shared_kind kind)
{
    return &luas__share_at(L, 1, kind)->object;
}

/* Registers the class of a kind; each has also __gc, __luas_pack and the like. */
void luas__share_class(lua_State *L, luas__shared_kind kind, const luaL_Reg *methods,
                       const luaL_Reg *meta);

/* Raises where a constructor is called with a colon; then its options, a table at `index`
   or nothing: one that is unknown raises. */
void luas__share_check_call(lua_State *L, const char *name);
void luas__share_check_options(lua_State *L, int index, const char *what,
                               const char *const *names);

/* A size in bytes among the options, a number or text such as "64M"; or `standard`. */
uint64_t luas__share_bytes(lua_State *L, int index, const char *what, const char *name,
                           uint64_t standard);

/* ---- waiting ---- */

typedef struct luas__share_wait {
    lua_State *L;
    const luas__object *object;
    const char *what;       /* that it would do for ever */
    int64_t deadline;       /* ns; INT64_MAX: none */
    lua_Hook hook;          /* of the main thread, before */
    bool is_alone;          /* nobody had it, when that was looked at last */
} luas__share_wait;

/* `seconds` is the index of an argument: a number, or nil for as long as it takes. */
luas__share_wait luas__share_wait_begin(lua_State *L, const luas__object *o, int seconds,
                                        const char *what);

/* ns until the deadline, and not more than a slice. */
int64_t luas__share_wait_slice(const luas__share_wait *w);

/* Sleeps for a slice. */
void luas__share_wait_sleep(const luas__share_wait *w);

/* After a try that failed: false when the time is over. Else something is run that may
   raise; `rc` is what the wait before it gave (negative and no LUAS_EINTR: raised). */
bool luas__share_wait_on(luas__share_wait *w, int rc);

/* ---- messages ---- */

/* Buffers for one message: a userdata at `index`, taken and given back, or dropped where an
   error comes between. */
typedef struct luas__share_scratch {
    luas__buffer bytes, ids;
} luas__share_scratch;

static inline const uint64_t *luas__share_ids(const luas__share_scratch *s)
{
    return s->ids.len > 0 ? (const uint64_t *)(void *)luas__buffer_bytes(&s->ids) : NULL;
}

luas__share_scratch *luas__share_take_scratch(lua_State *L);   /* pushes it */
void luas__share_return_scratch(lua_State *L, int index);

/* Who this process is, for those who find what it held. */
void luas__share_sign(lua_State *L, luas__arena *a);

/* ---- the classes: each registers its own, and has the constructors ---- */

void luas__share_queue_open(lua_State *L);
void luas__share_lock_open(lua_State *L);
void luas__share_meet_open(lua_State *L);
void luas__share_word_open(lua_State *L);
void luas__share_table_open(lua_State *L);

int luas__share_queue_new(lua_State *L);
int luas__share_lock_new(lua_State *L);
int luas__share_lock_semaphore(lua_State *L);
int luas__share_meet_event(lua_State *L);
int luas__share_meet_condition(lua_State *L);
int luas__share_meet_barrier(lua_State *L);
int luas__share_word_value(lua_State *L);
int luas__share_word_array(lua_State *L);
int luas__share_table_new(lua_State *L);

/* share_lock.c: pushes what is told of a dead holder. */
struct luas__death;
void luas__share_lock_push_death(lua_State *L, const struct luas__death *death);

#endif
