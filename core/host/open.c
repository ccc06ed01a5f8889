/*
 * Registration: the embedded modules, the globals, luaopen_luas.
 *
 * The modules of the library are opened when one of their functions is first called. By then a
 * script may have changed its globals, `require` and package.loaded. So these modules have an
 * environment of their own, with the original standard library and a `require` for each other.
 */
#define _GNU_SOURCE
#include <lauxlib.h>
#include <lualib.h>
#include <stdbool.h>
#include <string.h>

#include "core.h"
#include "fail.h"
#include "heritage.h"
#include "keeper.h"
#include "kept_hook.h"
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

/* Upvalues: the modules that are open, by name; the environment; whether this Lua can use the
   embedded bytecode (nil: not checked yet). */
enum { OPEN = 1, ENVIRONMENT, COMPILED };

#define PROBE "luas.probe"

static const luas__module *find_embedded(const char *name)
{
    const luas__module *m = luas__modules;
    while (m->name != NULL && strcmp(m->name, name) != 0)
        m++;
    return m->name != NULL ? m : NULL;
}

static void load_source(lua_State *L, const luas__module *m)
{
    if (luaL_loadbufferx(L, m->source, m->size, m->chunk, "t") != LUA_OK)
        lua_error(L);
}

/* A lua_Writer that compares: it skips equal bytes, and stops at a difference. */
static int compare(lua_State *L, const void *bytes, size_t size, void *expected)
{
    luas__code *rest = expected;
    (void)L;
    if (size > rest->size || memcmp(bytes, rest->bytes, size) != 0)
        return 1;
    rest->bytes += size;
    rest->size -= size;
    return 0;
}

/* Has the program said that its Lua compiled the embedded modules? */
static bool is_own_lua(lua_State *L)
{
    lua_getfield(L, LUA_REGISTRYINDEX, LUAS__COMPILED_BY);
    bool is_own = luas__compiled[0].bytes != NULL
        && lua_touserdata(L, -1) == (const void *)luas__compiled;
    lua_pop(L, 1);
    return is_own;
}

/* The bytecode of different versions of Lua 5.4 has the same header. So the embedded bytecode
   counts as usable if this Lua compiles the probe to the same bytes. */
static bool writes_same(lua_State *L)
{
    const luas__module *probe = find_embedded(PROBE);
    if (luas__compiled[0].bytes == NULL || probe == NULL)
        return false;
    luas__code rest = luas__compiled[probe - luas__modules];
    load_source(L, probe);
    bool same = lua_dump(L, compare, &rest, 0) == 0 && rest.size == 0;
    lua_pop(L, 1);
    return same;
}

static bool can_use_compiled(lua_State *L)
{
    if (lua_isnil(L, lua_upvalueindex(COMPILED))) {
        lua_pushboolean(L, is_own_lua(L) || writes_same(L));
        lua_replace(L, lua_upvalueindex(COMPILED));
    }
    return lua_toboolean(L, lua_upvalueindex(COMPILED));
}

static void load_embedded(lua_State *L, const luas__module *m)
{
    const luas__code *code = &luas__compiled[m - luas__modules];
    if (!can_use_compiled(L))
        load_source(L, m);
    else if (luaL_loadbufferx(L, code->bytes, code->size, m->chunk, "b") != LUA_OK)
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
    const luas__module *m = find_embedded(name);
    if (m == NULL)
        luaL_error(L, "luas has no module '%s'", name);
    else
        load_embedded(L, m);
}

/* Arguments: a name, and true or the second argument of functions in package.preload. A module
   that is opened is also put into package.loaded, so that its functions have names; unless true
   is given (lua/luas/later.lua). */
static int require_own(lua_State *L)
{
    const char *name = luaL_checkstring(L, 1);
    bool is_nameless = lua_isboolean(L, 2);
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
    if (is_nameless)
        return 1;
    luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
    lua_pushvalue(L, -2);
    lua_setfield(L, -2, name);
    lua_pop(L, 1);
    return 1;
}

/* In a sandbox the library has copies of its own of what scripts do not have. These two it cannot:
   they change what scripts have. */
static const char *const needed[] = {LUA_STRLIBNAME, "type", NULL};

static const luaL_Reg own[] = {
    {LUA_TABLIBNAME, luaopen_table}, {LUA_MATHLIBNAME, luaopen_math},
    {LUA_COLIBNAME, luaopen_coroutine}, {LUA_UTF8LIBNAME, luaopen_utf8},
    {LUA_IOLIBNAME, luaopen_io}, {LUA_OSLIBNAME, luaopen_os}, {LUA_DBLIBNAME, luaopen_debug},
    {NULL, NULL},
};

static void check_needed(lua_State *L, int values)
{
    for (int i = 0; needed[i] != NULL; i++)
        if (lua_getfield(L, values, needed[i]) == LUA_TNIL)
            luaL_error(L, "luas needs the %s library: open it before luas, with luaL_requiref and %s",
                       i == 0 ? "string" : "basic", i == 0 ? "luaopen_string" : "luaopen_base");
    lua_settop(L, values + 1);
}

/* Their openers put nothing into globals or package.loaded. */
static void add_own(lua_State *L, int environment)
{
    for (const luaL_Reg *o = own; o->name != NULL; o++) {
        if (lua_getfield(L, environment, o->name) == LUA_TNIL) {
            lua_pushcfunction(L, o->func);
            lua_pushstring(L, o->name);
            lua_call(L, 1, 1);
            lua_setfield(L, environment, o->name);
        }
        lua_settop(L, environment);
    }
}

/* Not a copy, because its fields may change. In a sandbox: what is always there of it. */
static void add_package(lua_State *L, int environment, int tables)
{
    if (lua_getfield(L, tables, LUA_LOADLIBNAME) == LUA_TNIL) {
        lua_newtable(L);
        luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
        lua_setfield(L, -2, "loaded");
        luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
        lua_setfield(L, -2, "preload");
        lua_newtable(L);
        lua_setfield(L, -2, "searchers");
        lua_replace(L, -2);
    }
    lua_setfield(L, environment, LUA_LOADLIBNAME);
}

/* Pushes the environment, without `require`. */
static void push_environment(lua_State *L)
{
    luas__standard_push(L);
    int tables = lua_gettop(L), values = tables - 1;
    check_needed(L, values);
    lua_createtable(L, 0, 40);
    int environment = tables + 1, key = environment + 1;
    for (lua_pushnil(L); lua_next(L, values) != 0; lua_settop(L, key)) {
        lua_pushvalue(L, key);
        lua_insert(L, key + 1);
        lua_rawset(L, environment);
    }
    add_own(L, environment);
    add_package(L, environment, tables);
    lua_pushglobaltable(L);
    lua_setfield(L, environment, LUA_GNAME);
    lua_replace(L, values);
    lua_settop(L, values);
}

/* The bytecode is not checked for the first modules: these are so short that checking would
   take longer. */
static void push_require(lua_State *L)
{
    push_environment(L);
    int environment = lua_gettop(L);
    lua_newtable(L);
    lua_pushvalue(L, environment);
    lua_pushboolean(L, is_own_lua(L));
    lua_pushcclosure(L, require_own, COMPILED);
    lua_pushvalue(L, -1);
    lua_setfield(L, environment, "require");
    lua_replace(L, environment);
}

/* ---- from outside ---- */

/* Registry: an address in the copy of the library that has opened its modules in this state. */
#define COPY_KEY "luas.copy"

static const char copy;

/* A process may have two copies: an application's, and a module that a script loads. Their classes and
   keys have the same names. So a state belongs to the copy that came first, and has its modules only.
   Pushes them, or nothing. */
static bool push_of_other(lua_State *L)
{
    int top = lua_gettop(L);
    if (lua_getfield(L, LUA_REGISTRYINDEX, COPY_KEY) != LUA_TNIL && lua_touserdata(L, -1) != &copy
        && lua_getfield(L, LUA_REGISTRYINDEX, LUAS__MODULE_KEY) == LUA_TTABLE)
        return true;
    lua_settop(L, top);
    return false;
}

/* Records the standard library now, before code of the user can replace it. */
static int open_library(lua_State *L)
{
    if (push_of_other(L))
        return 1;
    lua_pushlightuserdata(L, (void *)(uintptr_t)&copy);
    lua_setfield(L, LUA_REGISTRYINDEX, COPY_KEY);
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
    lua_pushvalue(L, require);
    lua_pushliteral(L, "luas");
    lua_call(L, 1, 1);
    lua_pushnil(L);
    lua_setupvalue(L, require, COMPILED);
    lua_pushliteral(L, LUAS_VERSION);
    lua_setfield(L, -2, "version");
    lua_pushvalue(L, -1);
    lua_setfield(L, LUA_REGISTRYINDEX, LUAS__MODULE_KEY);
    return 1;
}

/* An interpreter calls this, in the middle of a script. */
int luaopen_luas(lua_State *L)
{
    luas__heritage_loaded_late();
    return open_library(L);
}

void luas_keep_hook(lua_State *L, int keeps)
{
    keeps ? lua_pushboolean(L, true) : lua_pushnil(L);
    lua_setfield(L, LUA_REGISTRYINDEX, LUAS__KEPT_HOOK_ASKED_KEY);
}

void luas_openlibs(lua_State *L)
{
    static const char *const globals[] = {"pool", "process", "shared"};
    lua_pushboolean(L, true);
    lua_setfield(L, LUA_REGISTRYINDEX, LUAS__OPENED_KEY);
    luaL_requiref(L, "luas", open_library, 0);
    for (size_t i = 0; i < sizeof globals / sizeof *globals; i++) {
        lua_getfield(L, -1, globals[i]);
        lua_setglobal(L, globals[i]);
    }
    lua_pop(L, 1);
}
