/* A userdata with a finalizer, in the registry. */
#include "sentinel.h"

#include <stdbool.h>

/* Registry: the sentinel, its metatable, what it calls. */
static const char sentinel_key = 's', class_key = 'c', call_key = 'f';

/* Since Lua 5.4.4; before that it cannot be told from a collector that is stopped. */
static bool is_in_finalizer(lua_State *L)
{
    return lua_gc(L, LUA_GCISRUNNING) < 0;
}

static int in_finalizer(lua_State *L)
{
    lua_pushboolean(L, is_in_finalizer(L));
    return 1;
}

/* Those that were the sentinel before are garbage like any other. */
static int finalize(lua_State *L)
{
    lua_rawgetp(L, LUA_REGISTRYINDEX, &sentinel_key);
    if (lua_touserdata(L, -1) == lua_touserdata(L, 1)
        && lua_rawgetp(L, LUA_REGISTRYINDEX, &call_key) == LUA_TFUNCTION)
        lua_call(L, 0, 0);
    return 0;
}

static void push_class(lua_State *L)
{
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, &class_key) == LUA_TTABLE)
        return;
    lua_pop(L, 1);
    lua_createtable(L, 0, 1);
    lua_pushcfunction(L, finalize);
    lua_setfield(L, -2, "__gc");
    lua_pushvalue(L, -1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &class_key);
}

static int renew(lua_State *L)
{
    if (is_in_finalizer(L))
        return 0;
    lua_newuserdatauv(L, 0, 0);
    push_class(L);
    lua_setmetatable(L, -2);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &sentinel_key);
    return 0;
}

static int at_close(lua_State *L)
{
    lua_settop(L, 1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &call_key);
    return 0;
}

const luaL_Reg luas__sentinel_core[] = {
    {"sentinel", renew}, {"at_close", at_close}, {"in_finalizer", in_finalizer}, {NULL, NULL},
};
