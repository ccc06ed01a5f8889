/* Resting by credit: what a negative step of the collector adds may be allocated
   before it goes on. */
#include "lua_rest.h"

/* KB; more than what is taken in one go. */
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

bool luas__rest_allowed(lua_State *L)
{
    push_sentinel(L);
    bool allowed = lua_rawgeti(L, -1, 1) == LUA_TNIL;
    if (allowed) {
        lua_createtable(L, 0, 0); /* until a cycle ends */
        lua_rawseti(L, -3, 1);
    }
    lua_pop(L, 2);
    return allowed;
}

/* In a finalizer lua_gc gives -1, whatever it is asked. */
static bool is_running(lua_State *L)
{
    return lua_gc(L, LUA_GCISRUNNING) == 1;
}

int luas__rest_begin(lua_State *L, bool rests)
{
    if (!rests || !is_running(L))
        return -1;
    lua_gc(L, LUA_GCSTEP, -CREDIT);
    return lua_gc(L, LUA_GCCOUNT);
}

void luas__rest_end(lua_State *L, int begun)
{
    if (begun < 0 || !is_running(L))
        return;
    int grown = lua_gc(L, LUA_GCCOUNT) - begun;
    int unused = CREDIT - (grown > 0 ? grown : 0);
    if (unused != 0) /* 0 would be a step */
        lua_gc(L, LUA_GCSTEP, unused);
}
