/* Tables. */
#include <errno.h>
#include <lauxlib.h>
#include <string.h>

#include "arena_keep.h"
#include "codec.h"
#include "error.h"
#include "fail.h"
#include "share.h"
#include "share_argument.h"
#include "share_key.h"
#include "share_wait.h"
#include "shared_table.h"

static const luas__object *self(lua_State *L)
{
    return luas__share_self(L, LUAS__SHARED_TABLE);
}

/* ---- failures ---- */

static int check(lua_State *L, const luas__object *o, int rc, const char *why)
{
    if (rc >= 0)
        return rc;
    if (rc == LUAS_ENOMEM)
        return luas__fail(L, "the shared table is full (%d MB): give it more bytes",
                          (int)(luas__shared_table_bytes(o) >> 20));
    return luas__fail(L, "shared table: %s", why != NULL ? why : luas_strerror(rc));
}

/* ---- making one ---- */

typedef struct measures {
    uint64_t bytes;
    const char *path, *why;
} measures;

static int make(luas__arena *a, luas__object *o, void *context)
{
    measures *m = context;
    return luas__shared_table_new(a, m->bytes, m->path, o, &m->why);
}

int luas__share_table_new(lua_State *L)
{
    static const char *const options[] = {"bytes", "file", NULL};
    measures m = {.bytes = LUAS__TABLE_BYTES, .path = NULL};
    luas__share_argument_check_call(L, "table");
    lua_settop(L, 1);
    luas__share_argument_check_options(L, 1, "shared.table", options);
    if (lua_istable(L, 1)) {
        m.bytes = luas__share_argument_bytes(L, 1, "shared.table", "bytes", m.bytes);
        int type = lua_getfield(L, 1, "file");
        if (type != LUA_TNIL && (type != LUA_TSTRING || lua_rawlen(L, -1) == 0))
            luas__fail(L, "shared.table: option 'file' must be a path, got %s",
                       luaL_tolstring(L, -1, NULL));
        m.path = lua_tostring(L, -1);
    }
    luas__arena *a = luas__share_arena(L);
    luas__share *s = luas__share_new(L, LUAS__SHARED_TABLE);
    int rc = make(a, &s->object, &m);
    if (rc == LUAS_ENOMEM || rc == -ENOMEM || rc == -EMFILE) { /* other tables may be garbage */
        lua_gc(L, LUA_GCCOLLECT);
        rc = make(a, &s->object, &m);
    }
    if (rc < 0)
        luas__fail(L, "cannot make a shared table%s%s: %s", m.path != NULL ? " of the file " : "",
                   m.path != NULL ? m.path : "", m.why != NULL ? m.why : luas_strerror(rc));
    return 1;
}

/* ---- verbs: each is a transaction, or a part of that of `atomically` ---- */

/* The transaction of a verb. */
typedef struct visit {
    const luas__object *o;
    bool is_part;           /* it is part of the transaction of `atomically` */
} visit;

/* Raises while the function of an `update` runs, which a user value of the object tells. */
static void check_not_updating(lua_State *L, const luas__object *o)
{
    if (luas__shared_table_is_open(o) && lua_getiuservalue(L, 1, LUAS__SHARE_UPDATING) == LUA_TBOOLEAN
        && lua_toboolean(L, -1))
        luas__fail(L, "the function of 'update' cannot use the table itself");
}

static visit begin(lua_State *L, bool writes)
{
    const char *why;
    visit v = {.o = self(L)};
    if (luas__shared_table_is_open(v.o)) {
        check_not_updating(L, v.o);
        v.is_part = true;
        return v;
    }
    lua_pushnil(L);
    luas__share_wait w = luas__share_wait_begin(L, v.o, lua_gettop(L), "wait for the table");
    lua_pop(L, 1);
    int rc;
    while ((rc = luas__shared_table_begin(v.o, writes, LUAS__SLICE, &why)) == LUAS_ETIMEDOUT)
        luas__share_wait_on(&w, rc);
    check(L, v.o, rc, why);
    return v;
}

/* Ends the transaction. `rc` is the result of the verb; raises if that is a failure. */
static int end(lua_State *L, const visit *v, int rc)
{
    const char *why = NULL;
    if (!v->is_part) {
        int committed = luas__shared_table_end(v->o, rc >= 0, &why);
        rc = rc < 0 || committed == 0 ? rc : committed;
    }
    return check(L, v->o, rc, why);
}

/* ---- values ---- */

/* Encodes a value into a scratch, which is pushed. Shared objects that it refers to live as
   long as the table. */
static luas__bytes encode(lua_State *L, const luas__object *o, int index)
{
    luas__encode_options options = {.foreign = luas__shared_table_has_file(o),
                                    .functions = "a function cannot be a value of a shared table"};
    luas__arena *a = o->arena;
    luas__share_scratch *s = luas__share_take_scratch(L);
    if (luas__share_encode(L, index, a, s, &options) < 0)
        luas__fail(L, "cannot set this: %s", lua_tostring(L, -1));
    uint32_t n = (uint32_t)(s->ids.len / sizeof(uint64_t));
    if (n > 0 && luas__shared_table_has_file(o))
        luas__fail(L, "cannot set this: what processes share cannot be kept in a file");
    luas__share_check(L, a, luas__arena_keep_add(o, luas__share_ids(s), n));
    return (luas__bytes){.at = luas__buffer_bytes(&s->bytes), .len = s->bytes.len};
}

/* Copies the value, because decoding may raise and must not do so inside the transaction. */
static void copy_value(lua_State *L, luas__share_scratch *s, luas__bytes value)
{
    (void)L;
    luas__buffer_truncate(&s->bytes, 0);
    if (luas__buffer_append(&s->bytes, value.at, value.len) < 0)
        s->bytes.len = 0;
}

static void decode(lua_State *L, int scratch)
{
    luas__share_scratch *s = lua_touserdata(L, scratch);
    int rc = luas__decode_value(L, luas__buffer_bytes(&s->bytes), s->bytes.len, 0, LUAS__FUNCTIONS);
    if (rc < 0)
        luas__fail(L, "cannot get the value: %s", lua_tostring(L, -1));
}

/* ---- get, set, add, count, clear ---- */

static int table_get(lua_State *L)
{
    luas__share_key k;
    luas__bytes value;
    lua_settop(L, 2);
    luas__share_key_check(L, 2, &k);
    self(L);
    luas__share_scratch *s = luas__share_take_scratch(L);
    visit v = begin(L, false);
    int rc = luas__shared_table_get(v.o, luas__share_key_bytes(&k), &value);
    if (rc == 1)
        copy_value(L, s, value);
    rc = end(L, &v, rc);
    if (rc == 1)
        decode(L, 3);
    else
        lua_pushnil(L);
    luas__share_return_scratch(L, 3);
    return 1;
}

static int table_set(lua_State *L)
{
    luas__share_key k;
    luas__bytes value = {NULL, 0};
    lua_settop(L, 3);
    const luas__object *o = self(L);
    luas__share_key_check(L, 2, &k);
    bool is_nil = lua_isnil(L, 3);
    if (!is_nil)
        value = encode(L, o, 3);
    visit v = begin(L, true);
    int rc = is_nil ? luas__shared_table_delete(o, luas__share_key_bytes(&k))
        : luas__shared_table_put(o, luas__share_key_bytes(&k), value);
    end(L, &v, rc);
    if (!is_nil)
        luas__share_return_scratch(L, 4);
    return 0;
}

/* Pushes the number at a key, 0 if there is none. Returns false if the value is no number. */
static bool push_number(lua_State *L, const luas__object *o, const luas__share_key *k)
{
    luas__bytes value;
    int rc = luas__shared_table_get(o, luas__share_key_bytes(k), &value);
    if (rc == 0) {
        lua_pushinteger(L, 0);
        return true;
    }
    return rc == 1 && luas__decode_value(L, value.at, value.len, 0, 0) == 1
        && lua_type(L, -1) == LUA_TNUMBER;
}

/* Encodes the number at the top. Encoding a number cannot raise. */
static int put_number(lua_State *L, const luas__object *o, const luas__share_key *k)
{
    luas__encode_options options = {0};
    luas__buffer b = LUAS__BUFFER_INIT;
    int rc = luas__encode_value(L, lua_gettop(L), &b, &options);
    if (rc == 0)
        rc = luas__shared_table_put(o, luas__share_key_bytes(k),
                                    (luas__bytes){luas__buffer_bytes(&b), b.len});
    luas__buffer_release(&b);
    return rc;
}

static int table_add(lua_State *L)
{
    luas__share_key k;
    lua_settop(L, 3);
    self(L);
    luas__share_key_check(L, 2, &k);
    luaL_argexpected(L, lua_type(L, 3) == LUA_TNUMBER, 3, "number");
    visit v = begin(L, true);
    int top = lua_gettop(L);
    bool is_number = push_number(L, v.o, &k);
    int rc = 0;
    if (is_number) {
        lua_pushvalue(L, 3);
        lua_arith(L, LUA_OPADD);
        rc = put_number(L, v.o, &k);
    }
    if (!is_number && !v.is_part)
        luas__shared_table_end(v.o, false, &(const char *){NULL});
    if (!is_number)
        return luas__fail(L, "'add' to a value that is no number");
    end(L, &v, rc);
    lua_settop(L, top + 1);
    return 1;
}

static int table_count(lua_State *L)
{
    visit v = begin(L, false);
    int64_t n = luas__shared_table_count(v.o);
    end(L, &v, n < 0 ? (int)n : 0);
    lua_pushinteger(L, n);
    return 1;
}

static int table_clear(lua_State *L)
{
    visit v = begin(L, true);
    end(L, &v, luas__shared_table_clear(v.o));
    return 0;
}

static int table_save(lua_State *L)
{
    int rc;
    const char *why = NULL, *path = luaL_checkstring(L, 2);
    const luas__object *o = self(L);
    if (luas__shared_table_is_open(o))
        return luas__fail(L, "'save' cannot be a part of 'atomically'");
    lua_settop(L, 3);
    luas__share_wait w = luas__share_wait_begin(L, o, 3, "wait for the table");
    while ((rc = luas__shared_table_save(o, path, &why)) == LUAS_ETIMEDOUT)
        luas__share_wait_on(&w, rc);
    if (rc < 0)
        return luas__fail(L, "cannot save the table to '%s': %s", path,
                          why != NULL ? why : luas_strerror(rc));
    return 0;
}

/* ---- what calls a function ---- */

/* Aborts the transaction, if it belongs to this verb, and raises the error at the top. */
static int abandon(lua_State *L, const visit *v)
{
    const char *why;
    if (!v->is_part)
        luas__shared_table_end(v->o, false, &why);
    return lua_error(L);
}

static void set_updating(lua_State *L, bool updating)
{
    lua_pushboolean(L, updating);
    lua_setiuservalue(L, 1, LUAS__SHARE_UPDATING);
}

/* Arguments: the table, key, function, the key's bytes (a light userdata), the value. */
static int update_value(lua_State *L)
{
    const luas__share_key *k = lua_touserdata(L, 4);
    const luas__object *o = self(L);
    set_updating(L, true);
    lua_pushvalue(L, 3);
    lua_pushvalue(L, 5);
    lua_call(L, 1, 1);
    set_updating(L, false);
    lua_replace(L, 5);
    lua_settop(L, 5);
    int rc;
    if (lua_isnil(L, 5))
        rc = luas__shared_table_delete(o, luas__share_key_bytes(k));
    else
        rc = luas__shared_table_put(o, luas__share_key_bytes(k), encode(L, o, 5));
    check(L, o, rc, NULL);
    lua_settop(L, 5);
    return 1;
}

/* Pushes the present value. An error in decoding is an error of `update`. */
static void push_present(lua_State *L, const luas__object *o, const luas__share_key *k)
{
    luas__bytes value;
    int rc = luas__shared_table_get(o, luas__share_key_bytes(k), &value);
    if (rc == 1)
        rc = luas__decode_value(L, value.at, value.len, 0, LUAS__FUNCTIONS);
    if (rc == 0)
        lua_pushnil(L);
    else if (rc < 0)
        lua_error(L);
}

static int present_and_update(lua_State *L)
{
    push_present(L, self(L), lua_touserdata(L, 4));
    return update_value(L);
}

/* t:update(k, f): f gets the value and gives the new one, which update gives. */
static int table_update(lua_State *L)
{
    luas__share_key k;
    lua_settop(L, 3);
    luas__share_key_check(L, 2, &k);
    luas__share_argument_check_callable(L, 3, "update");
    visit v = begin(L, true);
    lua_settop(L, 3);
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_pushcclosure(L, present_and_update, 1);
    for (int i = 1; i <= 3; i++)
        lua_pushvalue(L, i);
    lua_pushlightuserdata(L, &k);
    int rc = lua_pcall(L, 4, 1, 0);
    set_updating(L, false);
    if (rc != LUA_OK)
        return abandon(L, &v);
    end(L, &v, 0);
    return 1;
}

/* t:atomically(f): all that f(t) does, or nothing; gives what f gives. */
static int table_atomically(lua_State *L)
{
    luas__share_argument_check_callable(L, 2, "atomically");
    lua_settop(L, 2);
    if (luas__shared_table_is_open(self(L)))
        return luas__fail(L, "'atomically' cannot be a part of another one");
    visit v = begin(L, true);
    lua_settop(L, 2);
    lua_pushvalue(L, 1);
    if (lua_pcall(L, 1, LUA_MULTRET, 0) != LUA_OK)
        return abandon(L, &v);
    end(L, &v, 0);
    return lua_gettop(L) - 1;
}

/* ---- pairs ---- */

/* The iterator for a generic for. Arguments: the table, the last key or nil. Each step is a
   transaction of its own: so nothing is locked between two steps. */
static int next_pair(lua_State *L)
{
    luas__share_key k = {.len = 0};
    luas__bytes found, value;
    lua_settop(L, 2);
    bool is_first = lua_isnil(L, 2);
    if (!is_first)
        luas__share_key_check(L, 2, &k);
    self(L);
    luas__share_scratch *s = luas__share_take_scratch(L);
    visit v = begin(L, false);
    int rc = luas__shared_table_find(v.o, luas__share_key_bytes(&k), !is_first, &found, &value);
    while (rc == 1 && (found.len > sizeof k.bytes || !luas__share_key_is(found)))
        rc = luas__shared_table_find(v.o, found, true, &found, &value);
    if (rc == 1) {
        memcpy(k.bytes, found.at, found.len);
        k.len = found.len;
        copy_value(L, s, value);
    }
    if (end(L, &v, rc) == 0)
        return lua_pushnil(L), 1;
    luas__share_key_push(L, &k);
    decode(L, 3);
    luas__share_return_scratch(L, 3);
    return 2;
}

static int table_pairs(lua_State *L)
{
    check_not_updating(L, self(L));
    lua_settop(L, 1);
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_pushcclosure(L, next_pair, 1);
    lua_pushvalue(L, 1);
    lua_pushnil(L);
    return 3;
}

void luas__share_table_open(lua_State *L)
{
    static const luaL_Reg methods[] = {
        {"get", table_get}, {"set", table_set}, {"add", table_add}, {"update", table_update},
        {"pairs", table_pairs}, {"count", table_count}, {"clear", table_clear},
        {"atomically", table_atomically}, {"save", table_save}, {NULL, NULL},
    };
    static const luaL_Reg meta[] = {{"__pairs", table_pairs}, {"__len", table_count}, {NULL, NULL}};
    luas__share_class(L, LUAS__SHARED_TABLE, methods, meta);
}
