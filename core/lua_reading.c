/* Names for what is in the loaded modules. */
#include <lauxlib.h>

#include "lua_names.h"
#include "msgpack.h"

/* A module may hold data: so many entries of one table are looked at, so many in all, and
   so many below the tables in the modules, down to that many levels. */
enum { FIELDS = 4096, FIELDS_IN_ALL = 200000, FIELDS_BELOW = 20000, LEVELS = 16 };

typedef struct reader {
    int names;              /* stack index */
    luas__buffer *text;     /* what leads to the object at the top */
    int budget;             /* fields that may still be looked at */
} reader;

static void add_fields(lua_State *L, reader *r, int deeper);

/* Classes among the upvalues of the function at the top, and their methods. */
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

/* For later, if there is a list for it: the table at the top, and its name. */
static void put_off(lua_State *L, reader *r, int deeper)
{
    if (deeper == 0)
        return;
    lua_Integer count = (lua_Integer)lua_rawlen(L, deeper);
    lua_pushvalue(L, -1);
    lua_rawseti(L, deeper, count + 1);
    lua_pushlstring(L, luas__buffer_bytes(r->text), r->text->len);
    lua_rawseti(L, deeper, count + 2);
}

/* Names what r->text leads to, which is at the top. */
static void add_object(lua_State *L, reader *r, int deeper)
{
    if (is_globals(L, -1) || !luas__names_add(L, r->names))
        return;
    if (lua_istable(L, -1))
        put_off(L, r, deeper);
    else if (lua_isfunction(L, -1) && !lua_iscfunction(L, -1))
        add_upvalues(L, r);
}

/* The fields of the table at the top. */
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

/* The modules, which are all looked into, those that have a name already, too. */
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
            put_off(L, r, deeper);
        } else {
            add_object(L, r, 0);
        }
    }
}

/* The fields of the tables in the list at `level`; new tables go to `deeper`. */
static void add_level(lua_State *L, reader *r, int level, int deeper)
{
    size_t len;
    lua_Integer count = (lua_Integer)lua_rawlen(L, level);
    for (lua_Integer i = 1; i < count && r->budget > 0; i += 2) {
        lua_rawgeti(L, level, i + 1);
        const char *name = lua_tolstring(L, -1, &len);
        luas__buffer_truncate(r->text, 0);
        luas__names_must(L, luas__buffer_append(r->text, name, len));
        lua_rawgeti(L, level, i);
        add_fields(L, r, deeper);
        lua_pop(L, 2);
    }
}

/* What is in the modules, at the top, level by level, so that the shortest name
   wins. */
void luas__names_add_modules(lua_State *L, int names)
{
    reader modules = {.names = names, .text = luas__names_text(L, names), .budget = FIELDS_IN_ALL};
    reader *r = &modules;
    lua_newtable(L);
    int level = lua_gettop(L);
    lua_pushvalue(L, level - 1);
    add_modules(L, r, level);
    lua_settop(L, level);
    for (int depth = 1; depth <= LEVELS && lua_rawlen(L, level) > 0; depth++) {
        if (depth > 2 && r->budget > FIELDS_BELOW)
            r->budget = FIELDS_BELOW;
        lua_newtable(L);
        add_level(L, r, level, level + 1);
        lua_replace(L, level);
    }
    lua_pop(L, 1);
}
