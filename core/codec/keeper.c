/* The keeper: a userdata. Its user value is a table of the objects that finalizers have made,
   as weak values, in order. */
#include "keeper.h"

#include <lauxlib.h>

typedef struct keeper {
    lua_Integer count;
    lua_Integer postponed;      /* how many are at -1, -2 and so on */
    bool ended;
} keeper;

static const char keeper_key;

/* In a finalizer lua_gc returns -1; or 0 if the collector is stopped. */
static bool may_be_closing(lua_State *L)
{
    return lua_gc(L, LUA_GCISRUNNING) != 1;
}

/* After the table at 2. */
static void release(lua_State *L, lua_Integer i)
{
    lua_rawgeti(L, 2, i);
    if (luaL_getmetafield(L, 3, "__gc") != LUA_TNIL) {
        lua_pushvalue(L, 3);
        lua_pcall(L, 1, 0, 0);
    }
    lua_settop(L, 2);
}

/* The youngest first, as lua_close does it. */
static int release_all(lua_State *L)
{
    keeper *k = lua_touserdata(L, 1);
    k->ended = true;
    lua_settop(L, 1);
    lua_getiuservalue(L, 1, 1);
    for (; k->count > 0; k->count--)
        release(L, k->count);
    for (lua_Integer i = 1; i <= k->postponed; i++)
        release(L, -i);
    return 0;
}

static void push_weak_table(lua_State *L)
{
    lua_newtable(L);
    lua_createtable(L, 0, 1);
    lua_pushliteral(L, "v");
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
    keeper *k = lua_newuserdatauv(L, sizeof *k, 1);
    *k = (keeper){.count = 0};
    push_weak_table(L);
    lua_setiuservalue(L, -2, 1);
    lua_createtable(L, 0, 1);
    lua_pushcfunction(L, release_all);
    lua_setfield(L, -2, "__gc");
    lua_setmetatable(L, -2);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &keeper_key);
}

/* Pushes the keeper, or nil if the library is not open. */
static keeper *push_keeper(lua_State *L)
{
    lua_rawgetp(L, LUA_REGISTRYINDEX, &keeper_key);
    return lua_touserdata(L, -1);
}

/* The keeper is at the top, and popped. */
static void put(lua_State *L, int object, lua_Integer i)
{
    lua_getiuservalue(L, -1, 1);
    lua_pushvalue(L, object);
    lua_rawseti(L, -2, i);
    lua_pop(L, 2);
}

bool luas__keeper_add(lua_State *L)
{
    if (!may_be_closing(L))
        return true;
    int object = lua_gettop(L);
    keeper *k = push_keeper(L);
    bool is_kept = k == NULL || !k->ended;
    if (k != NULL && is_kept)
        put(L, object, ++k->count);
    lua_settop(L, object);
    return is_kept;
}

bool luas__keeper_postpone(lua_State *L)
{
    keeper *k = push_keeper(L);
    bool is_later = k != NULL && !k->ended;
    if (is_later)
        put(L, 1, -++k->postponed);
    lua_settop(L, 1);
    return is_later;
}

void luas__keeper_must_add(lua_State *L)
{
    if (!luas__keeper_add(L))
        luaL_error(L, "the Lua state is closing");
}
