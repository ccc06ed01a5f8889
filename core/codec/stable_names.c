/* A table from objects to names is kept as long as the modules are the same. */
#include "stable_names.h"

#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>

#include "names.h"

/* Registry: a table with the stamp of the scan that it is of, and the names. */
static const char kept_key = 'k';
enum { KEPT_STAMP = 1, KEPT_NAMES };

/* The stack of the making. */
enum { M_LOADED = 1, M_NAMES, M_LIST, M_FIRST };

static int compare(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Pushes a userdata with the names of modules, sorted; package.loaded keeps them alive. */
static size_t push_sorted(lua_State *L)
{
    size_t n = 0, i = 0;
    for (lua_pushnil(L); lua_next(L, M_LOADED) != 0; lua_pop(L, 1))
        n++;
    const char **list = lua_newuserdatauv(L, (n + 1) * sizeof *list, 0);
    for (lua_pushnil(L); lua_next(L, M_LOADED) != 0; lua_pop(L, 1))
        if (lua_type(L, -2) == LUA_TSTRING && strcmp(lua_tostring(L, -2), LUA_GNAME) != 0 && i < n)
            list[i++] = lua_tostring(L, -2);
    qsort(list, i, sizeof *list, compare);
    return i;
}

/* Gives the object at the top (popped) the name below it (popped), unless it has one that stays: one of another
   module, or one that comes first. */
static void give(lua_State *L, const char *module)
{
    size_t len = strlen(module);
    if (luas__names_may_have(L, -1)) {
        lua_pushvalue(L, -1);
        lua_rawget(L, M_NAMES);
        const char *had = lua_tostring(L, -1), *name = lua_tostring(L, -3);
        bool is_better = had == NULL || (strncmp(had, module, len) == 0 && had[len] == '\1' && strcmp(name, had) < 0);
        lua_pop(L, 1);
        if (is_better) {
            lua_pushvalue(L, -2);
            lua_rawset(L, M_NAMES);
            lua_pop(L, 1);
            return;
        }
    }
    lua_pop(L, 2);
}

static void name_fields(lua_State *L, const char *module)
{
    int table = lua_gettop(L), key = table + 1;
    for (lua_pushnil(L); lua_next(L, table) != 0; lua_settop(L, key)) {
        if (lua_type(L, key) != LUA_TSTRING)
            continue;
        lua_pushfstring(L, "%s\1%s", module, lua_tostring(L, key));
        lua_insert(L, -2);
        give(L, module);
    }
}

/* Arguments: package.loaded. Returns the names. */
static int make(lua_State *L)
{
    lua_newtable(L);
    size_t n = push_sorted(L);
    const char *const *list = lua_touserdata(L, M_LIST);
    for (size_t i = 0; i < n; i++) {
        lua_pushstring(L, list[i]);
        lua_getfield(L, M_LOADED, list[i]);
        give(L, list[i]);
    }
    for (size_t i = 0; i < n; i++) {
        lua_getfield(L, M_LOADED, list[i]);
        if (lua_istable(L, M_FIRST))
            name_fields(L, list[i]);
        lua_settop(L, M_LIST);
    }
    lua_pushvalue(L, M_NAMES);
    return 1;
}

/* Pushes the table of names. */
static void push_all(lua_State *L, lua_Integer stamp)
{
    int top = lua_gettop(L);
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, &kept_key) == LUA_TTABLE) {
        lua_rawgeti(L, -1, KEPT_STAMP);
        if (lua_tointeger(L, -1) == stamp) {
            lua_rawgeti(L, top + 1, KEPT_NAMES);
            lua_replace(L, top + 1);
            lua_settop(L, top + 1);
            return;
        }
    }
    lua_settop(L, top);
    lua_createtable(L, 2, 0);
    lua_pushinteger(L, stamp);
    lua_rawseti(L, -2, KEPT_STAMP);
    lua_pushcfunction(L, make);
    luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
    lua_call(L, 1, 1);
    lua_pushvalue(L, -1);
    lua_rawseti(L, -3, KEPT_NAMES);
    lua_insert(L, -2);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &kept_key);
}

bool luas__stable_names_push(lua_State *L, int names)
{
    luaL_checkstack(L, 10, NULL);
    push_all(L, (lua_Integer)*luas__names_stamp(L, names));
    lua_pushvalue(L, -2);
    bool is = lua_rawget(L, -2) == LUA_TSTRING;
    lua_remove(L, -2);
    if (!is)
        lua_pop(L, 1);
    return is;
}
