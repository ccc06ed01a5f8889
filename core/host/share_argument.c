/* What constructors and methods of shared objects are given. */
#include "share_argument.h"

#include <lauxlib.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "fail.h"

void luas__share_argument_check_call(lua_State *L, const char *name)
{
    if (lua_istable(L, 1) && lua_rawequal(L, 1, lua_upvalueindex(1)))
        luas__fail(L, "'%s' is a function of the module: write shared.%s(...) with a dot",
                   name, name);
}

static bool is_among(const char *name, const char *const *names)
{
    for (; name != NULL && *names != NULL; names++)
        if (strcmp(name, *names) == 0)
            return true;
    return false;
}

static void refuse_option(lua_State *L, const char *what, const char *const *names)
{
    const char *name = luaL_tolstring(L, -2, NULL);
    luaL_Buffer b;
    luaL_buffinit(L, &b);
    for (int i = 0; names[i] != NULL; i++) {
        luaL_addstring(&b, i > 0 ? ", " : "");
        luaL_addstring(&b, names[i]);
    }
    luaL_pushresult(&b);
    luas__fail(L, "%s: unknown option '%s' (there are: %s)", what, name, lua_tostring(L, -1));
}

void luas__share_argument_check_options(lua_State *L, int index, const char *what,
                               const char *const *names)
{
    if (lua_isnoneornil(L, index))
        return;
    if (!lua_istable(L, index))
        luas__fail(L, "%s: options must be a table, got %s", what, luaL_typename(L, index));
    for (lua_pushnil(L); lua_next(L, index) != 0; lua_pop(L, 1))
        if (!is_among(lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : NULL, names))
            refuse_option(L, what, names);
}

lua_Integer luas__share_argument_whole(lua_State *L, int index, const char *verb, lua_Integer least,
                              lua_Integer most)
{
    int is_whole;
    lua_Integer n = lua_tointegerx(L, index, &is_whole);
    if (is_whole && lua_type(L, index) == LUA_TNUMBER && n >= least && n <= most)
        return n;
    if (lua_type(L, index) == LUA_TNUMBER)
        luaL_tolstring(L, index, NULL);
    else
        lua_pushstring(L, lua_isnoneornil(L, index) ? "no value" : luaL_typename(L, index));
    const char *got = lua_tostring(L, -1);
    if (most < INT32_MAX)
        lua_pushfstring(L, "a whole number from %I to %I expected, got %s", (LUAI_UACINT)least,
                        (LUAI_UACINT)most, got);
    else
        lua_pushfstring(L, "a whole number of at least %I expected, got %s", (LUAI_UACINT)least, got);
    return luas__fail_argument(L, index, verb, lua_tostring(L, -1));
}

void luas__share_argument_check_callable(lua_State *L, int index, const char *verb)
{
    if (lua_isfunction(L, index))
        return;
    if (luaL_getmetafield(L, index, "__call") == LUA_TNIL) {
        lua_pushfstring(L, "function expected, got %s", lua_isnone(L, index) ? "no value"
                        : luaL_typename(L, index));
        luas__fail_argument(L, index - 1, verb, lua_tostring(L, -1));
    }
    lua_pop(L, 1);
}

static int64_t parse_bytes(const char *text)
{
    static const char units[] = "KMG";
    char *end;
    long long n = strtoll(text, &end, 10);
    const char *unit = *end != '\0' ? strchr(units, *end) : NULL;
    int shift = unit != NULL ? 10 * (int)(unit - units + 1) : 0;
    end += unit != NULL;
    end += *end == 'i';
    end += *end == 'B';
    return end == text || *end != '\0' || n <= 0 || n > INT64_MAX >> 31 ? -1 : n << shift;
}

uint64_t luas__share_argument_bytes(lua_State *L, int index, const char *what, const char *name,
                           uint64_t standard)
{
    int type = lua_getfield(L, index, name);
    int64_t n = type == LUA_TSTRING ? parse_bytes(lua_tostring(L, -1)) : lua_tointeger(L, -1);
    if (type == LUA_TNIL)
        n = (int64_t)standard;
    else if (n < 1)
        luas__fail(L, "%s: option '%s' must be a size: bytes, or text such as \"64M\", got %s",
                   what, name, luaL_tolstring(L, -1, NULL));
    lua_pop(L, 1);
    return (uint64_t)n;
}
