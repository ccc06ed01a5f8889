/* Sums, least and greatest values, for lines/shell.lua. */
#define _GNU_SOURCE
#include "fold.h"

#include <math.h>
#include <stdbool.h>

#include "fail.h"

enum { TABLE = 1, PLACE, VALUE };

/* Makes a number of the value. Returns false for nil, and for an empty text. */
static bool read_number(lua_State *L)
{
    size_t len;
    luaL_checktype(L, TABLE, LUA_TTABLE);
    lua_settop(L, VALUE);
    if (lua_type(L, VALUE) == LUA_TNUMBER)
        return true;
    if (lua_isnil(L, VALUE) || (lua_type(L, VALUE) == LUA_TSTRING && lua_rawlen(L, VALUE) == 0))
        return false;
    const char *text = lua_type(L, VALUE) == LUA_TSTRING ? lua_tolstring(L, VALUE, &len) : NULL;
    if (text == NULL || lua_stringtonumber(L, text) != len + 1)
        luas__fail(L, "a number expected, got %s", text != NULL ? lua_pushfstring(L, "'%s'", text)
                                                                : luaL_typename(L, VALUE));
    lua_replace(L, VALUE);
    return true;
}

static bool add_integers(lua_State *L, int place)
{
    lua_Integer sum;
    if (!lua_isinteger(L, -1) || !lua_isinteger(L, VALUE)
        || __builtin_add_overflow(lua_tointeger(L, -1), lua_tointeger(L, VALUE), &sum))
        return false;
    lua_pushinteger(L, sum);
    lua_rawseti(L, TABLE, place);
    return true;
}

/* The sum at the place, and at the next one what its rounding has lost (Knuth): so the order, which
   depends on the workers, makes no difference. */
static void add_floats(lua_State *L, int place)
{
    double a = lua_tonumber(L, -1), b = lua_tonumber(L, VALUE), sum = a + b, part = sum - a;
    double lost = isfinite(sum) ? (a - (sum - part)) + (b - part) : 0;
    lua_pushnumber(L, sum);
    lua_rawseti(L, TABLE, place);
    lua_rawgeti(L, TABLE, place + 1);
    lua_pushnumber(L, lua_tonumber(L, -1) + lost);
    lua_rawseti(L, TABLE, place + 1);
}

int luas__fold_add(lua_State *L)
{
    if (!read_number(L)) {
        lua_pushboolean(L, 0);
        return 1;
    }
    int place = (int)lua_tointeger(L, PLACE);
    lua_rawgeti(L, TABLE, place);
    if (!add_integers(L, place))
        add_floats(L, place);
    lua_pushboolean(L, 1);
    return 1;
}

/* Keeps what there was at the place, unless the value is less, or if `sign` is -1 greater. */
static int keep(lua_State *L, int sign)
{
    if (!read_number(L))
        return 0;
    int place = (int)lua_tointeger(L, PLACE);
    bool takes = lua_rawgeti(L, TABLE, place) == LUA_TNIL;
    if (!takes)
        takes = sign > 0 ? lua_compare(L, VALUE, -1, LUA_OPLT) : lua_compare(L, -1, VALUE, LUA_OPLT);
    if (takes) {
        lua_pushvalue(L, VALUE);
        lua_rawseti(L, TABLE, place);
    }
    return 0;
}

static int fold_min(lua_State *L)
{
    return keep(L, 1);
}

static int fold_max(lua_State *L)
{
    return keep(L, -1);
}

const luaL_Reg luas__fold_functions[] = {
    {"add", luas__fold_add}, {"min", fold_min}, {"max", fold_max}, {NULL, NULL},
};
