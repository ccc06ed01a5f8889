/* Queues of values. */
#include <lauxlib.h>
#include <string.h>

#include "arena_keep.h"
#include "codec.h"
#include "error.h"
#include "fail.h"
#include "gc_hold.h"
#include "share.h"
#include "share_argument.h"
#include "share_wait.h"
#include "shared_queue.h"

/* After this many slices of waiting for room there is a check whether the wait can end. */
enum { SURELY = 3 };

static const luas__object *self(lua_State *L)
{
    return luas__share_self(L, LUAS__SHARED_QUEUE);
}

/* The bytes before a string. */
enum { HEAD = 5 };

/* From this number of bytes on it pays to save a copy. */
enum { LARGE = 8 << 10 };

/* ---- making one ---- */

typedef struct measures {
    uint64_t max, bytes;
} measures;

static int make(luas__arena *a, luas__object *o, void *context)
{
    const measures *m = context;
    return luas__shared_queue_new(a, m->max, m->bytes, o);
}

/* shared.queue([max [, {bytes =}]]), or the options alone. */
int luas__share_queue_new(lua_State *L)
{
    static const char *const options[] = {"bytes", NULL};
    measures m = {.max = 0, .bytes = LUAS__QUEUE_BYTES};
    luas__share_argument_check_call(L, "queue");
    lua_settop(L, 2);
    if (lua_istable(L, 1) && lua_isnil(L, 2))
        lua_insert(L, 1);
    if (!lua_isnil(L, 1))
        m.max = (uint64_t)luas__share_argument_whole(L, 1, "queue", 1, INT64_MAX);
    luas__share_argument_check_options(L, 2, "shared.queue", options);
    if (lua_istable(L, 2))
        m.bytes = luas__share_argument_bytes(L, 2, "shared.queue", "bytes", m.bytes);
    m.bytes += HEAD; /* so that a string of `bytes` fits */
    return luas__share_make(L, LUAS__SHARED_QUEUE, make, &m);
}

/* ---- putting ---- */

/* A string is copied only once, into the queue. */
static luas__queue_item string_item(lua_State *L, int index, char head[HEAD])
{
    size_t len;
    const char *bytes = lua_tolstring(L, index, &len);
    head[0] = (char)0xc6;
    for (int i = 1; i < HEAD; i++)
        head[i] = (char)((uint64_t)len >> 8 * (HEAD - 1 - i));
    return (luas__queue_item){.bytes = head, .len = HEAD, .more = bytes, .more_len = len};
}

/* While the item is encoded the ids of the shared objects that it refers to are collected. */
static luas__queue_item value_item(lua_State *L, int index, luas__arena *a)
{
    luas__encode_options options = {0};
    luas__share_scratch *s = luas__share_take_scratch(L);
    if (luas__share_encode(L, index, a, s, &options) < 0)
        luas__fail(L, "cannot put this: %s", lua_tostring(L, -1));
    return (luas__queue_item){.bytes = luas__buffer_bytes(&s->bytes), .len = s->bytes.len,
                              .ids = luas__share_ids(s),
                              .nids = (uint32_t)(s->ids.len / sizeof(uint64_t))};
}

static int refuse_put(lua_State *L, const luas__object *o, const luas__queue_item *item, int rc)
{
    if (rc == LUAS_ECLOSED)
        return luas__fail(L, "the queue is closed");
    if (rc == LUAS_ETOOBIG)
        return luas__fail(L, "an item of %I bytes is too large for this queue: give it "
                          "more than bytes = %I", (LUAI_UACINT)(item->len + item->more_len - HEAD),
                          (LUAI_UACINT)(luas__shared_queue_bytes(o) - HEAD));
    return luas__share_check(L, o->arena, rc);
}

/* Raises if nobody will make room: all processes that could take something wait for this one to
   end. */
static void look_whether_stuck(lua_State *L, const luas__object *o)
{
    int pid;
    if (!luas__arena_is_stuck(o, &pid))
        return;
    luas__arena_say_full(o->arena, NULL);
    luas__fail(L, "the queue is full, and process %d, which could take from it, waits for this "
               "one to end", pid);
}

static bool put(lua_State *L, const luas__object *o, const luas__queue_item *item)
{
    int rc, tries = 0;
    luas__share_wait w = luas__share_wait_begin(L, o, 3, "wait for room in the queue");
    while ((rc = luas__shared_queue_put(o, item)) != 0) {
        if (rc != LUAS_ETIMEDOUT)
            refuse_put(L, o, item, rc);
        int64_t slice = luas__share_wait_slice(&w);
        luas__arena_say_full(o->arena, w.deadline == INT64_MAX ? o : NULL);
        if (w.deadline == INT64_MAX && tries++ > SURELY)
            look_whether_stuck(L, o);
        rc = luas__shared_queue_await_room(o, item, slice);
        luas__arena_say_full(o->arena, NULL);
        if (!luas__share_wait_on(&w, rc))
            return false;
    }
    return true;
}

static int queue_put(lua_State *L)
{
    char head[HEAD];
    const luas__object *o = self(L);
    if (lua_isnoneornil(L, 2))
        return luas__fail(L, "nil cannot be put into a queue");
    lua_settop(L, 3);
    luas__queue_item item;
    bool is_string = lua_type(L, 2) == LUA_TSTRING && lua_rawlen(L, 2) <= UINT32_MAX;
    item = is_string ? string_item(L, 2, head) : value_item(L, 2, o->arena);
    bool done = put(L, o, &item);
    if (!is_string)
        luas__share_return_scratch(L, 4);
    lua_pushboolean(L, done);
    return 1;
}

/* ---- getting ---- */

/* Pushes the string of an item that string_item has made. */
static bool push_string(lua_State *L, const luas__buffer *b)
{
    const char *bytes = luas__buffer_bytes(b);
    if (b->len < HEAD || bytes[0] != (char)0xc6)
        return false;
    lua_pushlstring(L, bytes + HEAD, b->len - HEAD);
    return true;
}

/* This process has the item now. It finds the objects that the item refers to, and only then
   tells the queue not to keep them. */
static int push_item(lua_State *L, const luas__object *o, int scratch)
{
    luas__share_scratch *s = lua_touserdata(L, scratch);
    uint32_t nids = (uint32_t)(s->ids.len / sizeof(uint64_t));
    int rc = push_string(L, &s->bytes) ? 1
        : luas__decode_value(L, luas__buffer_bytes(&s->bytes), s->bytes.len, 0, LUAS__FUNCTIONS);
    luas__arena_keep_remove(o, luas__share_ids(s), nids);
    luas__share_return_scratch(L, scratch);
    if (rc < 0)
        return luas__fail(L, "cannot get the item: %s", lua_tostring(L, -1));
    return 1;
}

static int give_none(lua_State *L, const char *why)
{
    lua_pushnil(L);
    lua_pushstring(L, why);
    return 2;
}

typedef struct large {
    const char *bytes;
    size_t len;
} large;

static int push_large(lua_State *L)
{
    const large *l = lua_touserdata(L, 1);
    lua_pushlstring(L, l->bytes + HEAD, l->len - HEAD);
    return 1;
}

/* A long string is copied only once, straight from the queue. The collector is held until
   the queue is released, because it may run other code. Returns false for what is no string. */
static bool take_large(lua_State *L, const luas__object *o, const large *l)
{
    bool is_string = l->bytes[0] == (char)0xc6, held = luas__gc_hold(L);
    int rc = LUA_OK;
    if (is_string) {
        lua_pushcfunction(L, push_large);
        lua_pushlightuserdata(L, (void *)(uintptr_t)l);
        rc = lua_pcall(L, 1, 1, 0);
    }
    luas__shared_queue_take(o, is_string && rc == LUA_OK);
    luas__gc_hold_end(L, held);
    if (rc != LUA_OK)
        lua_error(L);
    return is_string;
}

/* Tries to get an item. Returns 2 if that was a long string, which it pushes; otherwise like
   luas__shared_queue_get. */
static int try_get(lua_State *L, const luas__object *o, luas__share_scratch *s)
{
    large l = {.len = LARGE};
    int rc = luas__shared_queue_get_or_peek(o, &s->bytes, &s->ids, &l.bytes, &l.len);
    return rc != 2 || take_large(L, o, &l) ? rc : luas__shared_queue_get(o, &s->bytes, &s->ids);
}

/* The next item of the queue `o`; `seconds` is an index. */
static int get(lua_State *L, const luas__object *o, int seconds)
{
    int rc;
    luas__share_wait w = luas__share_wait_begin(L, o, seconds, "wait for an item");
    luas__share_scratch *s = luas__share_take_scratch(L);
    int scratch = lua_gettop(L);
    while ((rc = try_get(L, o, s)) == 0 || rc == LUAS_ETIMEDOUT) {
        /* A timeout: other getters were in the way, for a whole slice. */
        bool was_empty = rc == 0;
        rc = was_empty ? luas__shared_queue_await_item(o, luas__share_wait_slice(&w)) : 0;
        if (was_empty && luas__shared_queue_has_item(o))
            continue;
        if (!luas__share_wait_on(&w, rc)) {
            rc = LUAS_ETIMEDOUT;
            break;
        }
    }
    if (rc == 1)
        return push_item(L, o, scratch);
    luas__share_return_scratch(L, scratch);
    if (rc == 2)
        return 1;
    if (rc == LUAS_ECLOSED || rc == LUAS_ETIMEDOUT)
        return give_none(L, rc == LUAS_ECLOSED ? "closed" : "timeout");
    return luas__share_check(L, o->arena, rc);
}

static int queue_get(lua_State *L)
{
    lua_settop(L, 2);
    return get(L, self(L), 2);
}

/* ---- the rest ---- */

static int queue_count(lua_State *L)
{
    lua_pushinteger(L, (lua_Integer)luas__shared_queue_count(self(L)));
    return 1;
}

static int queue_close(lua_State *L)
{
    const luas__object *o = self(L);
    return luas__share_check(L, o->arena, luas__shared_queue_close(o));
}

static int queue_done(lua_State *L)
{
    if (luas__shared_queue_done(self(L)) < 0)
        return luas__fail(L, "'done' without an item that this process has got");
    return 0;
}

static int queue_join(lua_State *L)
{
    const luas__object *o = self(L);
    luas__share_wait w = luas__share_wait_begin(L, o, 2, "wait for the queue's items to be done");
    while (!luas__shared_queue_is_done(o)) {
        int rc = luas__shared_queue_await_done(o, luas__share_wait_slice(&w));
        if (!luas__share_wait_on(&w, rc))
            return lua_pushboolean(L, luas__shared_queue_is_done(o)), 1;
    }
    lua_pushboolean(L, 1);
    return 1;
}

/* What a generic for calls: the next item, or nil when the queue is closed and empty. */
static int next_item(lua_State *L)
{
    lua_settop(L, 0);
    lua_pushvalue(L, lua_upvalueindex(2));
    lua_pushnil(L);
    return get(L, self(L), 2) == 1;
}

/* Upvalues: the class first, as in a method. */
static int queue_items(lua_State *L)
{
    self(L);
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_pushvalue(L, 1);
    lua_pushcclosure(L, next_item, 2);
    return 1;
}

void luas__share_queue_open(lua_State *L)
{
    static const luaL_Reg methods[] = {
        {"put", queue_put}, {"get", queue_get}, {"count", queue_count}, {"close", queue_close},
        {"done", queue_done}, {"join", queue_join}, {"items", queue_items}, {NULL, NULL},
    };
    static const luaL_Reg meta[] = {{"__len", queue_count}, {NULL, NULL}};
    luas__share_class(L, LUAS__SHARED_QUEUE, methods, meta);
}
