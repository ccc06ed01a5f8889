/* Reads and writes settings, one by one, and in a worker all of a job. */
#include "settings.h"

#include <lauxlib.h>
#include <lualib.h>
#include <string.h>

#include "stop.h"

static const char lists_key, inherited_key, mode_key, entered_key;

/* ---- what a state has one of ---- */

/* Where the io library has its default files. */
#define OUTPUT_KEY "_IO_output"
#define INPUT_KEY "_IO_input"

static int sample(lua_State *L)
{
    (void)L;
    return 0;
}

/* Pushes a value of this type; the globals for any other key. */
static void push_sample(lua_State *L, int key)
{
    switch (key - 1) {
    case LUA_TNIL: lua_pushnil(L); break;
    case LUA_TBOOLEAN: lua_pushboolean(L, 0); break;
    case LUA_TLIGHTUSERDATA: lua_pushlightuserdata(L, NULL); break;
    case LUA_TNUMBER: lua_pushinteger(L, 0); break;
    case LUA_TSTRING: lua_pushliteral(L, ""); break;
    case LUA_TFUNCTION: lua_pushcfunction(L, sample); break;
    case LUA_TTHREAD: lua_pushthread(L); break;
    default: lua_pushglobaltable(L);
    }
}

/* The mode in which an interpreter begins. Ours is generational, any other is taken for incremental. */
static int first_mode(lua_State *L)
{
    int type = lua_getfield(L, LUA_REGISTRYINDEX, LUAS__STOPPED_KEY);
    lua_pop(L, 1);
    return type == LUA_TNIL ? LUA_GCINC : LUA_GCGEN;
}

/* Lua tells the mode only to who sets it, and a change takes a cycle. So this sets the mode that was
   there last, which changes nothing mostly. */
static int collector_mode(lua_State *L, int *last)
{
    int guess = *last != 0 ? *last : first_mode(L);
    int mode = lua_gc(L, guess, 0, 0, 0);
    if (mode >= 0 && mode != guess) /* negative in a finalizer */
        lua_gc(L, mode, 0, 0, 0);
    *last = mode < 0 ? guess : mode;
    return *last;
}

/* The same for who has not looked before. */
static int collector_mode_now(lua_State *L)
{
    lua_rawgetp(L, LUA_REGISTRYINDEX, &mode_key);
    int last = (int)lua_tointeger(L, -1);
    lua_pop(L, 1);
    lua_pushinteger(L, collector_mode(L, &last));
    lua_rawsetp(L, LUA_REGISTRYINDEX, &mode_key);
    return last;
}

/* Likewise. */
static int collector_number(lua_State *L, int what)
{
    int value = lua_gc(L, what, 0);
    lua_gc(L, what, value);
    return value;
}

/* The fields of `package` that are settings. */
static const char *field_of_package(int key)
{
    return key == STATE_PATH ? "path" : key == STATE_CPATH ? "cpath" : "searchers";
}

/* Pushes the table of the library `package`, or a new one in its place. */
static void push_package(lua_State *L)
{
    lua_getfield(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
    if (!lua_istable(L, -1) || lua_getfield(L, -1, LUA_LOADLIBNAME) != LUA_TTABLE)
        lua_newtable(L);
    lua_replace(L, -2);
}

static void get_field_of_package(lua_State *L, int key)
{
    push_package(L);
    lua_pushstring(L, field_of_package(key));
    lua_rawget(L, -2);
    lua_remove(L, -2);
}

/* The value is at the top, and stays. */
static void set_field_of_package(lua_State *L, int key)
{
    push_package(L);
    lua_pushstring(L, field_of_package(key));
    lua_pushvalue(L, -3);
    lua_rawset(L, -3);
    lua_pop(L, 1);
}

static void get_state(lua_State *L, int key)
{
    switch (key) {
    case STATE_PATH: case STATE_CPATH: case STATE_SEARCHERS: get_field_of_package(L, key); break;
    case STATE_PRELOAD: lua_getfield(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE); break;
    case STATE_FILES: luaL_getmetatable(L, LUA_FILEHANDLE); break;
    case STATE_OUTPUT: lua_getfield(L, LUA_REGISTRYINDEX, OUTPUT_KEY); break;
    case STATE_INPUT: lua_getfield(L, LUA_REGISTRYINDEX, INPUT_KEY); break;
    case STATE_MODE: lua_pushinteger(L, collector_mode_now(L)); break;
    case STATE_RUNNING: lua_pushboolean(L, lua_gc(L, LUA_GCISRUNNING) != 0); break;
    case STATE_PAUSE: lua_pushinteger(L, collector_number(L, LUA_GCSETPAUSE)); break;
    case STATE_SPEED: lua_pushinteger(L, collector_number(L, LUA_GCSETSTEPMUL)); break;
    default:
        push_sample(L, key);
        if (!lua_getmetatable(L, -1))
            lua_pushnil(L);
        lua_remove(L, -2);
    }
}

void luas__settings_look(lua_State *L, luas__state_settings *now, int *last)
{
    int base = lua_gettop(L);
    memset(now->metatables, 0, sizeof now->metatables);
    for (int key = LUA_TNIL + 1; key <= STATE_GLOBALS; key++) {
        if (key == LUA_TTABLE + 1 || key == LUA_TUSERDATA + 1)
            continue;
        push_sample(L, key);
        if (lua_getmetatable(L, -1))
            now->metatables[key - 1] = lua_topointer(L, -1);
    }
    lua_settop(L, base);
    now->mode = collector_mode(L, last);
    now->is_running = lua_gc(L, LUA_GCISRUNNING);
    now->pause = collector_number(L, LUA_GCSETPAUSE);
    now->speed = collector_number(L, LUA_GCSETSTEPMUL);
}

/* Pops the value. */
static void set_state(lua_State *L, int key)
{
    int number = (int)lua_tointeger(L, -1), is_true = lua_toboolean(L, -1);
    switch (key) {
    case STATE_FILES: case STATE_PRELOAD: break; /* what is in them may change, they stay */
    case STATE_PATH: case STATE_CPATH: case STATE_SEARCHERS: set_field_of_package(L, key); break;
    case STATE_OUTPUT: lua_pushvalue(L, -1); lua_setfield(L, LUA_REGISTRYINDEX, OUTPUT_KEY); break;
    case STATE_INPUT: lua_pushvalue(L, -1); lua_setfield(L, LUA_REGISTRYINDEX, INPUT_KEY); break;
    case STATE_MODE: lua_gc(L, number == LUA_GCGEN ? LUA_GCGEN : LUA_GCINC, 0, 0, 0); break;
    case STATE_RUNNING: lua_gc(L, is_true ? LUA_GCRESTART : LUA_GCSTOP); break;
    case STATE_PAUSE: case STATE_SPEED:
        if (number >= 0) /* it was told */
            lua_gc(L, key == STATE_PAUSE ? LUA_GCSETPAUSE : LUA_GCSETSTEPMUL, number);
        break;
    default:
        push_sample(L, key);
        lua_pushvalue(L, -2);
        lua_setmetatable(L, -2);
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
}

bool luas__settings_are_hidden(lua_State *L, int key)
{
    return key >= STATE_MODE && lua_gc(L, LUA_GCISRUNNING) < 0;
}

bool luas__settings_equal(const luas__state_settings *a, const luas__state_settings *b)
{
    if (memcmp(a->metatables, b->metatables, sizeof a->metatables) != 0)
        return false;
    return a->is_running < 0 || b->is_running < 0
        || (a->mode == b->mode && a->is_running == b->is_running && a->pause == b->pause
            && a->speed == b->speed);
}

/* ---- any of them ---- */

void luas__settings_get(lua_State *L, int kind, int object, int key)
{
    bool is_there = true;
    switch (kind) {
    case SETTING_UPVALUE:
        is_there = lua_getupvalue(L, object, (int)lua_tointeger(L, key)) != NULL;
        break;
    case SETTING_METATABLE:
        is_there = lua_getmetatable(L, object);
        break;
    case SETTING_FIELD:
        lua_pushvalue(L, key);
        lua_rawget(L, object);
        break;
    default:
        get_state(L, (int)lua_tointeger(L, key));
    }
    if (!is_there)
        lua_pushnil(L);
}

void luas__settings_set(lua_State *L, int kind, int object, int key)
{
    switch (kind) {
    case SETTING_UPVALUE:
        if (lua_setupvalue(L, object, (int)lua_tointeger(L, key)) == NULL)
            lua_pop(L, 1);
        break;
    case SETTING_METATABLE:
        lua_setmetatable(L, object);
        break;
    case SETTING_FIELD:
        lua_pushvalue(L, key);
        lua_insert(L, -2);
        lua_rawset(L, object);
        break;
    default:
        set_state(L, (int)lua_tointeger(L, key));
    }
}

/* ---- objects by number ---- */

/* Pushes the table of lists by number: weak, as the host has them only while it needs them. */
static void push_lists(lua_State *L)
{
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, &lists_key) == LUA_TTABLE)
        return;
    lua_pop(L, 1);
    lua_newtable(L);
    lua_createtable(L, 0, 1);
    lua_pushliteral(L, "v");
    lua_setfield(L, -2, "__mode");
    lua_setmetatable(L, -2);
    lua_pushvalue(L, -1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &lists_key);
}

uint64_t luas__settings_keep(lua_State *L)
{
    push_lists(L);
    lua_rawgeti(L, -1, 0);
    lua_Integer number = lua_tointeger(L, -1) + 1;
    lua_pushinteger(L, number);
    lua_rawseti(L, -3, 0);
    lua_pushvalue(L, -3);
    lua_rawseti(L, -3, number);
    lua_pop(L, 2);
    return (uint64_t)number;
}

void luas__settings_inherit(lua_State *L)
{
    push_lists(L);
    lua_newtable(L);
    int lists = lua_gettop(L) - 1, all = lists + 1;
    lua_Integer n = 0;
    for (lua_pushnil(L); lua_next(L, lists) != 0;) {
        if (lua_istable(L, -1)) {
            lua_pushnil(L);
            lua_setmetatable(L, -2); /* it is weak in the host */
        }
        lua_rawseti(L, all, ++n);
    }
    lua_rawsetp(L, LUA_REGISTRYINDEX, &inherited_key);
    lua_pop(L, 1);
}

void luas__settings_push(lua_State *L, uint64_t number)
{
    uint64_t object = number >> LUAS__KEPT_UPVALUE_BITS;
    lua_Integer index = (lua_Integer)(object & ((1 << LUAS__KEPT_OBJECT_BITS) - 1));
    push_lists(L);
    if (lua_rawgeti(L, -1, (lua_Integer)(object >> LUAS__KEPT_OBJECT_BITS)) == LUA_TTABLE)
        lua_rawgeti(L, -1, index);
    else
        lua_pushnil(L);
    lua_replace(L, -3);
    lua_pop(L, 1);
}

/* ---- all of a job ---- */

/* What was entered: the settings, and what they have replaced: a table of the same form, but with
   the objects themselves. */
enum { ENTERED_SETTINGS = 1, ENTERED_BEFORE };

static lua_Integer length(lua_State *L, int settings)
{
    lua_pushliteral(L, "n");
    lua_rawget(L, settings);
    lua_Integer n = lua_tointeger(L, -1);
    lua_pop(L, 1);
    return n;
}

/* Pushes the object, kind, key and value of setting i, from 0. Returns the kind. */
static int push_setting(lua_State *L, int settings, lua_Integer i)
{
    for (int part = SETTING_OBJECT; part <= SETTING_VALUE; part++)
        lua_rawgeti(L, settings, SETTING_VALUE * i + part);
    return (int)lua_tointeger(L, -3);
}

static void restore(lua_State *L, int before)
{
    int base = lua_gettop(L);
    for (lua_Integer i = length(L, before); i-- > 0; lua_settop(L, base)) {
        int kind = push_setting(L, before, i);
        luas__settings_set(L, kind, base + 1, base + 3);
    }
}

/* Records the present value of the setting that is on the stack from `base` on. */
static void remember(lua_State *L, int before, lua_Integer i, int base, int kind)
{
    luas__settings_get(L, kind, base + 1, base + 3);
    lua_rawseti(L, before, SETTING_VALUE * i + SETTING_VALUE);
    for (int part = SETTING_OBJECT; part < SETTING_VALUE; part++) {
        lua_pushvalue(L, base + part);
        lua_rawseti(L, before, SETTING_VALUE * i + part);
    }
    lua_pushinteger(L, i + 1);
    lua_setfield(L, before, "n");
}

static bool enter(lua_State *L, int settings, int before)
{
    int base = lua_gettop(L);
    lua_Integer n = length(L, settings);
    for (lua_Integer i = 0; i < n; i++, lua_settop(L, base)) {
        int kind = push_setting(L, settings, i);
        if (kind != SETTING_STATE) {
            luas__settings_push(L, (uint64_t)lua_tointeger(L, base + 1));
            lua_replace(L, base + 1);
            if (lua_type(L, base + 1) != (kind == SETTING_UPVALUE ? LUA_TFUNCTION : LUA_TTABLE))
                return false;
        }
        remember(L, before, i, base, kind);
        luas__settings_set(L, kind, base + 1, base + 3);
    }
    return true;
}

bool luas__settings_enter(lua_State *L, int settings)
{
    bool is_whole = true;
    int base = lua_gettop(L), entered = base + 1, before = base + 2;
    luaL_checkstack(L, 20, NULL);
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, &entered_key) == LUA_TTABLE) {
        lua_rawgeti(L, entered, ENTERED_BEFORE);
        restore(L, before);
    }
    lua_settop(L, base);
    if (lua_istable(L, settings)) {
        lua_createtable(L, 2, 0);
        lua_newtable(L);
        lua_pushvalue(L, settings);
        lua_rawseti(L, entered, ENTERED_SETTINGS);
        lua_pushvalue(L, before);
        lua_rawseti(L, entered, ENTERED_BEFORE);
        lua_pushvalue(L, entered);
        lua_rawsetp(L, LUA_REGISTRYINDEX, &entered_key);
        is_whole = enter(L, settings, before);
    } else {
        lua_pushnil(L);
        lua_rawsetp(L, LUA_REGISTRYINDEX, &entered_key);
    }
    lua_settop(L, base);
    return is_whole;
}
