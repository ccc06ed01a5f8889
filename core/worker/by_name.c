/* Looks in tables as the script itself would: with their metatables. */
#include "by_name.h"

#include <lauxlib.h>
#include <stdbool.h>
#include <string.h>

static bool has_fields(lua_State *L)
{
    if (lua_type(L, -1) == LUA_TTABLE)
        return true;
    bool has = luaL_getmetafield(L, -1, "__index") != LUA_TNIL;
    if (has)
        lua_pop(L, 1);
    return has;
}

static bool is_callable(lua_State *L)
{
    if (lua_type(L, -1) == LUA_TFUNCTION)
        return true;
    bool is = luaL_getmetafield(L, -1, "__call") != LUA_TNIL;
    if (is)
        lua_pop(L, 1);
    return is;
}

/* Replaces the table at the top by what is there, and says whether that can be called: under the
   whole name, or under its parts. */
static bool find(lua_State *L, const char *name)
{
    if (!has_fields(L))
        return false;
    if (lua_getfield(L, -1, name) != LUA_TNIL) {
        lua_remove(L, -2);
        return is_callable(L);
    }
    lua_pop(L, 1);
    const char *dot = strchr(name, '.');
    if (dot == NULL)
        return false;
    lua_pushlstring(L, name, (size_t)(dot - name));
    lua_gettable(L, -2);
    lua_remove(L, -2);
    return find(L, dot + 1);
}

/* As find, of a module, in whose own name there may be dots. The table of modules is at the top. */
static bool find_in_module(lua_State *L, const char *name)
{
    const char *dot = strrchr(name, '.');
    if (dot == NULL)
        return false;
    lua_pushlstring(L, name, (size_t)(dot - name));
    lua_rawget(L, -2);
    lua_remove(L, -2);
    return find(L, dot + 1);
}

void luas__by_name_push(lua_State *L, const char *name)
{
    int top = lua_gettop(L);
    luaL_checkstack(L, LUA_MINSTACK, NULL);
    lua_getfield(L, LUA_REGISTRYINDEX, LUAS__SCRIPT_KEY);
    if (find(L, name))
        return;
    lua_settop(L, top);
    luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
    if (find_in_module(L, name))
        return;
    lua_settop(L, top);
    lua_pushglobaltable(L);
    if (!find(L, name))
        luaL_error(L, "no function '%s' in the script", name);
}
