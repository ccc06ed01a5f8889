/* The keeper: a userdata whose user value has, as weak keys, what finalizers made. */
#include "keeper.h"

#include <lauxlib.h>

static const char keeper_key;

/* In a finalizer lua_gc gives -1, or 0 for a collector that is stopped. */
static bool may_be_closing(lua_State *L)
{
    return lua_gc(L, LUA_GCISRUNNING) != 1;
}

static int release_all(lua_State *L)
{
    bool *ended = lua_touserdata(L, 1);
    *ended = true;
    lua_settop(L, 1);
    lua_getiuservalue(L, 1, 1);
    for (lua_pushnil(L); lua_next(L, 2) != 0; lua_settop(L, 3))
        if (luaL_getmetafield(L, 3, "__gc") != LUA_TNIL) {
            lua_pushvalue(L, 3);
            lua_pcall(L, 1, 0, 0);
        }
    return 0;
}

static void push_weak_table(lua_State *L)
{
    lua_newtable(L);
    lua_createtable(L, 0, 1);
    lua_pushliteral(L, "k");
    lua_setfield(L, -2, "__mode");
    lua_setmetatable(L, -2);
}

void luas__keeper_open(lua_State *L)
{
    bool is_there = lua_rawgetp(L, LUA_REGISTRYINDEX, &keeper_key) != LUA_TNIL;
    lua_pop(L, 1);
    if (is_there)
        return;
    if (lua_gc(L, LUA_GCISRUNNING) < 0)
        luaL_error(L, "luas cannot be loaded by a finalizer");
    bool *ended = lua_newuserdatauv(L, sizeof *ended, 1);
    *ended = false;
    push_weak_table(L);
    lua_setiuservalue(L, -2, 1);
    lua_createtable(L, 0, 1);
    lua_pushcfunction(L, release_all);
    lua_setfield(L, -2, "__gc");
    lua_setmetatable(L, -2);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &keeper_key);
}

bool luas__keeper_add(lua_State *L)
{
    if (!may_be_closing(L))
        return true;
    lua_rawgetp(L, LUA_REGISTRYINDEX, &keeper_key);
    const bool *ended = lua_touserdata(L, -1);
    bool is_kept = ended == NULL || !*ended; /* without the library there is no keeper */
    if (ended != NULL && is_kept) {
        lua_getiuservalue(L, -1, 1);
        lua_pushvalue(L, -3);
        lua_pushboolean(L, 1);
        lua_rawset(L, -3);
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
    return is_kept;
}

void luas__keeper_must_add(lua_State *L)
{
    if (!luas__keeper_add(L))
        luaL_error(L, "the Lua state is closing");
}
