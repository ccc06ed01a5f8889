/* Values as stable bytes. */
#include "stable.h"

#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "encoder.h"
#include "names.h"
#include "names_scan.h"
#include "stable_names.h"
#include "stable_walk.h"
#include "user_calls.h"
#include "value_format.h"
#include "xxh.h"

#define WALK "luas.stable"

static void release(luas__stable_walk *w)
{
    free(w->keys);
    free(w->frames);
    luas__ptrmap_release(&w->objects);
    luas__ptrmap_release(&w->cells);
    luas__buffer_release(&w->dump);
    luas__buffer_release(&w->path);
    w->keys = NULL;
    w->frames = NULL;
}

static int free_walk(lua_State *L)
{
    release(lua_touserdata(L, 1));
    return 0;
}

/* ---- names ---- */

/* Pops the payload of a name of the object below it. */
static bool put_name(lua_State *L, const luas__stable_walk *w, int type)
{
    size_t len, module_len;
    int object = lua_gettop(L) - 1;
    const char *payload = lua_tolstring(L, -1, &len);
    const char *module = type == WIRE_NAME ? luas__names_module(payload, len, &module_len) : NULL;
    if (module != NULL) {
        lua_pushvalue(L, -2);
        if (luas__stable_names_push(L, LUAS__STABLE_NAMES)) {
            module = payload = lua_tolstring(L, -1, &len);
            module_len = strcspn(module, "\1");
        }
    }
    bool is_known = module == NULL || luas__stable_walk_is_file(L, module, module_len);
    if (is_known)
        luas__stable_walk_text(L, w, module != NULL ? 'N' : 'S', payload, len);
    lua_settop(L, object);
    return is_known;
}

/* Has the object at the top a name that stands for a file, or for the standard library? */
static bool put_named(lua_State *L, const luas__stable_walk *w)
{
    int type = luas__names_find(L, LUAS__STABLE_NAMES, lua_gettop(L));
    if (type == 0 && lua_istable(L, -1))
        type = luas__names_find_type(L, lua_gettop(L));
    return type != 0 && put_name(L, w, type);
}

/* ---- objects ---- */

/* Is the value at the top an object that packs itself? */
static bool packs(lua_State *L)
{
    bool is = luaL_getmetafield(L, -1, "__luas_pack") != LUA_TNIL;
    lua_pop(L, is);
    return is;
}

/* An object of the library's (a pool, what tasks share) only says what it is: what it stands for is no part of
   the function that has it. */
static bool put_handle(lua_State *L, const luas__stable_walk *w)
{
    static const char prefix[] = "luas.";
    if (luaL_getmetafield(L, -1, "__name") == LUA_TNIL)
        return false;
    size_t len = 0;
    const char *name = lua_type(L, -1) == LUA_TSTRING ? lua_tolstring(L, -1, &len) : "";
    bool is = strncmp(name, prefix, sizeof prefix - 1) == 0;
    if (is)
        luas__stable_walk_text(L, w, 'H', name, len);
    lua_pop(L, 1);
    return is;
}

/* Replaces the object at the top by a list: its class, and what it packs itself into. */
static void pack(lua_State *L)
{
    int object = lua_gettop(L);
    luaL_getmetafield(L, object, "__luas_pack");
    lua_pushvalue(L, object);
    luas__user_calls_note(L);
    lua_call(L, 1, LUA_MULTRET);
    int n = lua_gettop(L) - object;
    lua_createtable(L, n + 1, 0);
    lua_insert(L, object + 1);
    for (int i = n; i > 0; i--)
        lua_rawseti(L, object + 1, i + 1);
    lua_getmetatable(L, object);
    lua_rawseti(L, object + 1, 1);
    lua_remove(L, object);
}

static const char *describe(lua_State *L)
{
    luas__encode_path_describe(L, lua_gettop(L));
    return lua_tostring(L, -1);
}

/* The function at the top (popped) waits as a part of its own. */
static void put_function(lua_State *L, luas__stable_walk *w, uint32_t number)
{
    lua_Debug info;
    char place[LUA_IDSIZE + 16];
    if (lua_iscfunction(L, -1))
        luas__stable_walk_refuse(L, w, describe(L));
    luas__stable_walk_number(L, w, 'F', number);
    w->is_plain = w->nframes == 0;
    lua_pushvalue(L, -1);
    lua_getinfo(L, ">S", &info);
    snprintf(place, sizeof place, "%s:%d", info.short_src, info.linedefined);
    luas__stable_walk_push_path(L, w);
    lua_insert(L, -2);
    luas__stable_walk_add_part(L, w, lua_tostring(L, -2), place);
    lua_pop(L, 1);
}

static void put_scalar(lua_State *L, const luas__stable_walk *w)
{
    if (lua_type(L, -1) == LUA_TNUMBER && lua_tonumber(L, -1) != lua_tonumber(L, -1))
        luas__stable_walk_bytes(L, w, "\xcb" "nan", 4);
    else
        luas__stable_walk_must(L, luas__scalar_put(L, lua_gettop(L), w->out, WIRE_MAX));
    lua_pop(L, 1);
}

static void put_light(lua_State *L, luas__stable_walk *w)
{
    if (lua_touserdata(L, -1) != NULL)
        luas__stable_walk_refuse(L, w, "light userdata");
    luas__stable_walk_bytes(L, w, "L", 1);
    lua_pop(L, 1);
}

/* An object that has no name, and was not met before: pops it, or opens it. */
static void put_new(lua_State *L, luas__stable_walk *w, uint32_t number)
{
    if (packs(L)) {
        pack(L);
        luas__stable_tables_open(L, w, 'P');
    } else if (lua_istable(L, -1)) {
        luas__stable_tables_open(L, w, 'T');
    } else if (lua_isfunction(L, -1)) {
        put_function(L, w, number);
    } else {
        luas__stable_walk_refuse(L, w, describe(L));
    }
}

static void put_object(lua_State *L, luas__stable_walk *w)
{
    const void *address = lua_topointer(L, -1);
    uint32_t number = w->objects.count;
    if (address == w->globals) {
        luas__stable_walk_bytes(L, w, "E", 1);
    } else if (!put_named(L, w) && !put_handle(L, w)) {
        int rc = luas__ptrmap_add(&w->objects, address, &number);
        luas__stable_walk_must(L, rc);
        if (rc > 0) {
            put_new(L, w, number);
            return;
        }
        luas__stable_walk_number(L, w, 'R', number);
    }
    lua_pop(L, 1);
}

/* Pops the value at the top, or opens a frame for it. */
static void put_value(lua_State *L, luas__stable_walk *w)
{
    w->is_plain = false;
    switch (lua_type(L, -1)) {
    case LUA_TNIL: case LUA_TBOOLEAN: case LUA_TNUMBER: case LUA_TSTRING:
        put_scalar(L, w);
        break;
    case LUA_TLIGHTUSERDATA:
        put_light(L, w);
        break;
    default:
        put_object(L, w);
    }
}

/* The next pair, or the metatable, of the innermost frame; or its end. */
static void go_on(lua_State *L, luas__stable_walk *w)
{
    luas__stable_frame *f = &w->frames[w->nframes - 1];
    if (f->at < f->to) {
        const luas__stable_key k = w->keys[f->at++];
        luas__stable_tables_push_key(L, &k);
        lua_pushvalue(L, -1);
        put_scalar(L, w);
        lua_rawget(L, f->base);
        put_value(L, w);
    } else if (!f->in_class && lua_getmetatable(L, f->base)) {
        f->in_class = true;
        luas__stable_walk_bytes(L, w, "M", 1);
        put_value(L, w);
    } else {
        w->nkeys = f->from;
        w->nframes--;
        lua_settop(L, f->base - 1);
    }
}

/* Pops the value at the top, after all that is in it. */
static void put_whole(lua_State *L, luas__stable_walk *w)
{
    put_value(L, w);
    bool is_plain = w->is_plain;
    while (w->nframes > 0)
        go_on(L, w);
    w->is_plain = is_plain;
}

/* ---- from part to part ---- */

/* Appends what the part was to the list of parts. */
static void note_part(lua_State *L, const luas__stable_walk *w, size_t start)
{
    luas__hash hash = luas__xxh_of(luas__buffer_bytes(w->out) + start, w->out->len - start);
    lua_createtable(L, 3, 0);
    for (int i = 2; i <= 3; i++) {
        lua_rawgeti(L, LUAS__STABLE_QUEUE, 3 * (w->done - 1) + i);
        lua_rawseti(L, -2, i - 1);
    }
    lua_pushlstring(L, (const char *)&hash, sizeof hash);
    lua_rawseti(L, -2, 3);
    lua_rawseti(L, LUAS__STABLE_PARTS, (lua_Integer)lua_rawlen(L, LUAS__STABLE_PARTS) + 1);
}

static void push_global(lua_State *L)
{
    lua_pushglobaltable(L);
    lua_insert(L, -2);
    lua_rawget(L, -2);
    lua_remove(L, -2);
}

static void put_part(lua_State *L, luas__stable_walk *w)
{
    size_t start = w->out->len;
    w->done++;
    lua_rawgeti(L, LUAS__STABLE_QUEUE, 3 * w->done - 2);
    lua_rawgeti(L, LUAS__STABLE_QUEUE, 3 * w->done);
    bool is_global = lua_rawlen(L, -1) == 0;
    lua_pop(L, 1);
    w->is_plain = false;
    if (is_global)
        push_global(L);
    if (!is_global && lua_isfunction(L, -1) && !lua_iscfunction(L, -1)
        && luas__ptrmap_find(&w->objects, lua_topointer(L, -1)) >= 0)
        luas__stable_functions_put(L, w);
    else
        put_whole(L, w);
    if (lua_istable(L, LUAS__STABLE_PARTS) && !w->is_plain)
        note_part(L, w, start);
}

typedef struct call {
    luas__buffer *out;
    const char *what;
} call;

/* Arguments: the four tables, the call, values. */
static int run(lua_State *L)
{
    const call *c = lua_touserdata(L, LUAS__STABLE_WALK);
    int n = lua_gettop(L) - LUAS__STABLE_WALK;
    luaL_checkstack(L, n + LUA_MINSTACK, NULL);
    luas__stable_walk *w = lua_newuserdatauv(L, sizeof *w, 0);
    *w = (luas__stable_walk){.out = c->out, .what = c->what};
    if (luaL_newmetatable(L, WALK)) {
        lua_pushcfunction(L, free_walk);
        lua_setfield(L, -2, "__gc");
    }
    lua_setmetatable(L, -2);
    lua_replace(L, LUAS__STABLE_WALK);
    luas__names_push(L);
    lua_newtable(L);
    lua_newtable(L);
    lua_rotate(L, LUAS__STABLE_WALK + 1, 3);
    if (lua_istable(L, LUAS__STABLE_PARTS))
        luas__names_scan(L, LUAS__STABLE_NAMES);
    else if (n > 0)
        luas__names_scan_for(L, LUAS__STABLE_FIRST);
    lua_pushglobaltable(L);
    w->globals = lua_topointer(L, -1);
    lua_pop(L, 1);
    for (int i = 0; i < n; i++) {
        lua_pushvalue(L, LUAS__STABLE_FIRST + i);
        put_whole(L, w);
    }
    while (w->done < w->parts)
        put_part(L, w);
    release(w);
    return 0;
}

static void push_option(lua_State *L, int index)
{
    if (index != 0)
        lua_pushvalue(L, index);
    else
        lua_pushnil(L);
}

int luas__stable_put(lua_State *L, int first, int n, luas__buffer *out, const luas__stable_options *options)
{
    call c = {.out = out, .what = options->what};
    luaL_checkstack(L, n + LUA_MINSTACK, NULL);
    lua_pushcfunction(L, run);
    push_option(L, options->ignore);
    push_option(L, options->modules);
    push_option(L, options->met);
    push_option(L, options->parts);
    lua_pushlightuserdata(L, &c);
    for (int i = 0; i < n; i++)
        lua_pushvalue(L, first + i);
    return lua_pcall(L, LUAS__STABLE_WALK + n, 0, 0) == LUA_OK ? 0 : LUAS_EUNSENT;
}
