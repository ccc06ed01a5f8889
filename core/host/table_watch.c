/* Stores fields as words, which are compared without a look into a table of values. */
#include "table_watch.h"

#include <lauxlib.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "buffer.h"
#include "gc_pause.h"
#include "module_tables.h"

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

/* Its user value is a table: from 1 on the watched tables; and as keys all objects in them,
   with `true` for the watched tables and `false` for others. */
typedef struct watch {
    int tables;
    int counts[LUAS__MODULE_TABLES];   /* of fields */
    field fields[];     /* in the order of lua_next, which a table keeps until it changes */
} watch;

/* A watch that is being made, and the stack meanwhile. */
enum { MODULES = 1, GIVEN, KEPT, INNER };

typedef struct draft {
    int tables;
    int counts[LUAS__MODULE_TABLES];
    luas__buffer fields;
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

/* Keeps an object, unless it is watched: then false. */
static bool keep(lua_State *L, int object)
{
    lua_pushvalue(L, object);
    lua_rawget(L, KEPT);
    bool is_watched = lua_toboolean(L, -1);
    lua_pop(L, 1);
    if (is_watched)
        return false;
    lua_pushvalue(L, object);
    lua_pushboolean(L, false);
    lua_rawset(L, KEPT);
    return true;
}

/* If the value is a module, records its name: modules are watched separately. */
static void note_module(lua_State *L, int value)
{
    lua_pushvalue(L, value);
    if (!lua_isnil(L, MODULES) && lua_rawget(L, MODULES) != LUA_TNIL) {
        lua_pushvalue(L, -1);
        lua_pushboolean(L, 1);
        lua_rawset(L, INNER);
    }
    lua_pop(L, 1);
}

/* The fields of the table at the top: how many. */
static int note_fields(lua_State *L, draft *d)
{
    int n = 0, table = lua_gettop(L), key = table + 1, value = table + 2;
    for (lua_pushnil(L); lua_next(L, table) != 0; lua_settop(L, key), n++) {
        field f = {read_word(L, key), read_word(L, value)};
        if (luas__buffer_append(&d->fields, &f, sizeof f) < 0)
            luaL_error(L, "not enough memory");
        if (is_object(f.key.type))
            keep(L, key);
        if (is_object(f.value.type) && keep(L, value) && f.value.type == LUA_TTABLE)
            note_module(L, value);
    }
    return n;
}

static void note_all(lua_State *L, draft *d)
{
    d->tables = (int)lua_rawlen(L, KEPT);
    for (int i = 0; i < d->tables; i++) {
        lua_rawgeti(L, KEPT, i + 1);
        d->counts[i] = note_fields(L, d);
        lua_settop(L, INNER);
    }
}

/* The given tables, and with `descends` those that they lead to: false if that is too
   much. */
static bool choose_tables(lua_State *L, bool descends)
{
    bool fits = true;
    lua_settop(L, GIVEN);
    lua_newtable(L);
    for (lua_Integer i = 1; fits && lua_rawgeti(L, GIVEN, i) != LUA_TNIL; i++, lua_settop(L, KEPT))
        if (lua_istable(L, -1) && (descends || luas__module_tables_is_small(L)))
            fits = luas__module_tables_add(L, KEPT);
    lua_settop(L, KEPT);
    return fits && (!descends || luas__module_tables_find(L, MODULES, KEPT));
}

/* Arguments: modules or nil, the tables, a draft. */
static int make_watch(lua_State *L)
{
    draft *d = lua_touserdata(L, 3);
    if (lua_isnil(L, MODULES) || !choose_tables(L, true))
        choose_tables(L, false);
    lua_newtable(L);
    note_all(L, d);
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

/* The collector rests meanwhile, because a finalizer could change the tables. */
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
