/* Lists of values, as users give them. */
#include "list.h"

#include <lauxlib.h>
#include <stdbool.h>

/* Neither an item at 1 nor a length of its own, and yet something in it. */
static bool has_keys_only(lua_State *L, int list)
{
    if (luaL_getmetafield(L, list, "__len") != LUA_TNIL) {
        lua_pop(L, 1);
        return false;
    }
    lua_pushnil(L);
    if (lua_next(L, list) == 0)
        return false;
    lua_pop(L, 2);
    return true;
}

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
        if (n > 0 || has_field || !has_keys_only(L, list))
            return n;
        lua_pushliteral(L, "a table with keys only is no list");
        return LUAS__LIST_KEYS_ONLY;
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
