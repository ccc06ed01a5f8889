/* The C interface of shared objects. */
#include "embed_shared.h"

#include <lauxlib.h>
#include <stdlib.h>

#include "clock.h"
#include "arena_keep.h"
#include "error.h"
#include "holds.h"
#include "luas.h"
#include "msgpack.h"
#include "share.h"
#include "shared_lock.h"
#include "shared_queue.h"
#include "shared_word.h"
#include "value_format.h"

/* The bytes before a string that a script has put. */
enum { HEAD = 5 };

struct luas_object {
    luas__object object;
    luas__buffer item, ids;     /* the item that was got last */
    luas__buffer argument;      /* the encoding of the object as an argument */
};

/* ---- the memory ---- */

static int opened(luas_shared **shared, luas_shared *s, int rc)
{
    if (rc == 0)
        *shared = s;
    else
        free(s);
    return rc;
}

int luas_shared_open(luas_shared **shared, uint64_t bytes)
{
    *shared = NULL;
    luas_shared *s = calloc(1, sizeof *s);
    return s == NULL ? LUAS_ENOMEM : opened(shared, s, luas__arena_open(&s->arena, bytes));
}

int luas_shared_join(luas_shared **shared, const luas_shared *other)
{
    *shared = NULL;
    luas_shared *s = calloc(1, sizeof *s);
    return s == NULL ? LUAS_ENOMEM : opened(shared, s, luas__arena_join(&s->arena, &other->arena));
}

void luas_shared_close(luas_shared *s)
{
    if (s != NULL)
        luas__holds_close(&s->arena);
    free(s);
}

/* Registers the classes of objects by opening the library. Otherwise it would open at the first
   verb, and an object may come before that. */
static int open_classes(lua_State *L)
{
    luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
    if (lua_getfield(L, -1, "luas.core") == LUA_TFUNCTION) {
        lua_pushliteral(L, "luas.core");
        lua_call(L, 1, 0);
    }
    return 0;
}

int luas_shared_use(lua_State *L, const luas_shared *s)
{
    lua_pushcfunction(L, open_classes);
    if (lua_pcall(L, 0, 0, 0) != LUA_OK) {
        lua_pop(L, 1);
        return LUAS_ENOMEM;
    }
    return luas__share_adopt(L, &s->arena);
}

/* ---- objects ---- */

/* The encoding of an object: what __luas_pack would give, and the name of its type. */
static int encode(luas_object *o)
{
    const char *type = luas__share_names[o->object.kind];
    luas__buffer body = LUAS__BUFFER_INIT;
    uint32_t len = (uint32_t)strlen(type);
    int rc = luas__mp_write_array(&body, 2);
    if (rc == 0)
        rc = luas__mp_write_int(&body, (int64_t)o->object.id);
    if (rc == 0)
        rc = luas__mp_write_int(&body, (int64_t)luas__arena_name(o->object.arena));
    if (rc == 0)
        rc = luas__mp_write_ext(&body, WIRE_NAME, len + 3);
    if (rc == 0)
        rc = luas__buffer_append(&body, (char[]){(char)0xc0, (char)0xd9, (char)len}, 3);
    if (rc == 0)
        rc = luas__buffer_append(&body, type, len);
    if (rc == 0)
        rc = luas__mp_write_ext(&o->argument, WIRE_PACKED, (uint32_t)body.len);
    if (rc == 0)
        rc = luas__buffer_append(&o->argument, luas__buffer_bytes(&body), body.len);
    luas__buffer_release(&body);
    return rc;
}

/* No message keeps an object alive here: the application has every object that it sends, and a
   queue keeps those that workers send to each other. */
static void settle(const luas_object *o)
{
    luas__arena *a = o->object.arena;
    if (o->object.at != NULL && a->is_root)
        luas__arena_settle(a, luas__now_coarse());
}

static int made(luas_object **object, luas_object *o, int rc)
{
    settle(o);
    if (rc == 0)
        rc = encode(o);
    if (rc == 0)
        *object = o;
    else
        luas_shared_drop(o);
    return rc;
}

int luas_shared_queue(luas_shared *s, uint64_t max, uint64_t item, luas_object **object)
{
    *object = NULL;
    luas_object *o = calloc(1, sizeof *o);
    item = (item != 0 ? item : LUAS__QUEUE_BYTES) + HEAD;
    return o == NULL ? LUAS_ENOMEM
        : made(object, o, luas__shared_queue_new(&s->arena, max, item, &o->object));
}

int luas_shared_lock(luas_shared *s, luas_object **object)
{
    *object = NULL;
    luas_object *o = calloc(1, sizeof *o);
    return o == NULL ? LUAS_ENOMEM
        : made(object, o, luas__shared_lock_new(&s->arena, false, &o->object));
}

int luas_shared_value(luas_shared *s, int64_t value, luas_object **object)
{
    *object = NULL;
    luas_object *o = calloc(1, sizeof *o);
    if (o == NULL)
        return LUAS_ENOMEM;
    int rc = luas__shared_word_new(&s->arena, LUAS__SHARED_VALUE, LUAS__I64, 1, &o->object);
    if (rc == 0)
        luas__shared_word_set(&o->object, 0, (luas__number){.i = value});
    return made(object, o, rc);
}

/* Gives up what came with the item that was got last: nobody can ask for it any more. */
static void forget_item(luas_object *o)
{
    if (o->ids.len > 0) {
        const uint64_t *ids = (const uint64_t *)(void *)luas__buffer_bytes(&o->ids);
        luas__arena_keep_remove(&o->object, ids, (uint32_t)(o->ids.len / sizeof *ids));
    }
    luas__buffer_truncate(&o->item, 0);
    luas__buffer_truncate(&o->ids, 0);
}

void luas_shared_drop(luas_object *o)
{
    if (o == NULL)
        return;
    settle(o);
    if (o->object.at != NULL && luas__arena_enter(o->object.arena) == 0)
        forget_item(o);
    if (o->object.at != NULL)
        luas__arena_drop(&o->object);
    luas__buffer_release(&o->item);
    luas__buffer_release(&o->ids);
    luas__buffer_release(&o->argument);
    free(o);
}

luas_value luas_shared_argument(const luas_object *o)
{
    return (luas_value){.type = LUAS_OTHER, .bytes = luas__buffer_bytes(&o->argument),
                        .len = o->argument.len};
}

/* Arguments: a light userdata. */
static int push_found(lua_State *L)
{
    const luas_object *o = lua_touserdata(L, 1);
    luas__arena *a = luas__share_arena(L);
    if (luas__arena_name(a) != luas__arena_name(o->object.arena))
        return luaL_error(L, "%s", luas_strerror(LUAS_EFOREIGN));
    luas__share *s = luas__share_new(L, o->object.kind);
    luas__share_check(L, a, luas__arena_find(a, o->object.id, o->object.kind, &s->object));
    return 1;
}

int luas_shared_push(lua_State *L, const luas_object *o)
{
    if (!lua_checkstack(L, LUA_MINSTACK))
        return LUAS_ENOMEM;
    lua_pushcfunction(L, push_found);
    lua_pushlightuserdata(L, (void *)(uintptr_t)o);
    if (lua_pcall(L, 1, 1, 0) == LUA_OK)
        return 0;
    lua_pop(L, 1);
    return LUAS_EFOREIGN;
}

/* ---- waiting ---- */

static int64_t deadline_of(double seconds)
{
    return seconds < 0 ? INT64_MAX : seconds > 0 ? luas__now() + luas__seconds(seconds) : 0;
}

/* The ns of the next slice; 0 or less: the time is over. */
static int64_t slice_of(int64_t deadline)
{
    int64_t left = deadline == INT64_MAX ? LUAS__SLICE : deadline == 0 ? 0 : deadline - luas__now();
    return left < LUAS__SLICE ? left : LUAS__SLICE;
}

/* ---- queues ---- */

static int check(luas_object *o, luas__shared_kind kind)
{
    return o->object.kind != kind ? LUAS_EINVAL : luas__arena_enter(o->object.arena);
}

int luas_shared_put(luas_object *o, const char *bytes, size_t len, double seconds)
{
    if (len > UINT32_MAX)
        return LUAS_ETOOBIG;
    char head[HEAD] = {(char)0xc6, (char)(len >> 24), (char)(len >> 16), (char)(len >> 8), (char)len};
    luas__queue_item item = {.bytes = head, .len = HEAD, .more = bytes, .more_len = len};
    int64_t deadline = deadline_of(seconds), slice;
    int rc = check(o, LUAS__SHARED_QUEUE);
    if (rc < 0)
        return rc;
    while ((rc = luas__shared_queue_put(&o->object, &item)) == LUAS_ETIMEDOUT) {
        if ((slice = slice_of(deadline)) <= 0)
            return 0;
        luas__shared_queue_await_room(&o->object, &item, slice);
    }
    return rc < 0 ? rc : 1;
}

static int read_item(luas_object *o, luas_value *v)
{
    luas__mp_token t;
    luas__mp_reader r = {(const unsigned char *)luas__buffer_bytes(&o->item),
                         (const unsigned char *)luas__buffer_end(&o->item)};
    int rc = luas__mp_read(&r, &t);
    if (rc != 1)
        return LUAS_EPROTO;
    *v = (luas_value){.type = LUAS_OTHER, .bytes = luas__buffer_bytes(&o->item), .len = o->item.len};
    switch (t.type) {
    case MP_BOOL: *v = (luas_value){.type = LUAS_BOOLEAN, .as.boolean = t.as.i != 0}; break;
    case MP_INT: *v = (luas_value){.type = LUAS_INTEGER, .as.integer = t.as.i}; break;
    case MP_DOUBLE: *v = (luas_value){.type = LUAS_NUMBER, .as.number = t.as.d}; break;
    case MP_STR: case MP_BIN:
        *v = (luas_value){.type = LUAS_STRING, .bytes = t.bytes, .len = t.len};
        break;
    default: break;
    }
    return 1;
}

/* A string has a zero after its end. */
static int finish_item(luas_object *o, luas_value *v)
{
    int rc = luas__buffer_append(&o->item, "", 1);
    if (rc < 0)
        return rc;
    o->item.len--;
    return read_item(o, v);
}

int luas_shared_get(luas_object *o, luas_value *v, double seconds)
{
    int64_t deadline = deadline_of(seconds), slice;
    int rc = check(o, LUAS__SHARED_QUEUE);
    if (rc < 0)
        return rc;
    forget_item(o);
    while ((rc = luas__shared_queue_get(&o->object, &o->item, &o->ids)) == 0
           || rc == LUAS_ETIMEDOUT) {
        if ((slice = slice_of(deadline)) <= 0)
            return 0;
        luas__shared_queue_await_item(&o->object, slice);
    }
    return rc == 1 ? finish_item(o, v) : rc;
}

int luas_shared_finish(luas_object *o)
{
    int rc = check(o, LUAS__SHARED_QUEUE);
    return rc < 0 ? rc : luas__shared_queue_close(&o->object);
}

/* ---- locks and values ---- */

int luas_shared_acquire(luas_object *o, double seconds)
{
    luas__death death;
    int64_t deadline = deadline_of(seconds), slice = 0;
    int rc = check(o, LUAS__SHARED_LOCK);
    if (rc < 0)
        return rc;
    while ((rc = luas__shared_lock_take(&o->object, slice, &death)) == LUAS_ETIMEDOUT)
        if ((slice = slice_of(deadline)) <= 0)
            return 0;
    return rc < 0 ? rc : rc == LUAS__DIED ? 2 : 1;
}

int luas_shared_release(luas_object *o)
{
    int rc = check(o, LUAS__SHARED_LOCK);
    return rc < 0 ? rc : luas__shared_lock_release(&o->object);
}

int64_t luas_shared_add(luas_object *o, int64_t n)
{
    if (o->object.kind != LUAS__SHARED_VALUE)
        return 0;
    return luas__shared_word_add(&o->object, 0, (luas__number){.i = n}).i;
}
