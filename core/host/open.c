/*
 * Registration: the embedded modules, the globals, luaopen_luas.
 *
 * The library's modules are opened when something of them is called, by when
 * scripts may have done what they like to their globals, to `require` and to
 * package.loaded. So these modules have an environment of their own, in which
 * there is the standard library as it was, and a `require` for each other.
 */
#define _GNU_SOURCE
#include <lauxlib.h>
#include <lualib.h>
#include <string.h>

#include "core.h"
#include "keeper.h"
#include "luas.h"
#include "modules.h"
#include "pipe.h"
#include "standard.h"

LUAS_API int luaopen_luas(lua_State *L);

/* The modules that are C. */
static const luaL_Reg openers[] = {
    {"luas.core", luas__core_open}, {"luas.channel", luas__pipe_open}, {NULL, NULL},
};

/* ---- the modules' own require ---- */

/* Upvalues: the modules that are open, by name, and the environment. */
enum { OPEN = 1, ENVIRONMENT };

static void load_embedded(lua_State *L, const luas__module *m)
{
    lua_pushfstring(L, "@%s.lua", luaL_gsub(L, m->name, ".", "/"));
    if (luaL_loadbufferx(L, m->bytes, m->size, lua_tostring(L, -1), "t") != LUA_OK)
        lua_error(L);
    lua_pushvalue(L, lua_upvalueindex(ENVIRONMENT));
    lua_setupvalue(L, -2, 1);
}

/* Pushes the function that makes this module. */
static void push_opener(lua_State *L, const char *name)
{
    for (const luaL_Reg *o = openers; o->name != NULL; o++)
        if (strcmp(o->name, name) == 0) {
            lua_pushcfunction(L, o->func);
            return;
        }
    for (const luas__module *m = luas__modules; m->name != NULL; m++)
        if (strcmp(m->name, name) == 0) {
            load_embedded(L, m);
            return;
        }
    luaL_error(L, "luas has no module '%s'", name);
}

/* Arguments: a name, and what package.preload's functions get beside that. One
   that is opened anew is in package.loaded, too, for what is in it has names. */
static int require_own(lua_State *L)
{
    const char *name = luaL_checkstring(L, 1);
    lua_settop(L, 1);
    lua_pushvalue(L, 1);
    if (lua_rawget(L, lua_upvalueindex(OPEN)) != LUA_TNIL)
        return 1;
    push_opener(L, name);
    lua_pushvalue(L, 1);
    lua_call(L, 1, 1);
    lua_pushvalue(L, 1);
    lua_pushvalue(L, -2);
    lua_rawset(L, lua_upvalueindex(OPEN));
    luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
    lua_pushvalue(L, -2);
    lua_setfield(L, -2, name);
    lua_pop(L, 1);
    return 1;
}

/* Pushes the environment, without `require`. */
static void push_environment(lua_State *L)
{
    luas__standard_push(L);
    int tables = lua_gettop(L), values = tables - 1;
    lua_createtable(L, 0, 40);
    int environment = tables + 1, key = environment + 1;
    for (lua_pushnil(L); lua_next(L, values) != 0; lua_settop(L, key)) {
        lua_pushvalue(L, key);
        lua_insert(L, key + 1);
        lua_rawset(L, environment);
    }
    lua_getfield(L, tables, LUA_LOADLIBNAME); /* itself: what is in it may change */
    lua_setfield(L, environment, LUA_LOADLIBNAME);
    lua_pushglobaltable(L);
    lua_setfield(L, environment, LUA_GNAME);
    lua_replace(L, values);
    lua_settop(L, values);
}

static void push_require(lua_State *L)
{
    lua_newtable(L);
    push_environment(L);
    lua_pushvalue(L, -1);
    lua_insert(L, -3);
    lua_pushcclosure(L, require_own, ENVIRONMENT);
    lua_pushvalue(L, -1);
    lua_setfield(L, -3, "require");
    lua_remove(L, -2);
}

/* ---- from outside ---- */

/* What is standard is noted now, before user code can have replaced it. */
int luaopen_luas(lua_State *L)
{
    luas__keeper_open(L);
    push_require(L);
    int require = lua_gettop(L);
    luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
    int preload = require + 1;
    for (const luaL_Reg *o = openers; o->name != NULL; o++) {
        lua_pushvalue(L, require);
        lua_setfield(L, preload, o->name);
    }
    for (const luas__module *m = luas__modules; m->name != NULL; m++) {
        lua_pushvalue(L, require);
        lua_setfield(L, preload, m->name);
    }
    lua_settop(L, require);
    lua_pushliteral(L, "luas");
    lua_call(L, 1, 1);
    lua_pushliteral(L, LUAS_VERSION);
    lua_setfield(L, -2, "version");
    return 1;
}

void luas_openlibs(lua_State *L)
{
    static const char *const globals[] = {"pool", "process"};
    luaL_requiref(L, "luas", luaopen_luas, 0);
    for (size_t i = 0; i < sizeof globals / sizeof *globals; i++) {
        lua_getfield(L, -1, globals[i]);
        lua_setglobal(L, globals[i]);
    }
    lua_pop(L, 1);
}
