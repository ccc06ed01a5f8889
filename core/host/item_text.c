/* Lua values to text. */
#define _GNU_SOURCE
#include "item_text.h"

#include <lauxlib.h>
#include <stdio.h>
#include <string.h>

#include "mp_text.h"

enum { MOST_FIELDS = 8, DEEPEST = 2 };

typedef struct line {
    char *at, *end;
} line;

static void put(line *l, const char *text, size_t len)
{
    if ((size_t)(l->end - l->at) < len)
        len = (size_t)(l->end - l->at);
    memcpy(l->at, text, len);
    l->at += len;
}

static void put_text(line *l, const char *text)
{
    put(l, text, strlen(text));
}

/* A number is copied before it is made text: the value itself may be a key of a traversal. */
static void put_scalar(lua_State *L, line *l, int index)
{
    size_t len;
    if (lua_type(L, index) == LUA_TBOOLEAN) {
        put_text(l, lua_toboolean(L, index) ? "true" : "false");
    } else if (lua_type(L, index) == LUA_TNUMBER || lua_type(L, index) == LUA_TSTRING) {
        lua_pushvalue(L, index);
        const char *text = lua_tolstring(L, -1, &len);
        put(l, text, len);
        lua_pop(L, 1);
    } else {
        put_text(l, luaL_typename(L, index));
    }
}

static void put_value(lua_State *L, line *l, int index, int depth);

static void put_field(lua_State *L, line *l, int key, int value, lua_Integer due, int depth)
{
    if (!(lua_isinteger(L, key) && lua_tointeger(L, key) == due)) {
        put_scalar(L, l, key);
        put_text(l, "=");
    }
    put_value(L, l, value, depth + 1);
}

static void put_fields(lua_State *L, line *l, int index, int depth)
{
    int n = 0, key = lua_gettop(L) + 1;
    for (lua_pushnil(L); lua_next(L, index) != 0; lua_pop(L, 1)) {
        put_text(l, n > 0 ? ", " : "");
        if (n++ == MOST_FIELDS) {
            put_text(l, "\xe2\x80\xa6");
            lua_settop(L, key - 1);
            return;
        }
        put_field(L, l, key, key + 1, n, depth);
    }
}

static void put_value(lua_State *L, line *l, int index, int depth)
{
    bool quoted = depth > 0 && lua_type(L, index) == LUA_TSTRING;
    if (!lua_istable(L, index)) {
        put_text(l, quoted ? "\"" : "");
        put_scalar(L, l, index);
        put_text(l, quoted ? "\"" : "");
    } else if (depth == DEEPEST) {
        put_text(l, "{\xe2\x80\xa6}");
    } else {
        put_text(l, "{");
        put_fields(L, l, index, depth);
        put_text(l, "}");
    }
}

/* Strings have quotes if there are several arguments. */
static void put_list(lua_State *L, line *l, int index)
{
    lua_Integer n = (lua_Integer)lua_rawlen(L, index);
    for (lua_Integer i = 1; i <= n && i <= MOST_FIELDS; i++) {
        put_text(l, i > 1 ? ", " : "");
        lua_rawgeti(L, index, i);
        put_value(L, l, lua_gettop(L), n > 1);
        lua_pop(L, 1);
    }
}

size_t luas__item_text(lua_State *L, int index, bool list, char *out, size_t size)
{
    char raw[512];
    line l = {raw, raw + sizeof raw};
    index = lua_absindex(L, index);
    luaL_checkstack(L, 4 * (DEEPEST + 1), NULL);
    if (list && lua_istable(L, index))
        put_list(L, &l, index);
    else
        put_value(L, &l, index, 0);
    return luas__mp_text_line(raw, (size_t)(l.at - raw), out, size);
}
