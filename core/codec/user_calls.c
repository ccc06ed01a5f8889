/*
 * The count is a userdata. A weak table in its user value holds an object to which nothing else
 * refers. When that is gone a cycle has ended.
 */
#include "user_calls.h"

#include <stdbool.h>

typedef struct calls {
    uint64_t count;
    bool hooked;        /* there was a hook at the last look */
} calls;

static const char calls_key;

static void push_new(lua_State *L)
{
    calls *c = lua_newuserdatauv(L, sizeof *c, 1);
    *c = (calls){.count = 1};
    lua_createtable(L, 1, 0);
    lua_createtable(L, 0, 1);
    lua_pushliteral(L, "v");
    lua_setfield(L, -2, "__mode");
    lua_setmetatable(L, -2);
    lua_setiuservalue(L, -2, 1);
    lua_pushvalue(L, -1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &calls_key);
}

static calls *push(lua_State *L)
{
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, &calls_key) != LUA_TUSERDATA) {
        lua_pop(L, 1);
        push_new(L);
    }
    return lua_touserdata(L, -1);
}

void luas__user_calls_note(lua_State *L)
{
    push(L)->count++;
    lua_pop(L, 1);
}

/* Since the last call. The new object is made last, because making it may run the collector. */
static bool has_cycle_ended(lua_State *L)
{
    lua_getiuservalue(L, -1, 1);
    bool ended = lua_rawgeti(L, -1, 1) == LUA_TNIL;
    if (ended) {
        lua_createtable(L, 0, 0);
        lua_rawseti(L, -3, 1);
    }
    lua_pop(L, 2);
    return ended;
}

uint64_t luas__user_calls_look(lua_State *L)
{
    calls *c = push(L);
    bool is_hooked = lua_gethook(L) != NULL;
    if (has_cycle_ended(L) || is_hooked || c->hooked)
        c->count++;
    c->hooked = is_hooked;
    lua_pop(L, 1);
    return c->count;
}
