/* Values and arrays. */
#include <lauxlib.h>
#include <string.h>

#include "error.h"
#include "fail.h"
#include "share.h"
#include "share_argument.h"
#include "shared_word.h"

/* ---- numbers ---- */

/* Pushes a number of this type as a Lua value. */
static void push_number(lua_State *L, luas__word_type t, luas__number n)
{
    if (t == LUAS__BOOL)
        lua_pushboolean(L, n.i != 0);
    else if (luas__shared_word_is_float(t))
        lua_pushnumber(L, n.f);
    else
        lua_pushinteger(L, n.i);
}

static int refuse(lua_State *L, int index, luas__word_type t)
{
    return luas__fail(L, "%s cannot be a shared %s",
                      lua_isnone(L, index) ? "no value" : luaL_tolstring(L, index, NULL),
                      luas__shared_word_type_name(t));
}

/* Reads an addend. Any number is allowed, because sums wrap. */
static luas__number to_addend(lua_State *L, int index, luas__word_type t)
{
    luas__number n = {.i = 0};
    int ok = 0;
    if (t == LUAS__BOOL)
        luas__fail(L, "a shared bool cannot be added to");
    if (lua_type(L, index) != LUA_TNUMBER)
        refuse(L, index, t);
    if (luas__shared_word_is_float(t)) {
        n.f = lua_tonumber(L, index);
        return n;
    }
    n.i = lua_tointegerx(L, index, &ok);
    if (!ok)
        refuse(L, index, t);
    return n;
}

/* Reads the number at an index. Raises if the type cannot hold it. */
static luas__number to_number(lua_State *L, int index, luas__word_type t)
{
    luas__number n = {.i = 0};
    if (t == LUAS__BOOL) {
        if (!lua_isboolean(L, index))
            refuse(L, index, t);
        n.i = lua_toboolean(L, index);
    } else {
        n = to_addend(L, index, t);
        if (!luas__shared_word_is_float(t) && !luas__shared_word_fits(t, n.i))
            refuse(L, index, t);
    }
    return n;
}

/* ---- making them ---- */

typedef struct measures {
    luas__shared_kind kind;
    luas__word_type type;
    uint64_t n;
} measures;

static int make(luas__arena *a, luas__object *o, void *context)
{
    const measures *m = context;
    return luas__shared_word_new(a, m->kind, m->type, m->n, o);
}

static luas__word_type check_type(lua_State *L, const char *what)
{
    const char *name = lua_type(L, 1) == LUA_TSTRING ? lua_tostring(L, 1) : luaL_typename(L, 1);
    luas__word_type t = luas__shared_word_type_of(name);
    if (t == LUAS__NO_TYPE)
        luas__fail(L, "%s: no type '%s' (there are: i8, i16, i32, i64, u8, u16, u32, f32, f64, "
                   "bool)", what, name);
    return t;
}

int luas__share_word_value(lua_State *L)
{
    luas__share_argument_check_call(L, "value");
    measures m = {LUAS__SHARED_VALUE, check_type(L, "shared.value"), 1};
    luas__number n = {.i = 0};
    if (luas__shared_word_is_float(m.type))
        n.f = 0;
    if (!lua_isnoneornil(L, 2))
        n = to_number(L, 2, m.type);
    luas__share_make(L, LUAS__SHARED_VALUE, make, &m);
    luas__shared_word_set(&((luas__share *)lua_touserdata(L, -1))->object, 0, n);
    return 1;
}

int luas__share_word_array(lua_State *L)
{
    luas__share_argument_check_call(L, "array");
    measures m = {LUAS__SHARED_ARRAY, check_type(L, "shared.array"), 0};
    m.n = (uint64_t)luas__share_argument_whole(L, 2, "array", 1, INT64_MAX);
    return luas__share_make(L, LUAS__SHARED_ARRAY, make, &m);
}

/* ---- values ---- */

static const luas__object *value_self(lua_State *L, luas__word_type *t)
{
    const luas__object *o = luas__share_self(L, LUAS__SHARED_VALUE);
    *t = luas__shared_word_type(o);
    return o;
}

static int value_get(lua_State *L)
{
    luas__word_type t;
    const luas__object *o = value_self(L, &t);
    push_number(L, t, luas__shared_word_get(o, 0));
    return 1;
}

static int value_set(lua_State *L)
{
    luas__word_type t;
    const luas__object *o = value_self(L, &t);
    luas__shared_word_set(o, 0, to_number(L, 2, t));
    return 0;
}

static int value_add(lua_State *L)
{
    luas__word_type t;
    const luas__object *o = value_self(L, &t);
    push_number(L, t, luas__shared_word_add(o, 0, to_addend(L, 2, t)));
    return 1;
}

static int value_swap(lua_State *L)
{
    luas__word_type t;
    const luas__object *o = value_self(L, &t);
    push_number(L, t, luas__shared_word_swap(o, 0, to_number(L, 2, t)));
    return 1;
}

static int value_compare_exchange(lua_State *L)
{
    luas__word_type t;
    const luas__object *o = value_self(L, &t);
    luas__number expected = to_number(L, 2, t), n = to_number(L, 3, t);
    bool done = luas__shared_word_exchange(o, 0, &expected, n);
    lua_pushboolean(L, done);
    if (done)
        return 1;
    push_number(L, t, expected);
    return 2;
}

/* ---- arrays ---- */

static const luas__object *array_self(lua_State *L, luas__word_type *t)
{
    const luas__object *o = luas__share_self(L, LUAS__SHARED_ARRAY);
    *t = luas__shared_word_type(o);
    return o;
}

/* Reads the index at 2; the result counts from 0. */
static uint64_t check_index(lua_State *L, const luas__object *o)
{
    int ok;
    lua_Integer i = lua_tointegerx(L, 2, &ok);
    uint64_t n = luas__shared_word_count(o);
    if (!ok || lua_type(L, 2) != LUA_TNUMBER)
        luas__fail(L, "an index of a shared array is a whole number, not %s",
                   luaL_tolstring(L, 2, NULL));
    if (i < 1 || (uint64_t)i > n)
        luas__fail(L, "index %I of a shared array of %I", (LUAI_UACINT)i, (LUAI_UACINT)n);
    return (uint64_t)i - 1;
}

/* A number as index gives an element; a string gives a method, from upvalue 2. */
static int array_index(lua_State *L)
{
    luas__word_type t;
    if (lua_type(L, 2) == LUA_TSTRING) {
        lua_settop(L, 2);
        lua_rawget(L, lua_upvalueindex(2));
        return 1;
    }
    const luas__object *o = array_self(L, &t);
    push_number(L, t, luas__shared_word_get(o, check_index(L, o)));
    return 1;
}

static int array_newindex(lua_State *L)
{
    luas__word_type t;
    const luas__object *o = array_self(L, &t);
    uint64_t i = check_index(L, o);
    luas__shared_word_set(o, i, to_number(L, 3, t));
    return 0;
}

static int array_len(lua_State *L)
{
    luas__word_type t;
    lua_pushinteger(L, (lua_Integer)luas__shared_word_count(array_self(L, &t)));
    return 1;
}

static int array_add(lua_State *L)
{
    luas__word_type t;
    const luas__object *o = array_self(L, &t);
    uint64_t i = check_index(L, o);
    push_number(L, t, luas__shared_word_add(o, i, to_addend(L, 3, t)));
    return 1;
}

static int array_fill(lua_State *L)
{
    luas__word_type t;
    const luas__object *o = array_self(L, &t);
    luas__number n = to_number(L, 2, t);
    for (uint64_t i = 0; i < luas__shared_word_count(o); i++)
        luas__shared_word_set(o, i, n);
    return 0;
}

/* Reads a range like that of string.sub: from 1; negative numbers count from the end; cut to
   the array. */
static uint64_t check_range(lua_State *L, const luas__object *o, uint64_t *count)
{
    lua_Integer n = (lua_Integer)luas__shared_word_count(o);
    lua_Integer from = luaL_optinteger(L, 2, 1), to = luaL_optinteger(L, 3, -1);
    from = from < 0 ? from + n + 1 : from;
    to = to < 0 ? to + n + 1 : to;
    from = from < 1 ? 1 : from;
    to = to > n ? n : to;
    *count = to >= from ? (uint64_t)(to - from + 1) : 0;
    return (uint64_t)(from - 1);
}

static int array_slice(lua_State *L)
{
    luas__word_type t;
    uint64_t count;
    const luas__object *o = array_self(L, &t);
    uint64_t from = check_range(L, o, &count);
    lua_createtable(L, count < INT32_MAX ? (int)count : 0, 0);
    for (uint64_t i = 0; i < count; i++) {
        push_number(L, t, luas__shared_word_get(o, from + i));
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    return 1;
}

static int array_bytes(lua_State *L)
{
    luas__word_type t;
    uint64_t count;
    const luas__object *o = array_self(L, &t);
    uint64_t from = check_range(L, o, &count);
    lua_pushlstring(L, luas__shared_word_bytes(o, from), count * luas__shared_word_size(o));
    return 1;
}

/* ---- registration ---- */

void luas__share_word_open(lua_State *L)
{
    static const luaL_Reg value[] = {
        {"get", value_get}, {"set", value_set}, {"add", value_add}, {"swap", value_swap},
        {"compare_exchange", value_compare_exchange}, {NULL, NULL},
    };
    static const luaL_Reg array[] = {
        {"add", array_add}, {"fill", array_fill}, {"slice", array_slice},
        {"bytes", array_bytes}, {NULL, NULL},
    };
    static const luaL_Reg none[] = {{NULL, NULL}};
    static const luaL_Reg array_meta[] = {
        {"__newindex", array_newindex}, {"__len", array_len}, {NULL, NULL},
    };
    luas__share_class(L, LUAS__SHARED_VALUE, value, none);
    luas__share_class(L, LUAS__SHARED_ARRAY, array, array_meta);
    luaL_getmetatable(L, luas__share_names[LUAS__SHARED_ARRAY]);
    lua_pushvalue(L, -1);
    lua_getfield(L, -2, "__index");
    lua_pushvalue(L, -1);
    lua_setfield(L, -4, "__members"); /* for the prompt, which completes names */
    lua_pushcclosure(L, array_index, 2);
    lua_setfield(L, -2, "__index");
    lua_pop(L, 1);
}
