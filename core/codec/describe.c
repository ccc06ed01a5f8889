/* A raised value as text, even where its __tostring fails. */
#include "describe.h"

#include <lauxlib.h>

#include "stop.h"

static int describe_itself(lua_State *L)
{
    luaL_tolstring(L, 1, NULL);
    return 1;
}

bool luas__describe_error(lua_State *L, int value)
{
    bool own = lua_isstring(L, value) || luaL_getmetafield(L, value, "__tostring") != LUA_TNIL;
    if (!own) {
        lua_pushfstring(L, "(error object is a %s value)", luaL_typename(L, value));
        return true;
    }
    lua_pushcfunction(L, describe_itself);
    lua_pushvalue(L, value);
    if (lua_pcall(L, 1, 1, 0) == LUA_OK)
        return true;
    if (luas__stop_is(L, -1))
        return false;
    lua_pushfstring(L, "(error object is a %s value, whose __tostring failed)", luaL_typename(L, value));
    return true;
}
