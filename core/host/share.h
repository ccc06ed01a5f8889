/*
 * The module `shared`: objects that processes share, as userdata. Each kind of object is a class
 * (share_queue.c, share_lock.c, share_meet.c, share_word.c, share_table.c). This header and
 * share.c have what the classes have in common, share_wait.h how they wait.
 *
 * An object is a userdata of a registered type with a __luas_pack. A message has only its id and
 * the name of its arena. So workers that were forked before the object was made find it, too. A
 * state has one arena, which is made with its first pool.
 */
#ifndef LUAS_SHARE_H
#define LUAS_SHARE_H

#include <lauxlib.h>
#include <stdbool.h>

#include "arena.h"
#include "buffer.h"

/* ---- for the rest of the host ---- */

/* Call it before the first fork: makes the memory. If that fails it is tried again later. */
void luas__share_prepare(lua_State *L);

/* The memory that was made; or NULL. */
const luas__arena *luas__share_find(lua_State *L);

/* Call it when no pool is open any more: gives up memory that nobody has used. */
void luas__share_rest(lua_State *L);

/* For a message that goes to another machine: shared objects in it are an error. Returns what held
   before: call it with that afterwards. */
bool luas__share_refuse(lua_State *L, bool refuses);

/* In a forked worker with this number: the first takes over the objects that it has inherited.
   The second is called when the worker ends. */
void luas__share_inherit(lua_State *L, int worker);
void luas__share_leave(lua_State *L);

/* From now on the objects of the state are in the memory of that arena. Returns 0 or negative. */
int luas__share_adopt(lua_State *L, const luas__arena *arena);

/* Call these around a task that runs in the host; its table is at `token`. Pass the result of
   the first to the second, which gives back the locks that the task holds. */
uint32_t luas__share_begin_task(lua_State *L, int token);
void luas__share_end_task(lua_State *L, uint32_t before);

/* ---- for the classes ---- */

/* User values of an object: its arena; for a table, whether the function of an update runs. */
enum { LUAS__SHARE_ARENA = 1, LUAS__SHARE_UPDATING };

/* Empty at first. Its class is that of the object's kind. */
typedef struct luas__share {
    const char *name;       /* its class: luas__handles_check looks here first */
    luas__object object;
    luas__object lock;      /* the lock of a condition, or none */
} luas__share;

extern const char *const luas__share_names[];   /* of the types, by kind */

/* Enters the arena of the state and returns it. Raises if that fails. */
luas__arena *luas__share_arena(lua_State *L);

/* Pushes an empty object of this class. */
luas__share *luas__share_new(lua_State *L, luas__shared_kind kind);

/* Finds the lock of a condition that was just made, or that came in a message. */
void luas__share_find_lock(lua_State *L, luas__share *condition);

/* Raises the message of a code of the arena, if it is a failure. */
int luas__share_check(lua_State *L, const luas__arena *a, int rc);

/* Makes an object. `make` is called with the arena and `context`. If there is no memory it runs
   the collector and tries again: objects that are garbage look small to Lua, so it may not have
   collected them. */
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

/* ---- messages ---- */

/* Buffers for one message: a userdata at `index`. It is taken and returned; if an error comes
   between it is garbage. */
typedef struct luas__share_scratch {
    luas__buffer bytes, ids;
    luas__arena *packs;     /* of the objects that it has references to, by ids; NULL: it has none */
    bool is_finalized;      /* its finalizer was called, while the state is being closed */
} luas__share_scratch;

static inline const uint64_t *luas__share_ids(const luas__share_scratch *s)
{
    return s->ids.len > 0 ? (const uint64_t *)(void *)luas__buffer_bytes(&s->ids) : NULL;
}

luas__share_scratch *luas__share_take_scratch(lua_State *L);   /* pushes it */

/* Appends the encoding of the value at `index`, and the ids of the objects that it refers to: they
   live until the scratch is returned. Returns 0, or negative and pushes why. */
struct luas__encode_options;
int luas__share_encode(lua_State *L, int index, luas__arena *a, luas__share_scratch *s,
                       const struct luas__encode_options *options);
void luas__share_return_scratch(lua_State *L, int index);

/* Records who this process is, for others who find a lock that it held. */
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

/* share_lock.c: pushes the table that describes a dead holder. */
struct luas__death;
void luas__share_lock_push_death(lua_State *L, const struct luas__death *death);

#endif
