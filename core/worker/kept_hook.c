/* See kept_hook.h. */
#include "kept_hook.h"

static luas__hook kept;

static const char hook_key = 'h'; /* in the registry: the function that debug.sethook has for it */

/* Pushes debug.sethook's table of functions, or something else if there is none yet. */
static bool push_hook_functions(lua_State *L)
{
    return lua_getfield(L, LUA_REGISTRYINDEX, "_HOOKKEY") == LUA_TTABLE;
}

/* Pushes the function that debug.sethook has for this thread, or nil. */
static void push_hook_function(lua_State *L)
{
    if (push_hook_functions(L)) {
        lua_pushthread(L);
        lua_rawget(L, -2);
    } else {
        lua_pushnil(L);
    }
    lua_remove(L, -2);
}

static luas__hook hook_of(lua_State *L)
{
    return (luas__hook){.f = lua_gethook(L), .mask = lua_gethookmask(L), .count = lua_gethookcount(L)};
}

luas__hook luas__kept_hook_lift(lua_State *L)
{
    luas__hook hook = hook_of(L);
    lua_sethook(L, NULL, 0, 0);
    return hook;
}

void luas__kept_hook_put(lua_State *L, luas__hook hook)
{
    lua_sethook(L, hook.f, hook.mask, hook.count);
}

void luas__kept_hook_keep(lua_State *L)
{
    kept = hook_of(L);
    push_hook_function(L);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &hook_key);
}

void luas__kept_hook_set(lua_State *L)
{
    int top = lua_gettop(L);
    luas__kept_hook_put(L, kept);
    if (kept.f != NULL && push_hook_functions(L)) {
        lua_pushthread(L);
        lua_rawgetp(L, LUA_REGISTRYINDEX, &hook_key);
        lua_rawset(L, -3);
    }
    lua_settop(L, top);
}

bool luas__kept_hook_is_set(lua_State *L)
{
    lua_Hook now = lua_gethook(L);
    if (now == NULL || now != kept.f)
        return now == kept.f;
    push_hook_function(L);
    lua_rawgetp(L, LUA_REGISTRYINDEX, &hook_key);
    bool same = lua_rawequal(L, -1, -2) && lua_gethookmask(L) == kept.mask
        && lua_gethookcount(L) == kept.count;
    lua_pop(L, 2);
    return same;
}
