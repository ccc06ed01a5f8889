/* A module with light userdata: some that it shows, some that only its functions give. */
#include <lauxlib.h>
#include <lua.h>

static char mark, hidden;

static int get_hidden(lua_State *L)
{
    lua_pushlightuserdata(L, &hidden);
    return 1;
}

static int get_number(lua_State *L)
{
    lua_pushlightuserdata(L, (void *)luaL_checkinteger(L, 1));
    return 1;
}

int luaopen_light(lua_State *L)
{
    static const luaL_Reg functions[] = {{"hidden", get_hidden}, {"number", get_number}, {NULL, NULL}};
    luaL_newlib(L, functions);
    lua_pushlightuserdata(L, &mark);
    lua_setfield(L, -2, "mark");
    lua_pushlightuserdata(L, NULL);
    lua_setfield(L, -2, "null");
    return 1;
}
