/* From table to table, in the order in which they are found. */
#include "module_tables.h"

/* Is the value at the top a key of this table? */
static bool is_key(lua_State *L, int table)
{
    lua_pushvalue(L, -1);
    bool is = lua_rawget(L, table) != LUA_TNIL;
    lua_pop(L, 1);
    return is;
}

bool luas__module_tables_add(lua_State *L, int found)
{
    if (is_key(L, found))
        return true;
    lua_Integer count = (lua_Integer)lua_rawlen(L, found);
    if (count == LUAS__MODULE_TABLES)
        return false;
    lua_pushvalue(L, -1);
    lua_pushboolean(L, 1);
    lua_rawset(L, found);
    lua_pushvalue(L, -1);
    lua_rawseti(L, found, count + 1);
    return true;
}

bool luas__module_tables_is_small(lua_State *L)
{
    int fields = 0;
    for (lua_pushnil(L); lua_next(L, -2) != 0; lua_pop(L, 1))
        if (++fields > LUAS__MODULE_FIELDS) {
            lua_pop(L, 2);
            return false;
        }
    return true;
}

/* Adds the tables in the one at the top. */
static bool find_in(lua_State *L, int modules, int found)
{
    for (lua_pushnil(L); lua_next(L, -2) != 0; lua_pop(L, 1))
        if (lua_istable(L, -1) && !is_key(L, modules) && !luas__module_tables_add(L, found)) {
            lua_pop(L, 2);
            return false;
        }
    return true;
}

bool luas__module_tables_find(lua_State *L, int modules, int found)
{
    bool fits = true;
    for (lua_Integer i = 1; fits && i <= (lua_Integer)lua_rawlen(L, found); i++) {
        lua_rawgeti(L, found, i);
        fits = luas__module_tables_is_small(L) && find_in(L, modules, found);
        lua_pop(L, 1);
    }
    return fits;
}
