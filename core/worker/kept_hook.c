/* See kept_hook.h. */
#include "kept_hook.h"

static struct {
    lua_Hook f;     /* NULL: none */
    int mask, count;
} kept;

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

void luas__kept_hook_keep(lua_State *L)
{
    kept.f = lua_gethook(L);
    kept.mask = lua_gethookmask(L);
    kept.count = lua_gethookcount(L);
    push_hook_function(L);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &hook_key);
}

void luas__kept_hook_set(lua_State *L)
{
    int top = lua_gettop(L);
    lua_sethook(L, kept.f, kept.mask, kept.count);
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
