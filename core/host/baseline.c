/*
 * Makes baselines. From object to object, those nearest to the module first.
 */
#include "baseline.h"

#include <lauxlib.h>
#include <lualib.h>
#include <stdbool.h>
#include <string.h>

#include "baseline_part.h"
#include "buffer.h"
#include "gc_hold.h"
#include "module_tables.h"
#include "names_scan.h"
#include "settings.h"
#include "space.h"
#include "value_format.h"

/* The most objects, fields of all tables, and upvalues of a function that are looked at. */
enum { MOST_OBJECTS = 1000, MOST_FIELDS = 16000, MOST_UPVALUES = 255, SLOTS = 20 };

/* Stack indices. INDICES: the objects that were met, and light userdata of upvalues. */
enum { NAME = 1, NAMES, MODULE, WATCHED, MET, MAKER, INDICES, OBJECTS, VALUES, KEYS, OWN_NAMES, TOP = OWN_NAMES };

static const char class;

typedef struct maker {
    luas__buffer checks, fields;
    uint32_t objects;
    uint32_t watched;       /* so many objects, the first ones, have their fields watched */
    bool is_of_state;
} maker;

static void must(lua_State *L, int rc)
{
    if (rc < 0)
        luaL_error(L, "not enough memory");
}

/* ---- what is looked at ---- */

static bool begins_with(const char *text, const char *start)
{
    return text != NULL && strncmp(text, start, strlen(start)) == 0;
}

static bool is_own_module(const char *name)
{
    return strcmp(name, "luas") == 0 || begins_with(name, "luas.");
}

/* The module of this name, at the top (popped), belongs to what is looked at. (What the state has of
   `package` is part of it. Other fields of that may change.) */
static void note_met(lua_State *L)
{
    const char *name = lua_tostring(L, -1);
    if (!is_own_module(name) && (!lua_isnil(L, NAME) || strcmp(name, LUA_LOADLIBNAME) != 0)) {
        lua_pushboolean(L, 1);
        lua_rawset(L, MET);
    } else {
        lua_pop(L, 1);
    }
}

/* Is the object at the top known by a name of the standard library, or of another module? */
static bool has_other_name(lua_State *L)
{
    size_t len, name_len;
    if (luas__ptrmap_find(luas__names_map(L, OWN_NAMES), lua_topointer(L, -1)) < 0)
        return false;
    int type = luas__names_find(L, OWN_NAMES, -1);
    if (type == 0)
        return false;
    const char *payload = lua_tolstring(L, -1, &len);
    const char *name = type == WIRE_NAME ? luas__names_module(payload, len, &name_len) : NULL;
    bool is_other = true;
    if (name != NULL) {
        lua_pushlstring(L, name, name_len);
        is_other = !lua_rawequal(L, -1, NAME);
        is_other ? note_met(L) : lua_pop(L, 1);
    }
    lua_pop(L, 1);
    return is_other;
}

/* Does the object at the top belong to something else than the module? */
static bool is_elsewhere(lua_State *L)
{
    lua_pushglobaltable(L);
    bool is = lua_rawequal(L, -1, -2);
    lua_pop(L, 1);
    if (is || luas__space_is_environment(L, lua_gettop(L)))
        return true;
    lua_pushvalue(L, -1);
    if (lua_rawget(L, NAMES) == LUA_TSTRING) {
        note_met(L);
        return true;
    }
    lua_pop(L, 1);
    return has_other_name(L);
}

/* Adds the object at the top, which stays, if it is new and there is room for it. */
static void add(lua_State *L, maker *m)
{
    lua_pushvalue(L, -1);
    bool is_new = lua_rawget(L, INDICES) == LUA_TNIL;
    lua_pop(L, 1);
    if (!is_new || m->objects == MOST_OBJECTS)
        return;
    m->objects++;
    lua_pushvalue(L, -1);
    lua_rawseti(L, OBJECTS, m->objects);
    lua_pushvalue(L, -1);
    lua_pushinteger(L, m->objects);
    lua_rawset(L, INDICES);
}

static bool has_upvalues(lua_State *L)
{
    bool has = lua_getupvalue(L, -1, 1) != NULL;
    lua_pop(L, has);
    return has;
}

/* The same for any value, if it is an object that something can be behind. */
static void meet(lua_State *L, maker *m)
{
    int type = lua_type(L, -1);
    if (type == LUA_TFUNCTION ? !has_upvalues(L) : type != LUA_TTABLE && type != LUA_TUSERDATA)
        return;
    if (!is_elsewhere(L))
        add(L, m);
}

/* ---- what it has ---- */

/* The word for the value at the top. What it is made of goes to this table. */
static luas__word keep(lua_State *L, int table)
{
    luas__word w = luas__word_read(L, -1);
    if (luas__word_is_object(w) && w.type != LUA_TNIL) {
        lua_pushlightuserdata(L, (void *)lua_topointer(L, -1));
        lua_pushvalue(L, -2);
        lua_rawset(L, table);
    }
    return w;
}

/* The value of this setting is at the top. */
static void add_check(lua_State *L, maker *m, uint32_t object, int kind, int key)
{
    luas__baseline_check c = {.object = object, .kind = kind, .key = key, .value = keep(L, VALUES)};
    must(L, luas__buffer_append(&m->checks, &c, sizeof c));
    meet(L, m);
}

/* Is the table at the top one whose content is left alone: the library's own, or one of which the
   collector takes fields away? Its metatable or nil is below it. */
static bool is_closed(lua_State *L)
{
    if (!lua_istable(L, -2))
        return false;
    lua_pushliteral(L, "__mode");
    lua_rawget(L, -3);
    lua_pushliteral(L, "__name");
    lua_rawget(L, -4);
    bool is = !lua_isnil(L, -2) || (lua_type(L, -1) == LUA_TSTRING
                                    && begins_with(lua_tostring(L, -1), "luas."));
    lua_pop(L, 2);
    return is;
}

/* The fields of the table at the top. */
static void visit_fields(lua_State *L, maker *m, uint32_t object)
{
    int table = lua_gettop(L), key = table + 1;
    luas__baseline_check c = {.object = object, .kind = SETTING_FIELD,
                              .first = (uint32_t)(m->fields.len / sizeof(luas__word_field))};
    for (lua_pushnil(L); lua_next(L, table) != 0; lua_settop(L, key), c.count++) {
        luas__word_field f = {.value = keep(L, VALUES)};
        meet(L, m);
        lua_pushvalue(L, key);
        f.key = keep(L, KEYS);
        meet(L, m);
        must(L, luas__buffer_append(&m->fields, &f, sizeof f));
    }
    must(L, luas__buffer_append(&m->checks, &c, sizeof c));
}

/* The functions in the fields of a table whose fields are watched themselves. */
static void visit_functions(lua_State *L, maker *m)
{
    int table = lua_gettop(L), key = table + 1;
    for (lua_pushnil(L); lua_next(L, table) != 0; lua_settop(L, key))
        if (lua_isfunction(L, -1))
            m->is_of_state && has_upvalues(L) ? add(L, m) : meet(L, m);
}

/* Pushes the metatable of the table at the top below it, or nil. */
static void push_metatable_below(lua_State *L)
{
    if (!lua_getmetatable(L, -1))
        lua_pushnil(L);
    lua_insert(L, -2);
}

static void visit_table(lua_State *L, maker *m, uint32_t object)
{
    push_metatable_below(L);
    lua_pushvalue(L, -2);
    add_check(L, m, object, SETTING_METATABLE, 0);
    lua_pop(L, 1);
    if (object <= m->watched)
        visit_functions(L, m);
    else if (!is_closed(L) && luas__module_tables_is_small(L)
             && m->fields.len / sizeof(luas__word_field) < MOST_FIELDS)
        visit_fields(L, m, object);
    lua_remove(L, -2);
}

/* An upvalue that several functions share is looked at once. */
static bool is_new_upvalue(lua_State *L, int function, int i)
{
    lua_pushlightuserdata(L, lua_upvalueid(L, function, i));
    lua_pushvalue(L, -1);
    bool is_new = lua_rawget(L, INDICES) == LUA_TNIL;
    lua_pop(L, 1);
    lua_pushboolean(L, 1);
    lua_rawset(L, INDICES);
    return is_new;
}

static void visit_function(lua_State *L, maker *m, uint32_t object)
{
    int function = lua_gettop(L);
    for (int i = 1; i <= MOST_UPVALUES && lua_getupvalue(L, function, i) != NULL; i++) {
        if (is_new_upvalue(L, function, i))
            add_check(L, m, object, SETTING_UPVALUE, i);
        lua_pop(L, 1);
    }
}

static void visit_all(lua_State *L, maker *m)
{
    for (uint32_t i = 1; i <= m->objects; i++) {
        int type = lua_rawgeti(L, OBJECTS, i);
        if (type == LUA_TTABLE)
            visit_table(L, m, i);
        else if (type == LUA_TFUNCTION)
            visit_function(L, m, i);
        lua_settop(L, TOP);
    }
}

/* ---- making one ---- */

luas__baseline *luas__baseline_part_check(lua_State *L, int index)
{
    luas__baseline *b = lua_touserdata(L, index);
    if (b == NULL || lua_rawlen(L, index) < sizeof *b || b->class != &class)
        luaL_typeerror(L, index, "baseline");
    return b;
}

static void make_weak(lua_State *L, int table)
{
    lua_createtable(L, 0, 1);
    lua_pushliteral(L, "v");
    lua_setfield(L, -2, "__mode");
    lua_setmetatable(L, table);
}

static void push_baseline(lua_State *L, const maker *m)
{
    luas__baseline *b = lua_newuserdatauv(L, sizeof *b + m->checks.len + m->fields.len, BASELINE_NOTED);
    b->class = &class;
    b->has_noted = false;
    b->is_of_state = m->is_of_state;
    b->last_mode = 0;
    luas__settings_look(L, &b->state, &b->last_mode);
    b->objects = m->objects;
    b->checks = (uint32_t)(m->checks.len / sizeof(luas__baseline_check));
    b->fields_at = m->checks.len;
    if (m->checks.len > 0)
        memcpy(b->content, luas__buffer_bytes(&m->checks), m->checks.len);
    if (m->fields.len > 0)
        memcpy(b->content + b->fields_at, luas__buffer_bytes(&m->fields), m->fields.len);
    make_weak(L, OBJECTS);
    make_weak(L, VALUES);
    lua_pushvalue(L, OBJECTS);
    b->number = luas__settings_keep(L);
    lua_setiuservalue(L, -2, BASELINE_OBJECTS);
    lua_pushvalue(L, VALUES);
    lua_setiuservalue(L, -2, BASELINE_VALUES);
    lua_pushvalue(L, KEYS);
    lua_setiuservalue(L, -2, BASELINE_KEYS);
}

/* Pushes what is missing on the stack. */
static maker *begin(lua_State *L)
{
    luaL_checkstack(L, 2 * SLOTS, NULL);
    for (int i = INDICES; i < OWN_NAMES; i++)
        lua_newtable(L);
    luas__names_push(L);
    luas__names_scan(L, OWN_NAMES);
    return lua_touserdata(L, MAKER);
}

static int make_of_module(lua_State *L)
{
    maker *m = begin(L);
    for (lua_Integer i = 1; lua_rawgeti(L, WATCHED, i) == LUA_TTABLE; lua_settop(L, TOP), i++)
        add(L, m);
    lua_settop(L, TOP);
    m->watched = m->objects;
    lua_pushvalue(L, MODULE);
    if (lua_isfunction(L, -1))
        add(L, m);
    lua_settop(L, TOP);
    visit_all(L, m);
    push_baseline(L, m);
    return 1;
}

/* The library for strings, whose fields are watched. All functions use it without naming it: so it is
   looked at together with the state. */
static void add_strings(lua_State *L, maker *m)
{
    luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
    if (lua_getfield(L, -1, LUA_STRLIBNAME) == LUA_TTABLE)
        add(L, m);
    m->watched = m->objects;
}

/* The first object stands for the state. What it has is looked at, though much of it has a name. */
static int make_of_state(lua_State *L)
{
    static const int files[] = {
        STATE_FILES, STATE_OUTPUT, STATE_INPUT, STATE_PATH, STATE_CPATH, STATE_SEARCHERS, STATE_PRELOAD, 0
    };
    static const int others[] = {
        LUA_TNIL + 1, LUA_TBOOLEAN + 1, LUA_TLIGHTUSERDATA + 1, LUA_TNUMBER + 1, LUA_TSTRING + 1,
        LUA_TFUNCTION + 1, LUA_TTHREAD + 1, STATE_GLOBALS, STATE_MODE, STATE_RUNNING, STATE_PAUSE,
        STATE_SPEED, 0
    };
    maker *m = begin(L);
    const int *keys = lua_toboolean(L, MODULE) ? files : others;
    m->is_of_state = keys == others;
    lua_pushboolean(L, 1);
    add(L, m);
    if (m->is_of_state)
        add_strings(L, m);
    for (; *keys != 0; keys++) {
        lua_settop(L, TOP);
        lua_pushinteger(L, *keys);
        luas__settings_get(L, SETTING_STATE, 0, TOP + 1);
        add_check(L, m, 1, SETTING_STATE, *keys);
        if (lua_istable(L, -1))
            add(L, m);
    }
    lua_settop(L, TOP);
    visit_all(L, m);
    push_baseline(L, m);
    return 1;
}

/* Calls it with the arguments up to MET; no finalizer changes anything meanwhile. */
static int make(lua_State *L, lua_CFunction f)
{
    maker m = {.objects = 0};
    lua_settop(L, MET);
    lua_pushcfunction(L, f);
    lua_insert(L, 1);
    lua_pushlightuserdata(L, &m);
    bool held = luas__gc_hold(L);
    int rc = lua_pcall(L, MAKER, 1, 0);
    luas__gc_hold_end(L, held);
    luas__buffer_release(&m.checks);
    luas__buffer_release(&m.fields);
    return rc == LUA_OK ? 1 : lua_error(L);
}

int luas__baseline_make(lua_State *L)
{
    luaL_checktype(L, MET, LUA_TTABLE);
    lua_settop(L, MET);
    lua_getiuservalue(L, WATCHED, 1);
    lua_replace(L, WATCHED);
    return make(L, make_of_module);
}

int luas__baseline_of_state(lua_State *L)
{
    luaL_checktype(L, 3, LUA_TTABLE);
    lua_settop(L, 3);
    const int order[] = {0, 2, 1, 0, 3}; /* name, names, module, watched, met */
    for (int i = 0; i < MET; i++)
        order[i] == 0 ? lua_pushnil(L) : lua_pushvalue(L, order[i]);
    for (int i = 0; i < 3; i++)
        lua_remove(L, 1);
    return make(L, make_of_state);
}
