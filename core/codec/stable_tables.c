/* Keys in their order, and tables that are open. */
#include "stable_walk.h"

#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>

#include "array.h"
#include "luas.h"

static int compare(const void *a, const void *b)
{
    const luas__stable_key *x = a, *y = b;
    if (x->type != y->type)
        return x->type < y->type ? -1 : 1;
    if (x->type == LUA_TNUMBER)
        return x->as.n < y->as.n ? -1 : x->as.n > y->as.n;
    if (x->type != LUA_TSTRING)
        return x->as.i < y->as.i ? -1 : x->as.i > y->as.i;
    int order = memcmp(x->as.s, y->as.s, x->len < y->len ? x->len : y->len);
    return order != 0 ? order : x->len < y->len ? -1 : x->len > y->len;
}

/* Reads the key at this index; a string stays alive with the table. */
static bool read_key(lua_State *L, int index, luas__stable_key *k)
{
    *k = (luas__stable_key){.type = lua_type(L, index)};
    switch (k->type) {
    case LUA_TBOOLEAN: k->as.i = lua_toboolean(L, index); return true;
    case LUA_TSTRING: k->as.s = lua_tolstring(L, index, &k->len); return true;
    case LUA_TNUMBER:
        if (lua_isinteger(L, index)) {
            k->type = LUAS__STABLE_INTEGER;
            k->as.i = lua_tointeger(L, index);
        } else {
            k->as.n = lua_tonumber(L, index);
        }
        return true;
    default: return false;
    }
}

void luas__stable_tables_push_key(lua_State *L, const luas__stable_key *k)
{
    switch (k->type) {
    case LUA_TBOOLEAN: lua_pushboolean(L, k->as.i != 0); break;
    case LUA_TNUMBER: lua_pushnumber(L, k->as.n); break;
    case LUA_TSTRING: lua_pushlstring(L, k->as.s, k->len); break;
    default: lua_pushinteger(L, k->as.i);
    }
}

/* Collects the keys of the table at the top, sorted. */
static void collect_keys(lua_State *L, luas__stable_walk *w)
{
    int table = lua_gettop(L);
    size_t from = w->nkeys;
    bool sorted = true;
    for (lua_pushnil(L); lua_next(L, table) != 0; lua_pop(L, 1)) {
        luas__stable_walk_must(L, luas__array_reserve(&w->keys, &w->cap_keys, w->nkeys + 1, sizeof *w->keys));
        luas__stable_key *k = &w->keys[w->nkeys];
        if (!read_key(L, table + 1, k))
            luas__stable_walk_refuse(L, w, lua_istable(L, table + 1) ? "a table as a key" : "such a key");
        if (k->type == LUA_TSTRING && luas__stable_walk_is_ignored(L, k->as.s))
            continue;
        sorted = sorted && (w->nkeys == from || compare(k - 1, k) < 0);
        w->nkeys++;
    }
    if (!sorted)
        qsort(w->keys + from, w->nkeys - from, sizeof *w->keys, compare);
}

void luas__stable_tables_open(lua_State *L, luas__stable_walk *w, char tag)
{
    luas__stable_walk_must(L, luas__array_reserve(&w->frames, &w->cap_frames, w->nframes + 1, sizeof *w->frames));
    if (!lua_checkstack(L, LUA_MINSTACK))
        luaL_error(L, "luas: %s", luas_strerror(LUAS_EDEEP));
    size_t from = w->nkeys;
    collect_keys(L, w);
    w->frames[w->nframes++] = (luas__stable_frame){.from = from, .at = from, .to = w->nkeys, .base = lua_gettop(L)};
    luas__stable_walk_number(L, w, tag, w->nkeys - from);
}
