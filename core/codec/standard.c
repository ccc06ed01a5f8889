/* A copy of the tables of the standard library, kept in the registry. */
#include "standard.h"

#include <lauxlib.h>
#include <lualib.h>

const char *const luas__standard_functions[] = {
    "assert", "collectgarbage", "dofile", "error", "getmetatable", "ipairs", "load",
    "loadfile", "next", "pairs", "pcall", "print", "rawequal", "rawget", "rawlen", "rawset",
    "require", "select", "setmetatable", "tonumber", "tostring", "type", "warn", "xpcall",
    NULL,
};

const char *const luas__standard_libraries[] = {
    LUA_COLIBNAME, LUA_TABLIBNAME, LUA_IOLIBNAME, LUA_OSLIBNAME, LUA_STRLIBNAME,
    LUA_UTF8LIBNAME, LUA_MATHLIBNAME, LUA_DBLIBNAME, LUA_LOADLIBNAME, NULL,
};

static const char values_key, tables_key;

/* Most libraries have no more fields. */
enum { USUAL_FIELDS = 16 };

/* Pushes t[field] without metamethods. */
static int raw_field(lua_State *L, int t, const char *field)
{
    lua_pushstring(L, field);
    return lua_rawget(L, t);
}

static void push_copy(lua_State *L, int table)
{
    lua_createtable(L, 0, USUAL_FIELDS);
    int copy = lua_gettop(L), key = copy + 1;
    for (lua_pushnil(L); lua_next(L, table) != 0; lua_settop(L, key)) {
        lua_pushvalue(L, key);
        lua_insert(L, key + 1);
        lua_rawset(L, copy);
    }
}

static void copy_functions(lua_State *L, int values)
{
    lua_pushglobaltable(L);
    int globals = lua_gettop(L);
    for (const char *const *name = luas__standard_functions; *name != NULL; name++) {
        raw_field(L, globals, *name);
        lua_setfield(L, values, *name);
    }
    lua_pop(L, 1);
}

static void copy_libraries(lua_State *L, int values, int tables)
{
    luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
    int loaded = lua_gettop(L);
    for (const char *const *name = luas__standard_libraries; *name != NULL; name++) {
        if (raw_field(L, loaded, *name) == LUA_TTABLE) {
            push_copy(L, loaded + 1);
            lua_setfield(L, values, *name);
            lua_setfield(L, tables, *name);
        }
        lua_settop(L, loaded);
    }
    lua_pop(L, 1);
}

static void make(lua_State *L)
{
    lua_createtable(L, 0, 40);
    lua_createtable(L, 0, USUAL_FIELDS);
    int tables = lua_gettop(L), values = tables - 1;
    copy_functions(L, values);
    copy_libraries(L, values, tables);
    lua_pushliteral(L, "");
    if (lua_getmetatable(L, -1))
        lua_setfield(L, tables, LUAS__STRING_CLASS);
    lua_settop(L, tables);
    lua_pushvalue(L, values);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &values_key);
    lua_pushvalue(L, tables);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &tables_key);
}

void luas__standard_push(lua_State *L)
{
    luaL_checkstack(L, 20, NULL);
    lua_rawgetp(L, LUA_REGISTRYINDEX, &values_key);
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, &tables_key) == LUA_TTABLE)
        return;
    lua_pop(L, 2);
    make(L);
}
