/* The collector rests by credit: a negative step adds to what may be allocated before it goes
   on. */
#include "gc_pause.h"

#include <stdbool.h>

/* The most KB that are allocated during a rest: __luas_unpack may leave garbage. */
enum { CREDIT = 1 << 17 };

static const char sentinel_key;

/* Pushes a table of the registry with a weak reference at 1. */
static void push_sentinel(lua_State *L)
{
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, &sentinel_key) == LUA_TTABLE)
        return;
    lua_pop(L, 1);
    lua_createtable(L, 1, 0);
    lua_createtable(L, 0, 1);
    lua_pushliteral(L, "v");
    lua_setfield(L, -2, "__mode");
    lua_setmetatable(L, -2);
    lua_pushvalue(L, -1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &sentinel_key);
}

int luas__gc_pause_allowed(lua_State *L)
{
    push_sentinel(L);
    bool allowed = lua_rawgeti(L, -1, 1) == LUA_TNIL;
    if (allowed) {
        lua_createtable(L, 0, 0); /* garbage: it is gone when a cycle has ended */
        lua_rawseti(L, -3, 1);
    }
    lua_pop(L, 2);
    return allowed ? CREDIT : 0;
}

/* In a finalizer lua_gc always returns -1. */
static bool is_running(lua_State *L)
{
    return lua_gc(L, LUA_GCISRUNNING) == 1;
}

int luas__gc_pause_begin(lua_State *L, int credit)
{
    if (credit == 0 || !is_running(L))
        return -1;
    lua_gc(L, LUA_GCSTEP, -credit);
    return lua_gc(L, LUA_GCCOUNT);
}

int luas__gc_pause_end(lua_State *L, int credit, int begun)
{
    if (begun < 0 || !is_running(L))
        return credit;
    int grown = lua_gc(L, LUA_GCCOUNT) - begun;
    if (grown < 0 || grown >= credit)
        return 0; /* the credit was used up, and the collector has gone on */
    lua_gc(L, LUA_GCSTEP, credit - grown);
    return credit - grown;
}
