/* Stores fields as words, which are compared without a look into a table of values. */
#include "table_watch.h"

#include <lauxlib.h>
#include <stdbool.h>
#include <string.h>

#include "buffer.h"
#include "gc_pause.h"
#include "module_tables.h"
#include "word.h"

static const char class;

/* KB; what a watch takes is far less. */
enum { CREDIT = 1 << 17 };

/* Its user value is a table: from 1 on the watched tables; and as keys all objects in them,
   with `true` for the watched tables and `false` for others. */
typedef struct watch {
    const char *class;  /* &class: no other userdata has that there */
    int tables;
    int counts[LUAS__MODULE_TABLES];   /* of fields */
    luas__word_field fields[];     /* in the order of lua_next, which a table keeps until it changes */
} watch;

/* A watch that is being made, and the stack meanwhile. */
enum { MODULES = 1, GIVEN, KEPT, INNER };

typedef struct draft {
    int tables;
    int counts[LUAS__MODULE_TABLES];
    luas__buffer fields;
} draft;

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
        luas__word_field f = {luas__word_read(L, key), luas__word_read(L, value)};
        if (luas__buffer_append(&d->fields, &f, sizeof f) < 0)
            luaL_error(L, "not enough memory");
        if (luas__word_is_object(f.key))
            keep(L, key);
        if (luas__word_is_object(f.value) && keep(L, value) && f.value.type == LUA_TTABLE)
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
    w->class = &class;
    w->tables = d->tables;
    memcpy(w->counts, d->counts, sizeof w->counts);
    if (d->fields.len > 0)
        memcpy(w->fields, luas__buffer_bytes(&d->fields), d->fields.len);
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

/* As luaL_checkudata, which takes longer than the comparison of a table. */
static const watch *check_watch(lua_State *L)
{
    const watch *w = lua_touserdata(L, 1);
    if (w == NULL || lua_rawlen(L, 1) < sizeof *w || w->class != &class)
        luaL_typeerror(L, 1, "luas.core.watch");
    return w;
}

int luas__table_watch_same(lua_State *L)
{
    const watch *w = check_watch(L);
    const luas__word_field *fields = w->fields;
    bool same = true;
    lua_getiuservalue(L, 1, 1);
    for (int i = 0; i < w->tables && same; i++) {
        lua_settop(L, 2);
        lua_rawgeti(L, 2, i + 1);
        same = luas__word_are_fields(L, fields, w->counts[i]);
        fields += w->counts[i];
    }
    lua_pushboolean(L, same);
    return 1;
}
