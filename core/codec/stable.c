/*
 * Stable bytes. Nothing recurses with the value: open tables are frames, of which each has its
 * table on the Lua stack, and its sorted keys on a stack of keys. Functions, upvalues and globals
 * wait in a list of parts.
 */
#include "stable.h"

#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "array.h"
#include "bytecode.h"
#include "encoder.h"
#include "names.h"
#include "names_scan.h"
#include "stable_names.h"
#include "user_calls.h"
#include "value_format.h"
#include "xxh.h"

#define WALK "luas.stable"

/* type: that of Lua; an integer is INTEGER. */
enum { INTEGER = -2 };

typedef struct key {
    int type;
    union { lua_Integer i; lua_Number n; const char *s; } as;
    size_t len;
} key;

typedef struct frame {
    size_t from, at, to;    /* keys of the table; the next one is at `at` */
    int base;               /* of the table on the stack */
    bool in_class;          /* its metatable is being walked */
} frame;

/* A userdata, so that what it holds is freed whatever is raised. */
typedef struct walk {
    luas__buffer *out;
    const char *what;
    key *keys;
    size_t nkeys, cap_keys;
    frame *frames;
    size_t nframes, cap_frames;
    luas__ptrmap objects, cells;
    luas__buffer dump, path;
    const void *globals;
    lua_Integer parts, done;
    bool is_plain;          /* the part has turned out to be a function, which is a part of its own */
} walk;

/* The stack of a walk. QUEUE: three values for each part: what it is about, path, place. WANTED: a set of
   names of globals. */
enum { S_IGNORE = 1, S_MODULES, S_MET, S_PARTS, S_WALK, S_NAMES, S_QUEUE, S_WANTED, S_FIRST };

/* The place of a part that is a global: its value is the name. */
static const char of_global[] = "";

static void release(walk *w)
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

static void must(lua_State *L, int rc)
{
    if (rc < 0)
        luaL_error(L, "luas: %s", luas_strerror(rc));
}

static void put(lua_State *L, const walk *w, const void *bytes, size_t len)
{
    must(L, luas__buffer_append(w->out, bytes, len));
}

static void put_number(lua_State *L, const walk *w, char tag, uint64_t number)
{
    unsigned char bytes[9] = {(unsigned char)tag};
    luas__mp_put_8(bytes + 1, number);
    put(L, w, bytes, sizeof bytes);
}

static void put_text(lua_State *L, const walk *w, char tag, const char *text, size_t len)
{
    put_number(L, w, tag, len);
    put(L, w, text, len);
}

/* ---- paths ---- */

static void add(lua_State *L, walk *w, const char *text)
{
    must(L, luas__buffer_append(&w->path, text, strlen(text)));
}

static void add_field(lua_State *L, walk *w, const frame *f)
{
    char text[120];
    const key *k = &w->keys[f->at - 1];
    if (f->in_class)
        snprintf(text, sizeof text, ", its metatable");
    else if (k->type == LUA_TSTRING)
        snprintf(text, sizeof text, ", field '%.80s'", k->as.s);
    else if (k->type == INTEGER)
        snprintf(text, sizeof text, ", [%lld]", (long long)k->as.i);
    else
        snprintf(text, sizeof text, ", a field");
    add(L, w, text);
}

/* Pushes the path to the value that is looked at: of its part, then fields. */
static void push_path(lua_State *L, walk *w)
{
    luas__buffer_truncate(&w->path, 0);
    if (w->done > 0)
        lua_rawgeti(L, S_QUEUE, 3 * w->done - 1);
    else
        lua_pushstring(L, w->what);
    add(L, w, lua_isnil(L, -1) ? "the function" : lua_tostring(L, -1));
    lua_pop(L, 1);
    for (size_t i = 0; i < w->nframes; i++)
        if (w->frames[i].in_class || w->frames[i].at > w->frames[i].from)
            add_field(L, w, &w->frames[i]);
    lua_pushlstring(L, luas__buffer_bytes(&w->path), w->path.len);
}

/* The place of the part in the script, in brackets, or nothing. */
static const char *push_place(lua_State *L, const walk *w)
{
    if (w->done == 0 || lua_rawgeti(L, S_QUEUE, 3 * w->done) != LUA_TSTRING || lua_rawlen(L, -1) == 0)
        return lua_pushliteral(L, "");
    return lua_pushfstring(L, " (%s)", lua_tostring(L, -1));
}

/* Pushes what the user can do about it. `path` ends with the name that can be ignored, in quotes, if that is
   a field; a part begins with it. */
static const char *push_remedy(lua_State *L, const walk *w, const char *path)
{
    const char *from = w->nframes > 0 ? strrchr(path, ',') : path, *end = NULL;
    from = from != NULL ? strchr(from, '\'') : NULL;
    if (from != NULL)
        end = strchr(from + 1, '\'');
    if (end != NULL) {
        lua_pushlstring(L, from + 1, (size_t)(end - from - 1));
        lua_pushfstring(L, "ignore = {\"%s\"} leaves it out", lua_tostring(L, -1));
    } else {
        lua_pushliteral(L, "ignore = {...} names what is left out");
    }
    if (strncmp(path, "item", 4) == 0)
        lua_pushfstring(L, "%s, or key = function(x) ... end says what counts", lua_tostring(L, -1));
    return lua_tostring(L, -1);
}

static int refuse(lua_State *L, walk *w, const char *what)
{
    push_path(L, w);
    const char *path = lua_tostring(L, -1), *place = push_place(L, w), *remedy = push_remedy(L, w, path);
    lua_pushfstring(L, "%s%s: %s has no stable bytes: %s", path, place, what, remedy);
    return lua_error(L);
}

/* ---- parts ---- */

/* Adds a part about the value at the top (popped). */
static void add_part(lua_State *L, walk *w, const char *path, const char *place)
{
    lua_rawseti(L, S_QUEUE, 3 * w->parts + 1);
    lua_pushstring(L, path);
    lua_rawseti(L, S_QUEUE, 3 * w->parts + 2);
    lua_pushstring(L, place);
    lua_rawseti(L, S_QUEUE, 3 * w->parts + 3);
    w->parts++;
}

static bool is_ignored(lua_State *L, const char *name)
{
    if (name == NULL || !lua_istable(L, S_IGNORE))
        return false;
    lua_pushstring(L, name);
    bool is = lua_rawget(L, S_IGNORE) != LUA_TNIL;
    lua_pop(L, 1);
    return is;
}

static bool is_file(lua_State *L, const char *module, size_t len)
{
    if (!lua_istable(L, S_MODULES))
        return true;
    lua_pushlstring(L, module, len);
    lua_gettable(L, S_MODULES);
    bool is = lua_toboolean(L, -1);
    lua_pop(L, 1);
    if (is && lua_istable(L, S_MET)) {
        lua_pushlstring(L, module, len);
        lua_pushboolean(L, 1);
        lua_rawset(L, S_MET);
    }
    return is;
}

/* ---- names ---- */

/* Pops the payload of a name of the object below it. */
static bool put_name(lua_State *L, const walk *w, int type)
{
    size_t len, module_len;
    int object = lua_gettop(L) - 1;
    const char *payload = lua_tolstring(L, -1, &len);
    const char *module = type == WIRE_NAME ? luas__names_module(payload, len, &module_len) : NULL;
    if (module != NULL) {
        lua_pushvalue(L, -2);
        if (luas__stable_names_push(L, S_NAMES)) {
            module = payload = lua_tolstring(L, -1, &len);
            module_len = strcspn(module, "\1");
        }
    }
    bool is_known = module == NULL || is_file(L, module, module_len);
    if (is_known)
        put_text(L, w, module != NULL ? 'N' : 'S', payload, len);
    lua_settop(L, object);
    return is_known;
}

/* Has the object at the top a name that stands for a file, or for the standard library? */
static bool put_named(lua_State *L, const walk *w)
{
    int type = luas__names_find(L, S_NAMES, lua_gettop(L));
    if (type == 0 && lua_istable(L, -1))
        type = luas__names_find_type(L, lua_gettop(L));
    return type != 0 && put_name(L, w, type);
}

/* ---- tables ---- */

static int compare(const void *a, const void *b)
{
    const key *x = a, *y = b;
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
static bool read_key(lua_State *L, int index, key *k)
{
    *k = (key){.type = lua_type(L, index)};
    switch (k->type) {
    case LUA_TBOOLEAN: k->as.i = lua_toboolean(L, index); return true;
    case LUA_TSTRING: k->as.s = lua_tolstring(L, index, &k->len); return true;
    case LUA_TNUMBER:
        if (lua_isinteger(L, index)) {
            k->type = INTEGER;
            k->as.i = lua_tointeger(L, index);
        } else {
            k->as.n = lua_tonumber(L, index);
        }
        return true;
    default: return false;
    }
}

static void push_key(lua_State *L, const key *k)
{
    switch (k->type) {
    case LUA_TBOOLEAN: lua_pushboolean(L, k->as.i != 0); break;
    case LUA_TNUMBER: lua_pushnumber(L, k->as.n); break;
    case LUA_TSTRING: lua_pushlstring(L, k->as.s, k->len); break;
    default: lua_pushinteger(L, k->as.i);
    }
}

/* Collects the keys of the table at the top, sorted. */
static void collect_keys(lua_State *L, walk *w)
{
    int table = lua_gettop(L);
    size_t from = w->nkeys;
    bool sorted = true;
    for (lua_pushnil(L); lua_next(L, table) != 0; lua_pop(L, 1)) {
        must(L, luas__array_reserve(&w->keys, &w->cap_keys, w->nkeys + 1, sizeof *w->keys));
        key *k = &w->keys[w->nkeys];
        if (!read_key(L, table + 1, k))
            refuse(L, w, lua_istable(L, table + 1) ? "a table as a key" : "such a key");
        if (k->type == LUA_TSTRING && is_ignored(L, k->as.s))
            continue;
        sorted = sorted && (w->nkeys == from || compare(k - 1, k) < 0);
        w->nkeys++;
    }
    if (!sorted)
        qsort(w->keys + from, w->nkeys - from, sizeof *w->keys, compare);
}

/* Opens the table at the top, which stays there. */
static void open_table(lua_State *L, walk *w, char tag)
{
    must(L, luas__array_reserve(&w->frames, &w->cap_frames, w->nframes + 1, sizeof *w->frames));
    if (!lua_checkstack(L, LUA_MINSTACK))
        luaL_error(L, "luas: %s", luas_strerror(LUAS_EDEEP));
    size_t from = w->nkeys;
    collect_keys(L, w);
    w->frames[w->nframes++] = (frame){.from = from, .at = from, .to = w->nkeys, .base = lua_gettop(L)};
    put_number(L, w, tag, w->nkeys - from);
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
static bool put_handle(lua_State *L, const walk *w)
{
    static const char prefix[] = "luas.";
    if (luaL_getmetafield(L, -1, "__name") == LUA_TNIL)
        return false;
    size_t len = 0;
    const char *name = lua_type(L, -1) == LUA_TSTRING ? lua_tolstring(L, -1, &len) : "";
    bool is = strncmp(name, prefix, sizeof prefix - 1) == 0;
    if (is)
        put_text(L, w, 'H', name, len);
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
static void put_function(lua_State *L, walk *w, uint32_t number)
{
    lua_Debug info;
    char place[LUA_IDSIZE + 16];
    if (lua_iscfunction(L, -1))
        refuse(L, w, describe(L));
    put_number(L, w, 'F', number);
    w->is_plain = w->nframes == 0;
    lua_pushvalue(L, -1);
    lua_getinfo(L, ">S", &info);
    snprintf(place, sizeof place, "%s:%d", info.short_src, info.linedefined);
    push_path(L, w);
    lua_insert(L, -2);
    add_part(L, w, lua_tostring(L, -2), place);
    lua_pop(L, 1);
}

static void put_scalar(lua_State *L, const walk *w)
{
    if (lua_type(L, -1) == LUA_TNUMBER && lua_tonumber(L, -1) != lua_tonumber(L, -1))
        put(L, w, "\xcb" "nan", 4);
    else
        must(L, luas__scalar_put(L, lua_gettop(L), w->out, WIRE_MAX));
    lua_pop(L, 1);
}

static void put_light(lua_State *L, walk *w)
{
    if (lua_touserdata(L, -1) != NULL)
        refuse(L, w, "light userdata");
    put(L, w, "L", 1);
    lua_pop(L, 1);
}

/* An object that has no name, and was not met before: pops it, or opens it. */
static void put_new(lua_State *L, walk *w, uint32_t number)
{
    if (packs(L)) {
        pack(L);
        open_table(L, w, 'P');
    } else if (lua_istable(L, -1)) {
        open_table(L, w, 'T');
    } else if (lua_isfunction(L, -1)) {
        put_function(L, w, number);
    } else {
        refuse(L, w, describe(L));
    }
}

static void put_object(lua_State *L, walk *w)
{
    const void *address = lua_topointer(L, -1);
    uint32_t number = w->objects.count;
    if (address == w->globals) {
        put(L, w, "E", 1);
    } else if (!put_named(L, w) && !put_handle(L, w)) {
        int rc = luas__ptrmap_add(&w->objects, address, &number);
        must(L, rc);
        if (rc > 0) {
            put_new(L, w, number);
            return;
        }
        put_number(L, w, 'R', number);
    }
    lua_pop(L, 1);
}

/* Pops the value at the top, or opens a frame for it. */
static void put_value(lua_State *L, walk *w)
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
static void go_on(lua_State *L, walk *w)
{
    frame *f = &w->frames[w->nframes - 1];
    if (f->at < f->to) {
        const key k = w->keys[f->at++];
        push_key(L, &k);
        lua_pushvalue(L, -1);
        put_scalar(L, w);
        lua_rawget(L, f->base);
        put_value(L, w);
    } else if (!f->in_class && lua_getmetatable(L, f->base)) {
        f->in_class = true;
        put(L, w, "M", 1);
        put_value(L, w);
    } else {
        w->nkeys = f->from;
        w->nframes--;
        lua_settop(L, f->base - 1);
    }
}

/* Pops the value at the top, after all that is in it. */
static void put_whole(lua_State *L, walk *w)
{
    put_value(L, w);
    bool is_plain = w->is_plain;
    while (w->nframes > 0)
        go_on(L, w);
    w->is_plain = is_plain;
}

/* ---- functions ---- */

static int add_dump(lua_State *L, const void *bytes, size_t len, void *context)
{
    (void)L;
    return luas__buffer_append(context, bytes, len);
}

typedef struct user {
    lua_State *L;
    walk *w;
    bool requires;          /* it may load modules: its constants are looked at */
} user;

/* A global that a function names is a part; it is told from others by its place. */
static int want(void *context, const char *name, size_t len, int is_written)
{
    user *u = context;
    lua_State *L = u->L;
    (void)is_written;
    lua_pushlstring(L, name, len);
    u->requires |= strcmp(lua_tostring(L, -1), "require") == 0;
    lua_pushvalue(L, -1);
    bool is_new = lua_rawget(L, S_WANTED) == LUA_TNIL && !is_ignored(L, lua_tostring(L, -2));
    lua_pop(L, 1);
    if (!is_new) {
        lua_pop(L, 1);
        return 0;
    }
    lua_pushvalue(L, -1);
    lua_pushboolean(L, 1);
    lua_rawset(L, S_WANTED);
    lua_pushfstring(L, "global '%s'", lua_tostring(L, -1));
    lua_insert(L, -2);
    add_part(L, u->w, lua_tostring(L, -2), of_global);
    lua_pop(L, 1);
    return 0;
}

static int skip_constant(void *context, const char *name, size_t len, int is_written)
{
    user *u = context;
    (void)is_written;
    if (u->requires && len < LUAL_BUFFERSIZE)
        (void)is_file(u->L, name, len);
    return 0;
}

static bool is_environment(lua_State *L, const walk *w, const char *name)
{
    return lua_topointer(L, -1) == w->globals || (lua_istable(L, -1) && strcmp(name, "_ENV") == 0);
}

/* Pops the upvalue i of the function at `f`, which becomes a part if it is new. */
static void put_upvalue(lua_State *L, walk *w, int f, int i, const char *name)
{
    uint32_t number = w->cells.count;
    if (lua_topointer(L, -1) == w->globals || is_ignored(L, name)) {
        put(L, w, "I", 1);
        lua_pop(L, 1);
        return;
    }
    int rc = luas__ptrmap_add(&w->cells, lua_upvalueid(L, f, i), &number);
    must(L, rc);
    put_number(L, w, rc > 0 ? 'U' : 'C', number);
    if (rc == 0) {
        lua_pop(L, 1);
        return;
    }
    lua_rawgeti(L, S_QUEUE, 3 * w->done - 1);
    lua_pushfstring(L, "upvalue '%s' of %s", name, lua_tostring(L, -1));
    lua_rawgeti(L, S_QUEUE, 3 * w->done);
    lua_pushvalue(L, -4);
    add_part(L, w, lua_tostring(L, -3), lua_tostring(L, -2));
    lua_pop(L, 4);
}

static void put_upvalues(lua_State *L, walk *w, int f, luas__upvalues *env)
{
    const char *name;
    for (int i = 1; (name = lua_getupvalue(L, f, i)) != NULL; i++) {
        if (is_environment(L, w, name))
            luas__bytecode_set_upvalue(env, (unsigned)i - 1);
        put_upvalue(L, w, f, i, name);
    }
}

/* Puts the function at the top (popped). */
static void put_code(lua_State *L, walk *w)
{
    luas__upvalues env = {{0, 0, 0, 0}};
    user u = {.L = L, .w = w};
    luas__buffer_truncate(&w->dump, 0);
    must(L, lua_dump(L, add_dump, &w->dump, 1) != 0 ? LUAS_ENOMEM : 0);
    put_upvalues(L, w, lua_gettop(L), &env);
    must(L, luas__bytecode_names(luas__buffer_bytes(&w->dump), w->dump.len, &env, want, &u));
    must(L, luas__bytecode_bare(luas__buffer_bytes(&w->dump), w->dump.len, w->out, skip_constant, &u));
    lua_pop(L, 1);
}

/* ---- from part to part ---- */

/* Appends what the part was to the list of parts. */
static void note_part(lua_State *L, const walk *w, size_t start)
{
    luas__hash hash = luas__xxh_of(luas__buffer_bytes(w->out) + start, w->out->len - start);
    lua_createtable(L, 3, 0);
    for (int i = 2; i <= 3; i++) {
        lua_rawgeti(L, S_QUEUE, 3 * (w->done - 1) + i);
        lua_rawseti(L, -2, i - 1);
    }
    lua_pushlstring(L, (const char *)&hash, sizeof hash);
    lua_rawseti(L, -2, 3);
    lua_rawseti(L, S_PARTS, (lua_Integer)lua_rawlen(L, S_PARTS) + 1);
}

static void push_global(lua_State *L)
{
    lua_pushglobaltable(L);
    lua_insert(L, -2);
    lua_rawget(L, -2);
    lua_remove(L, -2);
}

static void put_part(lua_State *L, walk *w)
{
    size_t start = w->out->len;
    w->done++;
    lua_rawgeti(L, S_QUEUE, 3 * w->done - 2);
    lua_rawgeti(L, S_QUEUE, 3 * w->done);
    bool is_global = lua_rawlen(L, -1) == 0;
    lua_pop(L, 1);
    w->is_plain = false;
    if (is_global)
        push_global(L);
    if (!is_global && lua_isfunction(L, -1) && !lua_iscfunction(L, -1)
        && luas__ptrmap_find(&w->objects, lua_topointer(L, -1)) >= 0)
        put_code(L, w);
    else
        put_whole(L, w);
    if (lua_istable(L, S_PARTS) && !w->is_plain)
        note_part(L, w, start);
}

typedef struct call {
    luas__buffer *out;
    const char *what;
} call;

/* Arguments: the four tables, the call, values. */
static int run(lua_State *L)
{
    const call *c = lua_touserdata(L, S_WALK);
    int n = lua_gettop(L) - S_WALK;
    luaL_checkstack(L, n + LUA_MINSTACK, NULL);
    walk *w = lua_newuserdatauv(L, sizeof *w, 0);
    *w = (walk){.out = c->out, .what = c->what};
    if (luaL_newmetatable(L, WALK)) {
        lua_pushcfunction(L, free_walk);
        lua_setfield(L, -2, "__gc");
    }
    lua_setmetatable(L, -2);
    lua_replace(L, S_WALK);
    luas__names_push(L);
    lua_newtable(L);
    lua_newtable(L);
    lua_rotate(L, S_WALK + 1, 3);
    if (lua_istable(L, S_PARTS))
        luas__names_scan(L, S_NAMES);
    else if (n > 0)
        luas__names_scan_for(L, S_FIRST);
    lua_pushglobaltable(L);
    w->globals = lua_topointer(L, -1);
    lua_pop(L, 1);
    for (int i = 0; i < n; i++) {
        lua_pushvalue(L, S_FIRST + i);
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
    return lua_pcall(L, S_WALK + n, 0, 0) == LUA_OK ? 0 : LUAS_EUNSENT;
}
