/* Finds the classes of a job before its workers are forked. */
#include <lauxlib.h>

#include "bytecode.h"
#include "gc_hold.h"
#include "names_scan.h"
#include "space.h"

/* ENTRIES: how many entries of one table are looked at. The elements of a long list are alike. */
enum { ENTRIES = 256, SLOTS = 20 };

/* Stack indices, and how many values may still be looked at. */
typedef struct survey {
    lua_State *L;
    luas__space *space;
    int names, objects;
    int queue, met;         /* the values that were met: in order, and as a set */
    lua_Integer queued;
    int left;
} survey;

static int has_name(survey *s)
{
    if (luas__names_find(s->L, s->names, -1) == 0 && (!lua_istable(s->L, -1)
        || luas__names_find_type(s->L, -1) == 0))
        return 0;
    lua_pop(s->L, 1);
    return 1;
}

/* Should the walk go on from the value at the top? Not if it travels by name, or is the
   globals. */
static int leads_on(survey *s)
{
    lua_State *L = s->L;
    int type = lua_type(L, -1);
    if (type != LUA_TTABLE && type != LUA_TFUNCTION && type != LUA_TUSERDATA)
        return 0;
    lua_pushglobaltable(L);
    int globals = lua_rawequal(L, -1, -2);
    lua_pop(L, 1);
    return !globals && !luas__space_is_environment(L, -1) && !has_name(s);
}

/* Pops the value at the top. If it is new it is queued. */
static void meet(survey *s)
{
    lua_State *L = s->L;
    if (s->left > 0 && leads_on(s)) {
        lua_pushvalue(L, -1);
        if (lua_rawget(L, s->met) == LUA_TNIL) {
            lua_pushvalue(L, -2);
            lua_pushboolean(L, 1);
            lua_rawset(L, s->met);
            lua_pushvalue(L, -2);
            lua_rawseti(L, s->queue, ++s->queued);
        }
        lua_pop(L, 1);
    }
    s->left--;
    lua_pop(L, 1);
}

/* Gives the class at the top a number. */
static void add_class(survey *s)
{
    if (luas__ptrmap_find(&s->space->numbers, lua_topointer(s->L, -1)) >= 0 || !leads_on(s))
        return;
    luas__space_bind(s->L, s->space, s->objects, s->space->count++);
}

static void visit_metatable(survey *s)
{
    if (lua_getmetatable(s->L, -1)) {
        add_class(s);
        meet(s);
    }
}

static void visit_table(survey *s)
{
    lua_State *L = s->L;
    if (luas__names_is_class(L, -1))
        add_class(s);
    lua_pushnil(L);
    for (int entries = 0; lua_next(L, -2) != 0; entries++) {
        if (entries == ENTRIES || s->left <= 0) {
            lua_pop(L, 2);
            return;
        }
        meet(s);
        lua_pushvalue(L, -1);
        meet(s);
    }
}

static int meet_global(void *context, const char *name, size_t len)
{
    survey *s = context;
    lua_pushglobaltable(s->L);
    lua_pushlstring(s->L, name, len);
    lua_rawget(s->L, -2);
    lua_remove(s->L, -2);
    meet(s);
    return 0;
}

typedef struct dump {
    luaL_Buffer buffer;
    int begun;
} dump;

/* The buffer begins here, because it must be above the function on the stack. */
static int add_to_dump(lua_State *L, const void *bytes, size_t len, void *context)
{
    dump *d = context;
    if (!d->begun) {
        luaL_buffinit(L, &d->buffer);
        d->begun = 1;
    }
    luaL_addlstring(&d->buffer, bytes, len);
    return 0;
}

/* Visits the globals that the function at the top names. `env` says which upvalues hold the
   globals. */
static void visit_globals(survey *s, const luas__upvalues *env)
{
    lua_State *L = s->L;
    dump d;
    size_t len;
    d.begun = 0;
    if (lua_dump(L, add_to_dump, &d, 0) != 0 || !d.begun)
        return;
    luaL_pushresult(&d.buffer);
    const char *bytes = lua_tolstring(L, -1, &len);
    /* Lua's own dump is never malformed, and meet_global always goes on. */
    (void)luas__bytecode_names(bytes, len, env, meet_global, s);
    lua_pop(L, 1);
}

static void visit_function(survey *s)
{
    lua_State *L = s->L;
    luas__upvalues env = {{0, 0, 0, 0}};
    int uses_globals = 0;
    if (lua_iscfunction(L, -1))
        return;
    for (int i = 1; lua_getupvalue(L, -1, i) != NULL; i++) {
        lua_pushglobaltable(L);
        if (lua_rawequal(L, -1, -2)) {
            luas__bytecode_set_upvalue(&env, (unsigned)i - 1);
            uses_globals = 1;
        }
        lua_pop(L, 1);
        meet(s);
    }
    if (uses_globals)
        visit_globals(s, &env);
}

static void visit_all(survey *s)
{
    lua_State *L = s->L;
    for (lua_Integer i = 1; i <= s->queued && s->left > 0; i++) {
        int type = lua_rawgeti(L, s->queue, i);
        if (type == LUA_TFUNCTION) {
            visit_function(s);
        } else {
            visit_metatable(s);
            if (type == LUA_TTABLE)
                visit_table(s);
        }
        lua_pop(L, 1);
    }
}

/* Arguments: function, space, limit. */
static int survey_all(lua_State *L)
{
    enum { FUNCTION = 1, SPACE, LIMIT, NAMES, OBJECTS, QUEUE, MET };
    luaL_checkstack(L, SLOTS, NULL);
    survey s = {L, lua_touserdata(L, SPACE), NAMES, OBJECTS, QUEUE, MET, 0,
                (int)lua_tointeger(L, LIMIT)};
    luas__names_push(L);
    luas__names_scan(L, NAMES);
    lua_getiuservalue(L, SPACE, SPACE_OBJECTS);
    lua_newtable(L);
    lua_newtable(L);
    lua_pushvalue(L, FUNCTION);
    meet(&s);
    visit_all(&s);
    luas__space_commit(s.space);
    return 0;
}

int luas__class_scan(lua_State *L, int function, int space, int limit)
{
    const luas__space *s = lua_touserdata(L, space);
    luaL_checkstack(L, SLOTS, NULL);
    luas__space_rollback(L, space);
    uint32_t before = s->count;
    lua_pushcfunction(L, survey_all);
    lua_pushvalue(L, function);
    lua_pushvalue(L, space);
    lua_pushinteger(L, limit);
    luas__gc_hold_call(L, 3, 0);
    return (int)(s->count - before);
}
