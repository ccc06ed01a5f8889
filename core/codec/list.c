/* Lists of values, as users give them. */
#include "list.h"

#include <lauxlib.h>
#include <stdbool.h>

lua_Integer luas__list_length(lua_State *L, int list)
{
    list = lua_absindex(L, list);
    lua_pushliteral(L, "n");
    bool has_field = lua_rawget(L, list) != LUA_TNIL;
    if (!has_field) {
        lua_pop(L, 1);
        lua_len(L, list);
    }
    if (lua_isinteger(L, -1) && lua_tointeger(L, -1) >= 0) {
        lua_Integer n = lua_tointeger(L, -1);
        lua_pop(L, 1);
        return n;
    }
    const char *given = luaL_tolstring(L, -1, NULL);
    lua_pushfstring(L, "%s must be a whole number, got %s",
                    has_field ? "field 'n'" : "its length", given);
    lua_replace(L, -3);
    lua_pop(L, 1);
    return -1;
}

void luas__list_unpack(lua_State *L, int list, int n)
{
    list = lua_absindex(L, list);
    luaL_checkstack(L, n, "too many arguments");
    for (int i = 1; i <= n; i++)
        lua_geti(L, list, i);
}
