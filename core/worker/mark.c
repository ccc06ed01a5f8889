/* The mark: a table with a finalizer, in the registry. */
#include "mark.h"

#include <lauxlib.h>
#include <string.h>

/* Registry: the mark; the metatables of marks and of objects that are compared with it. */
static const char mark_key = 'm', class_key = 'c', probe_key = 'p';

enum { STATUS = 1 };

/* Pushes a table with the metatable that is there. */
static void push_with(lua_State *L, const void *key)
{
    lua_createtable(L, 1, 0);
    lua_rawgetp(L, LUA_REGISTRYINDEX, key);
    lua_setmetatable(L, -2);
}

static bool push_mark(lua_State *L)
{
    return lua_rawgetp(L, LUA_REGISTRYINDEX, &mark_key) == LUA_TTABLE;
}

/* Argument: a mark. One that has been renewed is garbage like any other. Upvalue: what
   the last one does. */
static int finalize(lua_State *L)
{
    if (push_mark(L) && lua_rawequal(L, 1, -1)) {
        lua_pushvalue(L, lua_upvalueindex(1));
        lua_call(L, 0, 0);
    }
    return 0;
}

static int do_nothing(lua_State *L)
{
    (void)L;
    return 0;
}

/* With the finalizer at the top. */
static void make_class(lua_State *L, const void *key)
{
    lua_createtable(L, 0, 1);
    lua_insert(L, -2);
    lua_setfield(L, -2, "__gc");
    lua_rawsetp(L, LUA_REGISTRYINDEX, key);
}

void luas__mark_make(lua_State *L, lua_CFunction leave)
{
    lua_pushcfunction(L, leave);
    lua_pushcclosure(L, finalize, 1);
    make_class(L, &class_key);
    lua_pushcfunction(L, do_nothing);
    make_class(L, &probe_key);
    luas__mark_renew(L);
}

void luas__mark_renew(lua_State *L)
{
    push_with(L, &class_key);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &mark_key);
}

/* Lua's list of objects with finalizers goes from the youngest on, and each object begins
   with the address of the next. If that were otherwise the answer would be no, which
   costs time: to close a state is to walk through it, and so to copy what it inherited. */
static bool is_next(const void *object, const void *next)
{
    const void *first;
    memcpy(&first, object, sizeof first);
    return first == next;
}

bool luas__mark_is_there(lua_State *L)
{
    bool is = push_mark(L);
    lua_pop(L, 1);
    return is;
}

bool luas__mark_is_clean(lua_State *L)
{
    bool is_clean = push_mark(L);
    if (is_clean) {
        push_with(L, &probe_key);
        is_clean = is_next(lua_topointer(L, -1), lua_topointer(L, -2));
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
    return is_clean;
}

void luas__mark_set_status(lua_State *L, int status)
{
    if (push_mark(L)) {
        lua_pushinteger(L, status);
        lua_rawseti(L, -2, STATUS);
    }
    lua_pop(L, 1);
}

int luas__mark_status(lua_State *L)
{
    int status = 0;
    if (push_mark(L)) {
        lua_rawgeti(L, -1, STATUS);
        status = (int)lua_tointeger(L, -1);
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
    return status;
}
