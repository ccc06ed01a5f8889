/*
 * Names of objects. A hash table leads from the address of an object to its name. It does not keep
 * objects alive, so an address may have been freed and reused. Therefore a hit counts only if the
 * name still leads to the object.
 */
#include "names.h"

#include <lauxlib.h>
#include <string.h>

#include "error.h"
#include "describe.h"
#include "gc_hold.h"
#include "keeper.h"
#include "msgpack.h"
#include "standard.h"
#include "stop.h"
#include "user_calls.h"
#include "value_format.h"

enum { PAYLOADS = 1, STANDARDS, USER_VALUES = 2 };

typedef struct luas__names {
    luas__ptrmap known;       /* object -> number of its payload */
    uint32_t standards;         /* numbers 1 to this are of the standard library */
    uint32_t count;
    uint64_t loaded;            /* fingerprint of package.loaded at the last reading; 0: none */
    luas__buffer text;          /* the payload being built */
} luas__names;

static const char names_key, snapshot_key;

static int release(lua_State *L)
{
    luas__names *n = lua_touserdata(L, 1);
    luas__ptrmap_release(&n->known);
    luas__buffer_release(&n->text);
    lua_pushnil(L); /* the state is closing: later callers make new names */
    lua_rawsetp(L, LUA_REGISTRYINDEX, &names_key);
    return 0;
}

void luas__names_must(lua_State *L, int rc)
{
    if (rc < 0)
        luaL_error(L, "%s", luas_strerror(rc));
}

luas__buffer *luas__names_text(lua_State *L, int names)
{
    luas__names *n = lua_touserdata(L, names);
    return &n->text;
}

int luas__names_add(lua_State *L, int names)
{
    luas__names *n = lua_touserdata(L, names);
    uint32_t number = n->count + 1;
    lua_getiuservalue(L, names, PAYLOADS);
    lua_pushlstring(L, luas__buffer_bytes(&n->text), n->text.len);
    lua_rawseti(L, -2, number);
    lua_pop(L, 1);
    int rc = luas__ptrmap_add(&n->known, lua_topointer(L, -1), &number);
    luas__names_must(L, rc);
    n->count += (uint32_t)rc;
    return rc;
}

int luas__names_may_have(lua_State *L, int index)
{
    int type = lua_type(L, index);
    return type == LUA_TTABLE || type == LUA_TFUNCTION || type == LUA_TUSERDATA
        || (type == LUA_TLIGHTUSERDATA && lua_touserdata(L, index) != NULL);
}

/* The standard library. */

/* Pops the object. If it is a Lua function, the user has replaced the standard one: it is sent
   as a function. */
static void add_standard(lua_State *L, int names, const char *library, const char *field)
{
    luas__names *n = lua_touserdata(L, names);
    if (luas__names_may_have(L, -1) && !(lua_isfunction(L, -1) && !lua_iscfunction(L, -1))) {
        lua_getiuservalue(L, names, STANDARDS);
        const char *name = library == NULL ? lua_pushstring(L, field)
                                           : lua_pushfstring(L, "%s.%s", library, field);
        luas__buffer_truncate(&n->text, 0);
        luas__names_must(L, luas__buffer_append(&n->text, name, strlen(name)));
        lua_pushvalue(L, -3);
        lua_rawset(L, -3);
        lua_pop(L, 1);
        luas__names_add(L, names);
    }
    lua_pop(L, 1);
}

/* Pushes t[field] without metamethods. */
static int raw_field(lua_State *L, int t, const char *field)
{
    t = lua_absindex(L, t);
    lua_pushstring(L, field);
    return lua_rawget(L, t);
}

/* The fields of the table at the top. */
static void add_library(lua_State *L, int names, const char *library)
{
    for (lua_pushnil(L); lua_next(L, -2) != 0;) {
        if (lua_type(L, -2) == LUA_TSTRING)
            add_standard(L, names, library, lua_tostring(L, -2));
        else
            lua_pop(L, 1);
    }
}

/* After [values, tables] at the top (standard.h). */
static void add_standards(lua_State *L, int names)
{
    int tables = lua_gettop(L), values = tables - 1;
    for (const char *const *name = luas__standard_functions; *name != NULL; name++) {
        raw_field(L, values, *name);
        add_standard(L, names, NULL, *name);
    }
    raw_field(L, tables, LUAS__STRING_CLASS);
    add_standard(L, names, NULL, LUAS__STRING_CLASS);
    for (const char *const *name = luas__standard_libraries; *name != NULL; name++) {
        raw_field(L, tables, *name);
        add_standard(L, names, NULL, *name);
        if (raw_field(L, values, *name) == LUA_TTABLE)
            add_library(L, names, *name);
        lua_pop(L, 1);
    }
}

static int make_names(lua_State *L)
{
    luaL_checkstack(L, 20, NULL);
    luas__names *n = lua_newuserdatauv(L, sizeof *n, USER_VALUES);
    int names = lua_gettop(L);
    memset(n, 0, sizeof *n);
    lua_createtable(L, 0, 1);
    lua_pushcfunction(L, release);
    lua_setfield(L, -2, "__gc");
    lua_setmetatable(L, names);
    luas__keeper_must_add(L);
    for (int i = 1; i <= USER_VALUES; i++) {
        lua_newtable(L);
        lua_setiuservalue(L, names, i);
    }
    luas__standard_push(L);
    add_standards(L, names);
    lua_settop(L, names);
    n->standards = n->count;
    lua_pushvalue(L, names);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &names_key);
    return 1;
}

void luas__names_push(lua_State *L)
{
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, &names_key) == LUA_TUSERDATA)
        return;
    lua_pop(L, 1);
    lua_pushcfunction(L, make_names);
    luas__gc_hold_call(L, 0, 1);
}

uint64_t *luas__names_stamp(lua_State *L, int names)
{
    luas__names *n = lua_touserdata(L, names);
    return &n->loaded;
}

const luas__ptrmap *luas__names_map(lua_State *L, int names)
{
    return &((luas__names *)lua_touserdata(L, names))->known;
}

/* Modules. */

int luas__names_is_class(lua_State *L, int table)
{
    static const char *const fields[] = {
        "__index", "__name", "__tostring", "__gc", "__eq", "__close", "__call", "__luas_pack",
        "__add", "__lt", "__len", "__concat", "__newindex", "__metatable", "__le", "__sub", "__mul",
        "__div", "__mod", "__pow", "__unm", "__idiv", "__band", "__bor", "__bxor", "__shl", "__shr",
        "__bnot", "__pairs", "__mode",
    };
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        int type = raw_field(L, table, fields[i]);
        lua_pop(L, 1);
        if (type != LUA_TNIL)
            return 1;
    }
    return 0;
}

void luas__names_forget_modules(lua_State *L, int names)
{
    luas__names *n = lua_touserdata(L, names);
    luas__ptrmap_clear(&n->known);
    lua_getiuservalue(L, names, PAYLOADS);
    lua_getiuservalue(L, names, STANDARDS);
    for (uint32_t i = 1; i <= n->standards; i++) {
        uint32_t number = i;
        lua_rawgeti(L, -2, i);
        lua_rawget(L, -2);
        luas__names_must(L, luas__ptrmap_add(&n->known, lua_topointer(L, -1), &number));
        lua_pop(L, 1);
    }
    lua_pop(L, 2);
    n->count = n->standards;
}

/* From names to objects. */

/* Replaces the object at the top by the part of it that the token names. Returns 0 if there is
   none. */
static int step(lua_State *L, const luas__mp_token *t)
{
    if ((t->type == MP_STR || t->type == MP_BIN) && lua_istable(L, -1)) {
        lua_pushlstring(L, t->bytes, t->len);
        lua_rawget(L, -2);
    } else if (t->type != MP_INT || t->as.i < 1 || t->as.i > 255 || !lua_isfunction(L, -1)
               || lua_getupvalue(L, -1, (int)t->as.i) == NULL) {
        return 0;
    }
    lua_remove(L, -2);
    return !lua_isnil(L, -1);
}

/* Follows the remaining steps. Returns 1, with the object at the top; or 0 if there is none. */
static int follow(lua_State *L, luas__mp_reader *r)
{
    luas__mp_token t;
    int rc;
    while ((rc = luas__mp_read(r, &t)) == 1)
        if (!step(L, &t))
            return 0;
    return rc == 0 && !lua_isnil(L, -1);
}

/* Reads the first token and pushes the loaded module of that name, or nil. */
static int push_loaded(lua_State *L, luas__mp_reader *r, luas__mp_token *module)
{
    int rc = luas__mp_read(r, module);
    if (rc != 1 || (module->type != MP_STR && module->type != MP_BIN))
        return LUAS_EPROTO;
    luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
    lua_pushlstring(L, module->bytes, module->len);
    lua_rawget(L, -2);
    lua_remove(L, -2);
    return 0;
}

static luas__mp_reader reader_of(const char *payload, size_t len)
{
    luas__mp_reader r = {(const unsigned char *)payload, (const unsigned char *)payload + len};
    return r;
}

/* Does this payload still lead to the object? */
static int leads_to(lua_State *L, const char *payload, size_t len, int object)
{
    int top = lua_gettop(L);
    luas__mp_reader r = reader_of(payload, len);
    luas__mp_token module;
    int same = push_loaded(L, &r, &module) == 0 && follow(L, &r) && lua_rawequal(L, -1, object);
    lua_settop(L, top);
    return same;
}

int luas__names_find(lua_State *L, int names, int object)
{
    luas__names *n = lua_touserdata(L, names);
    int64_t number = luas__ptrmap_find(&n->known, lua_topointer(L, object));
    if (number < 0)
        return 0;
    size_t len;
    object = lua_absindex(L, object);
    lua_getiuservalue(L, names, PAYLOADS);
    lua_rawgeti(L, -1, number);
    lua_remove(L, -2);
    const char *payload = lua_tolstring(L, -1, &len);
    if (number <= n->standards)
        return WIRE_STANDARD;
    if (leads_to(L, payload, len, object))
        return WIRE_NAME;
    n->loaded = 0; /* the object may have another name */
    lua_pop(L, 1);
    return 0;
}

int luas__names_find_type(lua_State *L, int metatable)
{
    size_t len;
    metatable = lua_absindex(L, metatable);
    if (raw_field(L, metatable, "__name") != LUA_TSTRING) {
        lua_pop(L, 1);
        return 0;
    }
    lua_pushvalue(L, -1);
    int named = lua_rawget(L, LUA_REGISTRYINDEX) == LUA_TTABLE && lua_rawequal(L, -1, metatable);
    lua_pop(L, 1);
    lua_tolstring(L, -1, &len);
    if (named && len <= UINT8_MAX) {
        unsigned char head[3] = {0xc0, 0xd9, (unsigned char)len};
        lua_pushlstring(L, (const char *)head, sizeof head);
        lua_insert(L, -2);
        lua_concat(L, 2);
        return WIRE_NAME;
    }
    lua_pop(L, 1);
    return 0;
}

const char *luas__names_module(const char *payload, size_t payload_len, size_t *len)
{
    luas__mp_reader r = reader_of(payload, payload_len);
    luas__mp_token t;
    if (luas__mp_read(&r, &t) != 1 || (t.type != MP_STR && t.type != MP_BIN))
        return NULL;
    *len = t.len;
    return t.bytes;
}

int luas__names_is_inside(const char *payload, size_t len)
{
    luas__mp_reader r = reader_of(payload, len);
    luas__mp_token t;
    while (luas__mp_read(&r, &t) == 1)
        if (t.type == MP_INT)
            return 1;
    return 0;
}

static int resolve_standard(lua_State *L, int names, const char *name, size_t len)
{
    lua_getiuservalue(L, names, STANDARDS);
    lua_pushlstring(L, name, len);
    lua_pushvalue(L, -1);
    lua_rawget(L, -3);
    lua_remove(L, -3);
    if (lua_isnil(L, -1)) {
        lua_pushfstring(L, "nothing standard is called '%s' here", lua_tostring(L, -2));
        lua_replace(L, -3);
        lua_pop(L, 1);
        return LUAS_EUNSENT;
    }
    lua_remove(L, -2);
    return 0;
}

static int resolve_type(lua_State *L, luas__mp_reader *r)
{
    luas__mp_token t;
    if (luas__mp_read(r, &t) != 1 || (t.type != MP_STR && t.type != MP_BIN) || r->at != r->end) {
        lua_pushliteral(L, "malformed name of a type");
        return LUAS_EPROTO;
    }
    lua_pushlstring(L, t.bytes, t.len);
    lua_pushvalue(L, -1);
    if (lua_rawget(L, LUA_REGISTRYINDEX) != LUA_TTABLE) {
        lua_pop(L, 1);
        lua_pushfstring(L, "no type '%s' is registered here", lua_tostring(L, -1));
        lua_remove(L, -2);
        return LUAS_EUNSENT;
    }
    lua_remove(L, -2);
    return 0;
}

/* Replaces the nil at the top by the module, or by a message. */
static int load_module(lua_State *L, int names, const luas__mp_token *module)
{
    ((luas__names *)lua_touserdata(L, names))->loaded = 0;
    lua_pop(L, 1);
    int rc = resolve_standard(L, names, "require", 7);
    if (rc < 0)
        return rc;
    lua_pushlstring(L, module->bytes, module->len);
    lua_pushvalue(L, -1);
    lua_insert(L, -3);
    luas__user_calls_note(L);
    if (lua_pcall(L, 1, 1, 0) != LUA_OK) {
        if (luas__stop_is(L, -1))
            return lua_error(L);
        int raised = lua_gettop(L), name = raised - 1;
        if (!luas__describe_error(L, raised))
            return lua_error(L);
        lua_pushfstring(L, "module '%s' cannot be loaded here: %s", lua_tostring(L, name),
                        lua_tostring(L, -1));
        lua_replace(L, name);
        lua_settop(L, name);
        return LUAS_EUNSENT;
    }
    lua_remove(L, -2);
    return 0;
}

int luas__names_resolve(lua_State *L, int names, int type, const char *payload, size_t len)
{
    int top = lua_gettop(L);
    luas__mp_reader r = reader_of(payload, len), start;
    luas__mp_token module;
    names = lua_absindex(L, names);
    luaL_checkstack(L, 10, NULL);
    if (type == WIRE_STANDARD)
        return resolve_standard(L, names, payload, len);
    start = r;
    if (luas__mp_read(&start, &module) == 1 && module.type == MP_NIL)
        return resolve_type(L, &start);
    if (push_loaded(L, &r, &module) < 0) {
        lua_pushliteral(L, "malformed name");
        return LUAS_EPROTO;
    }
    int rc = lua_isnil(L, -1) ? load_module(L, names, &module) : 0;
    if (rc < 0 || follow(L, &r))
        return rc;
    lua_settop(L, top);
    lua_pushlstring(L, module.bytes, module.len);
    lua_pushfstring(L, "module '%s' is not the same here: it lacks a field", lua_tostring(L, -1));
    lua_remove(L, -2);
    return LUAS_EUNSENT;
}

/* What a worker inherited. */

/* Room that is made at once: growing the table, or counting first, costs as much as filling it.
   */
enum { USUAL_GLOBALS = 64 };

void luas__names_snapshot(lua_State *L)
{
    luaL_checkstack(L, 10, NULL);
    lua_pushglobaltable(L);
    int globals = lua_gettop(L);
    lua_createtable(L, 0, USUAL_GLOBALS);
    for (lua_pushnil(L); lua_next(L, globals) != 0;) {
        lua_pushvalue(L, -2);
        lua_insert(L, -2);
        lua_rawset(L, globals + 1);
    }
    lua_remove(L, globals);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &snapshot_key);
}

void luas__names_push_snapshot(lua_State *L)
{
    lua_rawgetp(L, LUA_REGISTRYINDEX, &snapshot_key);
}

int luas__names_inherited(lua_State *L, int name)
{
    int top = lua_gettop(L);
    name = lua_absindex(L, name);
    int same = 0;
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, &snapshot_key) == LUA_TTABLE) {
        lua_pushvalue(L, name);
        if (lua_rawget(L, -2) != LUA_TNIL) {
            lua_pushglobaltable(L);
            lua_pushvalue(L, name);
            lua_rawget(L, -2);
            same = lua_rawequal(L, -1, -3);
        }
    }
    lua_settop(L, top);
    return same;
}
