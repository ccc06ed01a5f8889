/* A Lua module for specs: changes what is around its process. */
#define _GNU_SOURCE
#include <lauxlib.h>
#include <lua.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static int change_directory(lua_State *L)
{
    lua_pushboolean(L, chdir(luaL_checkstring(L, 1)) == 0);
    return 1;
}

static int directory(lua_State *L)
{
    char path[4096];
    lua_pushstring(L, getcwd(path, sizeof path));
    return 1;
}

static int set_variable(lua_State *L)
{
    if (lua_isnoneornil(L, 2))
        unsetenv(luaL_checkstring(L, 1));
    else
        setenv(luaL_checkstring(L, 1), luaL_checkstring(L, 2), 1);
    return 0;
}

static int set_mask(lua_State *L)
{
    lua_pushinteger(L, umask((mode_t)luaL_checkinteger(L, 1)));
    return 1;
}

static int mask(lua_State *L)
{
    mode_t now = umask(077);
    umask(now);
    lua_pushinteger(L, now);
    return 1;
}

static int set_zone(lua_State *L)
{
    (void)L;
    tzset();
    return 0;
}

int luaopen_around(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"chdir", change_directory}, {"cwd", directory}, {"setenv", set_variable},
        {"umask", set_mask}, {"mask", mask}, {"tzset", set_zone}, {NULL, NULL},
    };
    luaL_newlib(L, functions);
    return 1;
}
