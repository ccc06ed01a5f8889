/* Fields as words that are compared without a look into the table of values. */
#include "lua_snapshot.h"

#include <lauxlib.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define SNAPSHOT "luas.core.snapshot"

typedef struct word {
    int type;           /* Lua's, or INTEGER */
    uint64_t bits;      /* an address, a number or a boolean */
} word;

typedef struct field {
    word key, value;
} field;

typedef struct snapshot {
    size_t count;
    field fields[];     /* in the order of lua_next, which a table keeps until it changes */
} snapshot;

enum { INTEGER = LUA_NUMTYPES };

static word read_word(lua_State *L, int index)
{
    word w = {.type = lua_type(L, index)};
    if (w.type == LUA_TNUMBER && lua_isinteger(L, index)) {
        w.type = INTEGER;
        w.bits = (uint64_t)lua_tointeger(L, index);
    } else if (w.type == LUA_TNUMBER) {
        lua_Number x = lua_tonumber(L, index);
        memcpy(&w.bits, &x, sizeof x);
    } else if (w.type == LUA_TBOOLEAN) {
        w.bits = (uint64_t)lua_toboolean(L, index);
    } else {
        w.bits = (uintptr_t)lua_topointer(L, index);
    }
    return w;
}

static bool equal(word a, word b)
{
    return a.type == b.type && a.bits == b.bits;
}

/* How many fields the table at 1 has: at most one more than `most`. */
static size_t count_fields(lua_State *L, lua_Integer most)
{
    lua_Integer n = 0;
    for (lua_pushnil(L); n <= most && lua_next(L, 1) != 0; lua_pop(L, 1))
        n++;
    lua_settop(L, 1);
    return (size_t)n;
}

/* The fields of the table at 1, which the one at 3 keeps, and has room for: so
   nothing is allocated, and no finalizer runs that could change the table. */
static void record(lua_State *L, snapshot *s, size_t most)
{
    for (lua_pushnil(L); s->count < most && lua_next(L, 1) != 0;) {
        s->fields[s->count++] = (field){read_word(L, -2), read_word(L, -1)};
        lua_pushvalue(L, -2);
        lua_insert(L, -2);
        lua_rawset(L, 3);
    }
    lua_settop(L, 3);
}

int luas__core_snapshot(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_Integer most = luaL_checkinteger(L, 2);
    lua_settop(L, 1);
    size_t n = count_fields(L, most);
    if (n > (size_t)most)
        return 0;
    snapshot *s = lua_newuserdatauv(L, sizeof *s + n * sizeof(field), 1);
    s->count = 0;
    luaL_newmetatable(L, SNAPSHOT);
    lua_setmetatable(L, 2);
    lua_createtable(L, 0, (int)n);
    record(L, s, n);
    lua_setiuservalue(L, 2, 1);
    return 1;
}

static bool is_same(lua_State *L, int table, const snapshot *s)
{
    size_t n = 0;
    bool same = true;
    for (lua_pushnil(L); same && lua_next(L, table) != 0; lua_pop(L, 1)) {
        same = n < s->count && equal(read_word(L, -2), s->fields[n].key)
            && equal(read_word(L, -1), s->fields[n].value);
        n++;
    }
    return same && n == s->count;
}

int luas__core_same(lua_State *L)
{
    bool same = true;
    luaL_checktype(L, 1, LUA_TTABLE);
    for (lua_Integer i = 1; same; i += 2) {
        lua_settop(L, 1);
        if (lua_rawgeti(L, 1, i) == LUA_TNIL)
            break;
        lua_rawgeti(L, 1, i + 1);
        luaL_checktype(L, 2, LUA_TTABLE);
        same = is_same(L, 2, luaL_checkudata(L, 3, SNAPSHOT));
    }
    lua_pushboolean(L, same);
    return 1;
}
