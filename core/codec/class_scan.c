/* Finds the classes of a job before its workers are forked, and the descriptors that it needs. */
#include <lauxlib.h>
#include <stdbool.h>

#include "bytecode.h"
#include "descriptor_of.h"
#include "gc_hold.h"
#include "names_scan.h"
#include "space.h"

/* ENTRIES: how many entries of one table are looked at. The elements of a long list are alike. */
enum { ENTRIES = 256, SLOTS = 20 };

/* Stack indices, and how many values may still be looked at. */
typedef struct survey {
    lua_State *L;
    luas__space *space;
    int at;                 /* the space */
    int names, objects;
    int queue, met;         /* the values that were met: in order, and as a set */
    lua_Integer queued;
    int left;
    luas__fd_set *captured; /* or NULL */
    bool has_descriptor, is_cut_off;    /* some userdata have; not all values are looked at */
    bool wants_globals;     /* it may use any global */
} survey;

static int has_name(survey *s)
{
    if (luas__names_find(s->L, s->names, -1) == 0 && (!lua_istable(s->L, -1)
        || luas__names_find_type(s->L, -1) == 0))
        return 0;
    lua_pop(s->L, 1);
    return 1;
}

static bool is_globals(const survey *s)
{
    lua_pushglobaltable(s->L);
    bool is = lua_rawequal(s->L, -1, -2);
    lua_pop(s->L, 1);
    return is;
}

/* Should the walk go on from the value at the top? Not if it travels by name, or is the
   globals. */
static int leads_on(survey *s)
{
    lua_State *L = s->L;
    int type = lua_type(L, -1);
    if (type != LUA_TTABLE && type != LUA_TFUNCTION && type != LUA_TUSERDATA)
        return 0;
    if (is_globals(s)) {
        s->wants_globals = true;
        return 0;
    }
    return !luas__space_is_environment(L, -1) && !has_name(s);
}

/* Pops the value at the top. If it is new it is queued. */
static void meet(survey *s)
{
    lua_State *L = s->L;
    if (lua_isthread(L, -1) && s->captured != NULL)
        s->captured->is_partial = true; /* nobody can look into its stack */
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

/* Visits the entries behind the key at the top, of the table below it, and pops the key. Returns
   false if there are more of them. */
static bool visit_entries(survey *s)
{
    lua_State *L = s->L;
    bool leads = false;
    for (int entries = 0; lua_next(L, -2) != 0; entries++) {
        if (entries == ENTRIES || s->left <= 0) {
            lua_pop(L, 2);
            s->is_cut_off |= leads || s->left <= 0;
            return false;
        }
        leads |= lua_type(L, -1) >= LUA_TTABLE;
        meet(s);
        lua_pushvalue(L, -1);
        meet(s);
    }
    return true;
}

/* Also looks at fields that a long list has behind its elements. */
static void visit_table(survey *s)
{
    lua_State *L = s->L;
    if (luas__names_is_class(L, -1))
        add_class(s);
    lua_pushnil(L);
    if (!visit_entries(s) && lua_rawlen(L, -1) > ENTRIES) {
        lua_pushinteger(L, (lua_Integer)lua_rawlen(L, -1));
        (void)visit_entries(s);
    }
}

/* Records that the function assigns to this global. */
static void note_written(survey *s, const char *name, size_t len)
{
    lua_State *L = s->L;
    if (lua_getiuservalue(L, s->at, SPACE_WRITTEN) != LUA_TTABLE) {
        lua_pop(L, 1);
        lua_newtable(L);
        lua_pushvalue(L, -1);
        lua_setiuservalue(L, s->at, SPACE_WRITTEN);
    }
    lua_pushlstring(L, name, len);
    lua_pushboolean(L, 1);
    lua_rawset(L, -3);
    lua_pop(L, 1);
}

static int meet_global(void *context, const char *name, size_t len, int is_written)
{
    survey *s = context;
    if (is_written)
        note_written(s, name, len);
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
    if (luas__bytecode_names(bytes, len, env, meet_global, s) > 0)
        s->wants_globals = true;
    lua_pop(L, 1);
}

static void visit_function(survey *s)
{
    lua_State *L = s->L;
    luas__upvalues env = {{0, 0, 0, 0}};
    int uses_globals = 0;
    for (int i = 1; lua_getupvalue(L, -1, i) != NULL; i++)
        if (is_globals(s) && !lua_iscfunction(L, -2)) {
            luas__bytecode_set_upvalue(&env, (unsigned)i - 1);
            uses_globals = 1;
            lua_pop(L, 1);
        } else {
            meet(s);
        }
    if (uses_globals)
        visit_globals(s, &env);
}

static void visit_userdata(survey *s)
{
    if (s->captured == NULL)
        return;
    int fd = luas__descriptor_of(s->L);
    luas__fd_set_add(s->captured, fd);
    s->has_descriptor |= fd >= 0;
    s->captured->is_partial |= fd == LUAS__DESCRIPTOR_UNKNOWN;
}

static void visit(survey *s, int type)
{
    if (type == LUA_TFUNCTION) {
        visit_function(s);
        return;
    }
    visit_metatable(s);
    if (type == LUA_TTABLE)
        visit_table(s);
    else
        visit_userdata(s);
}

static void visit_queued(survey *s, lua_Integer from)
{
    for (lua_Integer i = from; i <= s->queued && s->left > 0; i++) {
        visit(s, lua_rawgeti(s->L, s->queue, i));
        lua_pop(s->L, 1);
    }
    s->is_cut_off |= s->left <= 0;
}

/* The globals come last, if it may use any of them. */
static void visit_all(survey *s)
{
    visit_queued(s, 1);
    if (!s->wants_globals || s->captured == NULL)
        return;
    lua_Integer queued = s->queued;
    lua_pushglobaltable(s->L);
    lua_pushnil(s->L);
    (void)visit_entries(s);
    lua_pop(s->L, 1);
    visit_queued(s, queued + 1);
}

/* Arguments: function, space, limit, the set of descriptors or NULL. */
static int survey_all(lua_State *L)
{
    enum { FUNCTION = 1, SPACE, LIMIT, CAPTURED, NAMES, OBJECTS, QUEUE, MET };
    luaL_checkstack(L, SLOTS, NULL);
    survey s = {.L = L, .space = lua_touserdata(L, SPACE), .at = SPACE, .names = NAMES, .objects = OBJECTS,
                .queue = QUEUE, .met = MET, .left = (int)lua_tointeger(L, LIMIT),
                .captured = lua_touserdata(L, CAPTURED)};
    luas__names_push(L);
    luas__names_scan(L, NAMES);
    lua_getiuservalue(L, SPACE, SPACE_OBJECTS);
    lua_newtable(L);
    lua_newtable(L);
    lua_pushvalue(L, FUNCTION);
    meet(&s);
    visit_all(&s);
    if (s.captured != NULL && s.has_descriptor && s.is_cut_off)
        s.captured->is_partial = true; /* what was not looked at may have others */
    luas__space_commit(s.space);
    return 0;
}

int luas__class_scan(lua_State *L, int function, int space, int limit, luas__fd_set *captured)
{
    const luas__space *s = lua_touserdata(L, space);
    luaL_checkstack(L, SLOTS, NULL);
    luas__space_rollback(L, space);
    uint32_t before = s->count;
    lua_pushcfunction(L, survey_all);
    lua_pushvalue(L, function);
    lua_pushvalue(L, space);
    lua_pushinteger(L, limit);
    lua_pushlightuserdata(L, captured);
    luas__gc_hold_call(L, 4, 0);
    return (int)(s->count - before);
}
