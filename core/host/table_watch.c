/* Fields as words that are compared without a look into the table of values. */
#include "table_watch.h"

#include <lauxlib.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "buffer.h"
#include "names.h"
#include "gc_pause.h"

#define WATCH "luas.core.watch"

/* KB; what a watch takes is far less. */
enum { CREDIT = 1 << 17 };

typedef struct word {
    int type;           /* Lua's, or INTEGER */
    uint64_t bits;      /* an address, a number or a boolean */
} word;

typedef struct field {
    word key, value;
} field;

/* Its user value has the tables, from 1, and as keys all objects in them: with `true`
   those tables, with `false` the others. */
typedef struct watch {
    int tables;
    int counts[LUAS__WATCHED_TABLES];   /* of fields */
    field fields[];     /* in the order of lua_next, which a table keeps until it changes */
} watch;

/* One in the making, and the stack meanwhile. */
enum { MODULES = 1, GIVEN, KEPT, INNER };

typedef struct draft {
    int tables;
    int counts[LUAS__WATCHED_TABLES];
    luas__buffer fields;
    bool descends;
} draft;

enum { INTEGER = LUA_NUMTYPES };

static bool is_object(int type)
{
    return type != LUA_TNUMBER && type != INTEGER && type != LUA_TBOOLEAN;
}

static word read_word(lua_State *L, int index)
{
    word w = {.type = lua_type(L, index)};
    if (is_object(w.type)) {
        w.bits = (uintptr_t)lua_topointer(L, index);
    } else if (w.type == LUA_TBOOLEAN) {
        w.bits = (uint64_t)lua_toboolean(L, index);
    } else if (lua_isinteger(L, index)) {
        w.type = INTEGER;
        w.bits = (uint64_t)lua_tointeger(L, index);
    } else {
        lua_Number x = lua_tonumber(L, index);
        memcpy(&w.bits, &x, sizeof x);
    }
    return w;
}

static bool equal(word a, word b)
{
    return a.type == b.type && a.bits == b.bits;
}

/* ---- making one ---- */

/* Has the table `true` there? */
static bool has(lua_State *L, int table, int key)
{
    lua_pushvalue(L, key);
    lua_rawget(L, table);
    bool is = lua_toboolean(L, -1);
    lua_pop(L, 1);
    return is;
}

static void keep(lua_State *L, int object, bool is_watched)
{
    lua_pushvalue(L, object);
    lua_pushboolean(L, is_watched);
    lua_rawset(L, KEPT);
}

/* Is to be watched, too: false if there are too many. */
static bool add_table(lua_State *L, draft *d, int table)
{
    if (d->tables == LUAS__WATCHED_TABLES)
        return false;
    keep(L, table, true);
    lua_pushvalue(L, table);
    lua_rawseti(L, KEPT, ++d->tables);
    return true;
}

/* If it is a module, that is watched by itself: its name is noted. */
static bool note_module(lua_State *L, int value)
{
    lua_pushvalue(L, value);
    bool is_module = !lua_isnil(L, MODULES) && lua_rawget(L, MODULES) != LUA_TNIL;
    if (is_module) {
        lua_pushvalue(L, -1);
        lua_pushboolean(L, 1);
        lua_rawset(L, INNER);
    }
    lua_pop(L, 1);
    return is_module;
}

/* A table that was just a key so far is not watched yet. */
static bool note_value(lua_State *L, draft *d, int value, int type)
{
    if (!is_object(type) || has(L, KEPT, value))
        return true;
    if (type == LUA_TTABLE && !note_module(L, value) && d->descends)
        return add_table(L, d, value);
    keep(L, value, false);
    return true;
}

/* The fields of the table at the top: how many, or -1 if there are too many of them or
   of tables among them. */
static int note_fields(lua_State *L, draft *d)
{
    int n = 0, table = lua_gettop(L), key = table + 1, value = table + 2;
    for (lua_pushnil(L); lua_next(L, table) != 0; lua_settop(L, key)) {
        field f = {read_word(L, key), read_word(L, value)};
        if (luas__buffer_append(&d->fields, &f, sizeof f) < 0)
            luaL_error(L, "not enough memory");
        if (is_object(f.key.type) && !has(L, KEPT, key))
            keep(L, key, false);
        if (++n > LUAS__WATCHED_FIELDS || !note_value(L, d, value, f.value.type))
            return -1;
    }
    return n;
}

static bool note_all(lua_State *L, draft *d)
{
    for (int i = 0; i < d->tables; i++) {
        lua_rawgeti(L, KEPT, i + 1);
        d->counts[i] = note_fields(L, d);
        lua_settop(L, INNER);
        if (d->counts[i] < 0)
            return false;
    }
    return true;
}

static bool has_few_fields(lua_State *L, int table)
{
    int n = 0, key = table + 1;
    for (lua_pushnil(L); n <= LUAS__WATCHED_FIELDS && lua_next(L, table) != 0; lua_settop(L, key))
        n++;
    lua_settop(L, table);
    return n <= LUAS__WATCHED_FIELDS;
}

static bool try_to_note(lua_State *L, draft *d, bool descends)
{
    d->descends = descends;
    d->tables = 0;
    luas__buffer_truncate(&d->fields, 0);
    lua_settop(L, GIVEN);
    lua_newtable(L);
    lua_newtable(L);
    for (lua_Integer i = 1; lua_rawgeti(L, GIVEN, i) != LUA_TNIL; i++, lua_settop(L, INNER))
        if (lua_istable(L, -1) && (descends || has_few_fields(L, INNER + 1)))
            add_table(L, d, INNER + 1);
    lua_settop(L, INNER);
    return note_all(L, d);
}

/* Arguments: modules or nil, the tables, a draft. */
static int make_watch(lua_State *L)
{
    draft *d = lua_touserdata(L, 3);
    if (lua_isnil(L, MODULES) || !try_to_note(L, d, true))
        try_to_note(L, d, false);
    watch *w = lua_newuserdatauv(L, sizeof *w + d->fields.len, 1);
    w->tables = d->tables;
    memcpy(w->counts, d->counts, sizeof w->counts);
    if (d->fields.len > 0)
        memcpy(w->fields, luas__buffer_bytes(&d->fields), d->fields.len);
    luaL_newmetatable(L, WATCH);
    lua_setmetatable(L, -2);
    lua_pushvalue(L, KEPT);
    lua_setiuservalue(L, -2, 1);
    lua_pushvalue(L, INNER);
    return 2;
}

/* The collector rests meanwhile: a finalizer could change the tables. */
int luas__table_watch(lua_State *L)
{
    draft d = {.tables = 0};
    luaL_checktype(L, 2, LUA_TTABLE);
    lua_settop(L, 2);
    lua_pushcfunction(L, make_watch);
    lua_insert(L, 1);
    lua_pushlightuserdata(L, &d);
    int begun = luas__gc_pause_begin(L, CREDIT);
    int rc = lua_pcall(L, 3, 2, 0);
    luas__gc_pause_end(L, CREDIT, begun);
    luas__buffer_release(&d.fields);
    return rc == LUA_OK ? 2 : lua_error(L);
}

/* ---- comparing ---- */

static bool has_fields(lua_State *L, int table, const field *fields, int count)
{
    int n = 0, key = table + 1, value = table + 2;
    for (lua_pushnil(L); lua_next(L, table) != 0; lua_settop(L, key), n++)
        if (n == count || !equal(read_word(L, key), fields[n].key)
            || !equal(read_word(L, value), fields[n].value))
            return false;
    return n == count;
}

int luas__table_watch_same(lua_State *L)
{
    const watch *w = luaL_checkudata(L, 1, WATCH);
    const field *fields = w->fields;
    bool same = true;
    lua_getiuservalue(L, 1, 1);
    for (int i = 0; i < w->tables && same; i++) {
        lua_settop(L, 2);
        lua_rawgeti(L, 2, i + 1);
        same = has_fields(L, 3, fields, w->counts[i]);
        fields += w->counts[i];
    }
    lua_pushboolean(L, same);
    return 1;
}
