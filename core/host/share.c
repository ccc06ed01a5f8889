/* The shared memory of a state, and what all shared objects have in common. */
#define _GNU_SOURCE
#include "share.h"

#include <stdlib.h>
#include <string.h>

#include "arena_keep.h"
#include "codec.h"
#include "error.h"
#include "fail.h"
#include "handles.h"
#include "keeper.h"
#include "holds.h"
#include "serve.h"
#include "shared_condition.h"
#include "shared_table.h"
#include "task.h"

const char *const luas__share_names[] = {
    NULL, "shared.queue", "shared.lock", "shared.semaphore", "shared.event", "shared.condition",
    "shared.barrier", "shared.value", "shared.array", "shared.table",
};

/* A larger scratch buffer, in bytes, is not kept for later. */
enum { KEPT = 4 << 20 };

/* Each object that is new in a worker counts like so many KB. When the objects have the weight
   of the worker's heap, a collection looks for garbage among them. Where memory is scarce every
   process does that after so FEW. */
enum { WEIGHT = 64, FEW = 16 };

/* The shared memory of a state: a userdata in its registry. */
typedef struct box {
    luas__arena arena;      /* the first member: handles use the box as an arena */
    luas__buffer input;     /* the input of the running task, if it had to be encoded */
    int met;                /* how many objects are new since the last collection */
    bool has_task;          /* a task runs in the host */
} box;

/* User values of a box: a scratch that nobody uses; the table of a task in the host. */
enum { BOX_SCRATCH = 1, BOX_TASK, BOX_VALUES = 2 };

static const char box_key = 'b';

/* ---- the box ---- */

/* Pushes the box; NULL if there is none. */
static box *push_box(lua_State *L)
{
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, &box_key) == LUA_TUSERDATA)
        return lua_touserdata(L, -1);
    lua_pop(L, 1);
    return NULL;
}

static box *find_box(lua_State *L)
{
    box *b = push_box(L);
    if (b != NULL)
        lua_pop(L, 1);
    return b;
}

/* Closes the box. If finalizers may still make objects in its arena this is postponed: the
   keeper calls it again. */
static int close_box(lua_State *L)
{
    box *b = lua_touserdata(L, 1);
    if (find_box(L) == b && luas__keeper_postpone(L))
        return 0;
    luas__holds_close(&b->arena);
    luas__buffer_release(&b->input);
    return 0;
}

/* Born closed. */
static box *push_new_box(lua_State *L)
{
    box *b = lua_newuserdatauv(L, sizeof *b, BOX_VALUES);
    *b = (box){.arena = LUAS__ARENA_INIT};
    lua_createtable(L, 0, 1);
    lua_pushcfunction(L, close_box);
    lua_setfield(L, -2, "__gc");
    lua_setmetatable(L, -2);
    luas__handles_keep(L);
    return b;
}

static int install(lua_State *L, int rc)
{
    if (rc == 0)
        lua_rawsetp(L, LUA_REGISTRYINDEX, &box_key);
    else
        lua_pop(L, 1);
    return rc;
}

static int make_box(lua_State *L)
{
    box *b = push_new_box(L);
    return install(L, luas__arena_open(&b->arena, 0));
}

void luas__share_prepare(lua_State *L)
{
    if (find_box(L) == NULL)
        make_box(L); /* a failure is reported when something is shared */
}

const luas__arena *luas__share_find(lua_State *L)
{
    box *b = find_box(L);
    return b != NULL ? &b->arena : NULL;
}

bool luas__share_refuse(lua_State *L, bool refuses)
{
    box *b = find_box(L);
    bool before = b != NULL && b->arena.refuses;
    if (b != NULL)
        b->arena.refuses = refuses;
    return before;
}

void luas__share_rest(lua_State *L)
{
    box *b = find_box(L);
    if (b == NULL || b->arena.head != NULL || !b->arena.is_root)
        return;
    luas__arena_close(&b->arena);
    lua_pushnil(L);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &box_key);
}

int luas__share_adopt(lua_State *L, const luas__arena *arena)
{
    box *b = push_new_box(L);
    return install(L, luas__arena_join(&b->arena, arena));
}

int luas__share_check(lua_State *L, const luas__arena *a, int rc)
{
    if (rc >= 0)
        return rc;
    if (rc == LUAS_ENOMEM)
        return luas__fail(L, "no room for this in the shared memory (%I MB of at most %I are in use)",
                          (LUAI_UACINT)(luas__arena_used(a) >> 20),
                          (LUAI_UACINT)(luas__arena_limit(a) >> 20));
    if (rc == LUAS_ETOOBIG)
        return luas__fail(L, "this process holds too many locks and permits (%d)", LUAS__MOST_HELD);
    if (rc == LUAS_ECLOSED)
        return luas__fail(L, "the shared memory is gone");
    return luas__fail(L, "shared memory: %s", luas_strerror(rc));
}

/* Enters the arena, for the first time in this process. */
static void enter(lua_State *L, box *b)
{
    luas__share_check(L, &b->arena, luas__arena_enter(&b->arena));
    if (lua_getfield(L, LUA_REGISTRYINDEX, LUAS__WORKER_KEY) == LUA_TNUMBER) {
        luas__arena_call_worker(&b->arena, (int)lua_tointeger(L, -1));
        luas__task_use(&b->arena);
    }
    lua_pop(L, 1);
}

static bool is_entered(const luas__arena *a)
{
    return a->generation != 0 && luas__fork_detect_is_here(&a->here);
}

luas__arena *luas__share_arena(lua_State *L)
{
    box *b = find_box(L);
    if (b == NULL) {
        luas__share_check(L, NULL, make_box(L));
        b = find_box(L);
    }
    if (!is_entered(&b->arena))
        enter(L, b);
    return &b->arena;
}

void luas__share_inherit(lua_State *L, int worker)
{
    box *b = find_box(L);
    if (b == NULL || b->arena.generation == 0 || luas__arena_enter(&b->arena) < 0)
        return; /* the first use tries again and reports the failure */
    luas__arena_call_worker(&b->arena, worker);
    luas__task_use(&b->arena);
}

void luas__share_leave(lua_State *L)
{
    box *b = find_box(L);
    if (b != NULL)
        luas__holds_close(&b->arena);
}

/* ---- objects ---- */

luas__share *luas__share_new(lua_State *L, luas__shared_kind kind)
{
    luas__share *s = lua_newuserdatauv(L, sizeof *s, LUAS__SHARE_UPDATING);
    *s = (luas__share){.name = luas__share_names[kind]};
    luaL_setmetatable(L, luas__share_names[kind]);
    luas__handles_keep(L);
    push_box(L); /* so the arena lives as long as the object */
    lua_setiuservalue(L, -2, LUAS__SHARE_ARENA);
    return s;
}

static void settle(lua_State *L, luas__arena *a);
static void weigh(lua_State *L, box *b);

int luas__share_make(lua_State *L, luas__shared_kind kind, luas__share_maker *make, void *context)
{
    luas__arena *a = luas__share_arena(L);
    luas__share *s = luas__share_new(L, kind);
    settle(L, a);
    weigh(L, (box *)a);
    int rc = make(a, &s->object, context);
    if (rc == LUAS_ENOMEM) {
        lua_gc(L, LUA_GCCOLLECT);
        rc = make(a, &s->object, context);
    }
    luas__share_check(L, a, rc);
    return 1;
}

luas__share *luas__share_at(lua_State *L, int index, luas__shared_kind kind)
{
    luas__share *s = luas__handles_check(L, index, luas__share_names[kind]);
    if (s->object.at == NULL)
        luaL_error(L, "this %s is gone", luas__share_names[kind]);
    if (!is_entered(s->object.arena))
        enter(L, (box *)s->object.arena);
    if (!luas__arena_has(&s->object))
        luaL_error(L, "this %s went with the process that had it", luas__share_names[kind]);
    return s;
}

/* ---- classes ---- */

/* All messages from before the oldest unfinished job of this state were read, or never will be.
   Only the host knows that. */
static void settle(lua_State *L, luas__arena *a)
{
    if (a->is_root && is_entered(a))
        luas__arena_settle(a, luas__handles_oldest_job(L));
}

static int object_gc(lua_State *L)
{
    luas__share *s = lua_touserdata(L, 1);
    luas__arena *a = s->object.arena;
    if (s->object.at == NULL)
        return 0;
    settle(L, a);
    if (s->lock.at != NULL)
        luas__arena_drop(&s->lock);
    if (s->object.kind == LUAS__SHARED_TABLE && luas__arena_is_last(&s->object))
        luas__shared_table_close(&s->object);
    luas__arena_drop(&s->object);
    return 0;
}

/* What a message contains of an object: its id and the name of its arena. */
static int object_pack(lua_State *L)
{
    luas__share *s = lua_touserdata(L, 1);
    if (s->object.at == NULL)
        return luaL_error(L, "it is gone");
    if (s->object.arena->refuses)
        return luaL_error(L, "%s: other machines do not have this machine's memory",
                          luas__share_names[s->object.kind]);
    if (!is_entered(s->object.arena))
        enter(L, (box *)s->object.arena);
    if (luas__arena_keep_pack(&s->object) < 0)
        return luaL_error(L, "%s", luas_strerror(LUAS_ENOMEM));
    lua_pushinteger(L, (lua_Integer)s->object.id);
    lua_pushinteger(L, (lua_Integer)luas__arena_name(s->object.arena));
    return 2;
}

/* Counts an object that is new in this process. Lua takes it for small, but its shared memory
   is used as long as it exists. In a worker the collector rests, and would not find the objects
   that tasks have left. */
static void weigh(lua_State *L, box *b)
{
    bool is_due = luas__arena_is_scarce(&b->arena) ? ++b->met >= FEW
        : !b->arena.is_root && ++b->met * WEIGHT >= lua_gc(L, LUA_GCCOUNT);
    if (!is_due)
        return;
    b->met = 0;
    lua_gc(L, LUA_GCCOLLECT);
}

void luas__share_find_lock(lua_State *L, luas__share *s)
{
    uint64_t lock = luas__shared_condition_lock(&s->object);
    if (lock != 0)
        luas__share_check(L, s->object.arena,
                          luas__arena_find(s->object.arena, lock, LUAS__SHARED_LOCK, &s->lock));
}

/* Upvalue: the kind. */
static int object_unpack(lua_State *L)
{
    luas__shared_kind kind = (luas__shared_kind)lua_tointeger(L, lua_upvalueindex(1));
    uint64_t id = (uint64_t)luaL_checkinteger(L, 1), name = (uint64_t)luaL_checkinteger(L, 2);
    luas__arena *a = luas__share_arena(L);
    if (luas__arena_name(a) != name)
        return luaL_error(L, "%s: this process does not have the memory that it is in",
                          luas__share_names[kind]);
    luas__share *s = luas__share_new(L, kind);
    int rc = luas__arena_find(a, id, kind, &s->object);
    if (rc == LUAS_ECLOSED)
        return luaL_error(L, "%s: no process has it any more", luas__share_names[kind]);
    luas__share_check(L, a, rc);
    if (kind == LUAS__SHARED_CONDITION)
        luas__share_find_lock(L, s);
    if (luas__arena_is_last(&s->object))
        weigh(L, (box *)a);
    return 1;
}

static int object_eq(lua_State *L)
{
    const luas__share *a = lua_touserdata(L, 1), *b = lua_touserdata(L, 2);
    lua_pushboolean(L, lua_rawlen(L, 1) == sizeof *a && lua_rawlen(L, 2) == sizeof *b
                    && a->object.arena == b->object.arena && a->object.id == b->object.id);
    return 1;
}

void luas__share_class(lua_State *L, luas__shared_kind kind, const luaL_Reg *methods,
                       const luaL_Reg *meta)
{
    static const luaL_Reg common[] = {
        {"__gc", object_gc}, {"__luas_pack", object_pack}, {"__eq", object_eq}, {NULL, NULL},
    };
    luas__handles_new_class(L, luas__share_names[kind], methods, common);
    luaL_getmetatable(L, luas__share_names[kind]);
    lua_pushvalue(L, -1);
    luaL_setfuncs(L, meta, 1);
    lua_pushinteger(L, kind);
    lua_pushcclosure(L, object_unpack, 1);
    lua_setfield(L, -2, "__luas_unpack");
    lua_pop(L, 1);
}

/* ---- scratch ---- */

static uint32_t count_ids(const luas__share_scratch *s)
{
    return (uint32_t)(s->ids.len / sizeof(uint64_t));
}

static void empty_scratch(luas__share_scratch *s)
{
    if (s->packs != NULL)
        luas__arena_keep_release(s->packs, luas__share_ids(s), count_ids(s));
    s->packs = NULL;
    luas__buffer_truncate(&s->bytes, 0);
    luas__buffer_truncate(&s->ids, 0);
}

static int release_scratch(lua_State *L)
{
    luas__share_scratch *s = lua_touserdata(L, 1);
    empty_scratch(s);
    luas__buffer_release(&s->bytes);
    luas__buffer_release(&s->ids);
    s->is_finalized = true;
    return 0;
}

luas__share_scratch *luas__share_take_scratch(lua_State *L)
{
    push_box(L);
    if (lua_getiuservalue(L, -1, BOX_SCRATCH) == LUA_TUSERDATA) {
        lua_pushnil(L);
        lua_setiuservalue(L, -3, BOX_SCRATCH);
        lua_remove(L, -2);
        luas__share_scratch *kept = lua_touserdata(L, -1);
        if (kept->is_finalized)
            luas__handles_keep(L); /* Lua calls its finalizer no second time */
        return kept;
    }
    lua_pop(L, 2);
    luas__share_scratch *s = lua_newuserdatauv(L, sizeof *s, 0);
    *s = (luas__share_scratch){.bytes = LUAS__BUFFER_INIT, .ids = LUAS__BUFFER_INIT};
    lua_createtable(L, 0, 1);
    lua_pushcfunction(L, release_scratch);
    lua_setfield(L, -2, "__gc");
    lua_setmetatable(L, -2);
    luas__handles_keep(L);
    return s;
}

void luas__share_return_scratch(lua_State *L, int index)
{
    luas__share_scratch *s = lua_touserdata(L, index);
    empty_scratch(s);
    if (s->bytes.cap > KEPT)
        luas__buffer_release(&s->bytes);
    index = lua_absindex(L, index);
    push_box(L);
    lua_pushvalue(L, index);
    lua_setiuservalue(L, -2, BOX_SCRATCH);
    lua_pop(L, 1);
}

int luas__share_encode(lua_State *L, int index, luas__arena *a, luas__share_scratch *s,
                       const luas__encode_options *options)
{
    uint32_t before = a->npacked; /* __luas_pack of an object may put others somewhere */
    bool collected = a->collects;
    a->collects = true;
    int rc = luas__encode_value(L, index, &s->bytes, options);
    a->collects = collected;
    uint32_t n = a->npacked - before;
    a->npacked = before;
    if (n > 0 && luas__buffer_append(&s->ids, (const char *)(a->packed + before), n * sizeof *a->packed) < 0) {
        luas__arena_keep_release(a, a->packed + before, n);
        lua_pushstring(L, luas_strerror(LUAS_ENOMEM));
        return LUAS_ENOMEM;
    }
    s->packs = a;
    return rc;
}

/* ---- who it is ---- */

/* Encodes an input that is not available as a message: once for each task. */
static void encode_input(lua_State *L, box *b)
{
    luas__encode_options options = {0};
    luas__buffer_truncate(&b->input, 0);
    int rc = luas__encode(L, lua_gettop(L), 1, &b->input, &options);
    if (rc == LUAS_EINTR)
        lua_error(L);
    lua_pop(L, rc < 0 ? 2 : 1);
    b->arena.who.input = b->input.len > 0 ? luas__buffer_bytes(&b->input) : NULL;
    b->arena.who.len = b->input.len;
}

/* For a task that runs in the host: its table tells which task it is. */
static void sign_inline(lua_State *L, box *b)
{
    luas__who *who = &b->arena.who;
    push_box(L);
    if (lua_getiuservalue(L, -1, BOX_TASK) != LUA_TTABLE) {
        lua_pop(L, 2);
        who->serial = 0;
        who->task = 0;
        who->input = NULL;
        return;
    }
    lua_getfield(L, -1, "index");
    who->task = lua_tointeger(L, -1);
    who->serial = (uint64_t)(uintptr_t)lua_topointer(L, -2) ^ (uint64_t)who->task << 48;
    if (lua_getfield(L, -2, "arguments") == LUA_TTABLE) {
        lua_geti(L, -1, 1);
        encode_input(L, b);
    }
    lua_pop(L, 4);
}

void luas__share_sign(lua_State *L, luas__arena *a)
{
    luas__task_view view;
    box *b = (box *)a;
    if (!luas__task_look(&view)) {
        if (b->has_task || a->who.serial != 0)
            sign_inline(L, b);
        return;
    }
    if (view.serial == a->who.serial)
        return;
    a->who.serial = view.serial;
    a->who.task = view.index;
    a->who.input = view.input;
    a->who.len = view.len;
    if (view.input == NULL && luas__task_push_input(L))
        encode_input(L, b);
}

uint32_t luas__share_begin_task(lua_State *L, int token)
{
    box *b = push_box(L);
    if (b == NULL)
        return 0;
    lua_pushvalue(L, token);
    lua_setiuservalue(L, -2, BOX_TASK);
    lua_pop(L, 1);
    b->has_task = true;
    return luas__holds_count(&b->arena);
}

void luas__share_end_task(lua_State *L, uint32_t before)
{
    box *b = push_box(L);
    if (b == NULL)
        return;
    lua_pushnil(L);
    lua_setiuservalue(L, -2, BOX_TASK);
    lua_pop(L, 1);
    b->has_task = false;
    if (luas__holds_count(&b->arena) > before)
        luas__holds_end_task(&b->arena, before);
}

/* core.joining([pid]): see luas__arena_is_stuck. */
int luas__share_joining(lua_State *L)
{
    box *b = find_box(L);
    if (b != NULL && is_entered(&b->arena))
        luas__arena_say_join(&b->arena, (int)luaL_optinteger(L, 1, 0));
    return 0;
}
