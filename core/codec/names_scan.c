/*
 * Gives names to the objects in the loaded modules. Objects deeper than the fields of a module and
 * their fields get names only if the whole module is watched (module_tables.h). Otherwise the host
 * could change them and nobody would notice.
 */
#include <lauxlib.h>
#include <stdbool.h>

#include "names_scan.h"

#include "gc_hold.h"
#include "module_tables.h"
#include "msgpack.h"

/* Modules may hold data. So only this many entries of one table are looked at, and this many in
   all. */
enum { FIELDS = 4096, FIELDS_IN_ALL = 200000 };

typedef struct reader {
    int names;              /* stack index */
    int modules;            /* stack index: set of the modules */
    luas__buffer *text;     /* the name of the object at the top */
    int budget;             /* how many fields may still be looked at */
    int depth;              /* of the tables that are read now: 1 for modules */
    bool is_watched;        /* their module is watched whole */
} reader;

static void add_fields(lua_State *L, reader *r, int deeper);

/* Names classes among the upvalues of the function at the top, and their methods. */
static void add_upvalues(lua_State *L, reader *r)
{
    size_t len = r->text->len;
    for (int i = 1; lua_getupvalue(L, -1, i) != NULL; i++) {
        if (lua_istable(L, -1) && luas__names_is_class(L, -1)) {
            luas__names_must(L, luas__mp_write_int(r->text, i));
            if (luas__names_add(L, r->names))
                add_fields(L, r, 0);
            luas__buffer_truncate(r->text, len);
        }
        lua_pop(L, 1);
    }
}

static int is_globals(lua_State *L, int index)
{
    index = lua_absindex(L, index);
    lua_pushglobaltable(L);
    int same = lua_rawequal(L, -1, index);
    lua_pop(L, 1);
    return same;
}

/* Puts the table at the top on the list for later, if there is one, with its name and whether
   its module is watched. */
static void put_off(lua_State *L, reader *r, int deeper)
{
    if (deeper == 0 || (r->depth >= 2 && !r->is_watched))
        return;
    lua_Integer count = (lua_Integer)lua_rawlen(L, deeper);
    lua_pushvalue(L, -1);
    lua_rawseti(L, deeper, count + 1);
    lua_pushlstring(L, luas__buffer_bytes(r->text), r->text->len);
    lua_rawseti(L, deeper, count + 2);
    lua_pushboolean(L, r->is_watched);
    lua_rawseti(L, deeper, count + 3);
}

/* Is the module at the top small enough to be watched with all tables in it? */
static bool is_watched(lua_State *L, const reader *r)
{
    lua_newtable(L);
    lua_pushvalue(L, -2);
    int found = lua_gettop(L) - 1;
    luas__module_tables_add(L, found);
    lua_settop(L, found);
    bool fits = luas__module_tables_find(L, r->modules, found);
    lua_settop(L, found - 1);
    return fits;
}

/* ---- the modules ---- */

/* Names the object at the top, to which r->text leads. */
static void add_object(lua_State *L, reader *r, int deeper)
{
    if (is_globals(L, -1) || !luas__names_add(L, r->names))
        return;
    if (lua_istable(L, -1))
        put_off(L, r, deeper);
    else if (lua_isfunction(L, -1) && !lua_iscfunction(L, -1))
        add_upvalues(L, r);
}

/* Names the fields of the table at the top. */
static void add_fields(lua_State *L, reader *r, int deeper)
{
    size_t len = r->text->len, key_len;
    luaL_checkstack(L, 10, NULL);
    lua_pushnil(L);
    for (int entries = 0; lua_next(L, -2) != 0; entries++) {
        if (entries == FIELDS || r->budget-- <= 0) {
            lua_pop(L, 2);
            return;
        }
        if (lua_type(L, -2) == LUA_TSTRING && luas__names_may_have(L, -1)) {
            const char *key = lua_tolstring(L, -2, &key_len);
            luas__names_must(L, luas__mp_write_string(r->text, key, key_len));
            add_object(L, r, deeper);
            luas__buffer_truncate(r->text, len);
        }
        lua_pop(L, 1);
    }
}

static void note_modules(lua_State *L, const reader *r)
{
    for (lua_pushnil(L); lua_next(L, -2) != 0; lua_pop(L, 1)) {
        if (!lua_istable(L, -1))
            continue;
        lua_pushvalue(L, -1);
        lua_pushboolean(L, 1);
        lua_rawset(L, r->modules);
    }
    lua_pushvalue(L, -1);
    lua_pushboolean(L, 1);
    lua_rawset(L, r->modules);
}

/* Names the modules, and looks into all of them, also into those that have a name already. */
static void add_modules(lua_State *L, reader *r, int deeper)
{
    size_t len;
    for (lua_pushnil(L); lua_next(L, -2) != 0; lua_pop(L, 1)) {
        if (lua_type(L, -2) != LUA_TSTRING || !luas__names_may_have(L, -1))
            continue;
        const char *name = lua_tolstring(L, -2, &len);
        luas__buffer_truncate(r->text, 0);
        luas__names_must(L, luas__mp_write_string(r->text, name, len));
        if (lua_istable(L, -1) && !is_globals(L, -1)) {
            luas__names_add(L, r->names);
            r->is_watched = is_watched(L, r);
            put_off(L, r, deeper);
        } else {
            add_object(L, r, 0);
        }
    }
}

/* Names the fields of the tables in the list at `level`. New tables go to `deeper`. */
static void add_level(lua_State *L, reader *r, int level, int deeper)
{
    size_t len;
    lua_Integer count = (lua_Integer)lua_rawlen(L, level);
    for (lua_Integer i = 1; i < count && r->budget > 0; i += 3) {
        lua_rawgeti(L, level, i + 2);
        r->is_watched = lua_toboolean(L, -1);
        lua_rawgeti(L, level, i + 1);
        const char *name = lua_tolstring(L, -1, &len);
        luas__buffer_truncate(r->text, 0);
        luas__names_must(L, luas__buffer_append(r->text, name, len));
        lua_rawgeti(L, level, i);
        add_fields(L, r, deeper);
        lua_pop(L, 3);
    }
}

/* Names the objects in the modules, which are at the top, level by level: so each gets its
   shortest name. */
static void scan_modules(lua_State *L, int names)
{
    reader all = {.names = names, .text = luas__names_text(L, names), .budget = FIELDS_IN_ALL};
    reader *r = &all;
    int loaded = lua_gettop(L), level = loaded + 2;
    lua_newtable(L);
    lua_newtable(L);
    r->modules = loaded + 1;
    lua_pushvalue(L, loaded);
    note_modules(L, r);
    add_modules(L, r, level);
    lua_settop(L, level);
    for (r->depth = 1; lua_rawlen(L, level) > 0; r->depth++) {
        lua_newtable(L);
        add_level(L, r, level, level + 1);
        lua_replace(L, level);
    }
    lua_settop(L, loaded);
}

/* A number for the set of loaded modules at the top, which differs for other sets. Never 0. */
static uint64_t fingerprint(lua_State *L)
{
    uint64_t sum = 1;
    for (lua_pushnil(L); lua_next(L, -2) != 0; lua_pop(L, 1)) {
        uint64_t name = (uintptr_t)lua_topointer(L, -2), module = (uintptr_t)lua_topointer(L, -1);
        sum += (name ^ module >> 4) * UINT64_C(0x9e3779b97f4a7c15) | 1;
    }
    return sum != 0 ? sum : 1;
}

/* Arguments: names, package.loaded. */
static int read_modules(lua_State *L)
{
    uint64_t *stamp = luas__names_stamp(L, 1);
    luaL_checkstack(L, 20, NULL);
    *stamp = 0;
    luas__names_forget_modules(L, 1);
    scan_modules(L, 1);
    *stamp = fingerprint(L);
    return 0;
}

void luas__names_scan(lua_State *L, int names)
{
    const uint64_t *stamp = luas__names_stamp(L, names);
    names = lua_absindex(L, names);
    luaL_checkstack(L, 20, NULL);
    luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
    if (fingerprint(L) != *stamp) {
        lua_pushcfunction(L, read_modules);
        lua_pushvalue(L, names);
        lua_pushvalue(L, -3);
        luas__gc_hold_call(L, 2, 0);
    }
    lua_pop(L, 1);
}

int luas__names_scan_is_done(lua_State *L, int names)
{
    return *luas__names_stamp(L, names) != 0;
}

const luas__ptrmap *luas__names_scan_known(lua_State *L, int names)
{
    if (!luas__names_scan_is_done(L, names))
        luas__names_scan(L, names);
    return luas__names_map(L, names);
}

void luas__names_scan_for(lua_State *L, int first)
{
    for (int i = lua_gettop(L); i >= first; i--)
        if (lua_istable(L, i)) {
            luas__names_push(L);
            luas__names_scan(L, -1);
            lua_pop(L, 1);
            return;
        }
}
