/*
 * What a class with __luas_unpack reaches: its fields, the upvalues of its functions, the globals
 * that these name, and so on. __luas_unpack may use all of that, so it must be there before an
 * object is unpacked. Where the class itself is in the message this holds for every object but
 * those that it reaches: a constant of the class, an entry of its registry. These are written as
 * what they are, like any object without __luas_pack. A class that a define message before this
 * one brings is there: so its constants are packed, and unpacking finds the ones that it has.
 */
#include <lauxlib.h>

#include "bytecode.h"
#include "encoder.h"
#include "names.h"

enum { SLOTS = 20 };

typedef struct walk {
    luas__encoder *e;
    int queue;              /* stack index: what is still to be looked at, in order */
    lua_Integer queued;
    size_t left;            /* how many more values the message may have */
} walk;

/* Does the object at the top have a name? */
static int has_name(const luas__encoder *e)
{
    lua_State *L = e->L;
    int type = luas__names_find(L, SLOT_NAMES, -1);
    if (type == 0 && lua_istable(L, -1))
        type = luas__names_find_type(L, -1);
    lua_pop(L, type != 0);
    return type != 0;
}

/* Has the reader the object at the top, before this message comes? */
static int is_there(const luas__encoder *e)
{
    int64_t number = e->space == NULL ? -1
        : luas__ptrmap_find(&e->space->numbers, lua_topointer(e->L, -1));
    if (number >= 0 && (e->defining ? (uint32_t)number < e->first
        : e->unchanged || (lua_istable(e->L, -1) && luas__names_is_class(e->L, -1))))
        return 1;
    return has_name(e);
}

/* Does the class at the top, which is not there yet, come in a define message before this one? */
static int comes_before(const luas__encoder *e)
{
    return !e->defining && e->space != NULL && e->defines != NULL
        && luas__ptrmap_find(e->seen, lua_topointer(e->L, -1)) < 0;
}

static int is_reached(lua_State *L, int index)
{
    lua_pushvalue(L, index);
    int is = lua_rawget(L, SLOT_REACHED) != LUA_TNIL;
    lua_pop(L, 1);
    return is;
}

/* Pops the value at the top. If the message has to have it, and it is new, it is queued. */
static void meet(walk *w)
{
    lua_State *L = w->e->L;
    int type = lua_type(L, -1);
    w->left -= w->left > 0;
    if ((type == LUA_TTABLE || type == LUA_TFUNCTION || type == LUA_TUSERDATA)
        && !luas__encode_sandbox_ends(w->e) && !is_there(w->e) && !is_reached(L, -1)) {
        lua_pushvalue(L, -1);
        lua_pushboolean(L, 1);
        lua_rawset(L, SLOT_REACHED);
        lua_pushvalue(L, -1);
        lua_rawseti(L, w->queue, ++w->queued);
    }
    lua_pop(L, 1);
}

static void meet_metatable(walk *w)
{
    if (lua_getmetatable(w->e->L, -1))
        meet(w);
}

static void visit_table(walk *w)
{
    lua_State *L = w->e->L;
    meet_metatable(w);
    for (lua_pushnil(L); lua_next(L, -2) != 0;) {
        if (w->left == 0) {
            lua_pop(L, 2);
            return;
        }
        meet(w);
        lua_pushvalue(L, -1);
        meet(w);
    }
}

static int meet_global(void *context, const char *name, size_t len, int is_written)
{
    (void)is_written;
    walk *w = context;
    lua_pushlstring(w->e->L, name, len);
    luas__encode_define_push_global(w->e);
    lua_remove(w->e->L, -2);
    meet(w);
    return 0;
}

static int add_to_dump(lua_State *L, const void *bytes, size_t len, void *context)
{
    (void)L;
    return luas__buffer_append(context, bytes, len);
}

/* Visits the globals that the function at the top names by way of these upvalues. Those that the
   table before them has are met twice. */
static int visit_globals(walk *w, const luas__upvalues *env)
{
    luas__buffer *dump = &w->e->scratch->text;
    luas__buffer_truncate(dump, 0);
    if (lua_dump(w->e->L, add_to_dump, dump, 0) != 0)
        return LUAS_ENOMEM;
    int rc = luas__bytecode_names(luas__buffer_bytes(dump), dump->len, env, meet_global, w);
    return rc < 0 ? rc : 0;
}

static int visit_function(walk *w)
{
    lua_State *L = w->e->L;
    luas__upvalues env = {{0, 0, 0, 0}};
    int names_globals = 0;
    for (int i = 1; lua_getupvalue(L, -1, i) != NULL; i++) {
        if (lua_istable(L, -1) && w->e->space != NULL && w->e->defines != NULL
            && (luas__encode_sandbox_ends(w->e) || luas__encode_sandbox_is(w->e, lua_gettop(L)))) {
            luas__bytecode_set_upvalue(&env, (unsigned)i - 1);
            names_globals = !lua_iscfunction(L, -2);
        }
        meet(w);
    }
    return names_globals ? visit_globals(w, &env) : 0;
}

/* Expects the class at the top. */
static int walk_from(luas__encoder *e)
{
    lua_State *L = e->L;
    int class = lua_gettop(L), rc = 0;
    walk w = {.e = e, .queue = class + 1, .left = e->limit};
    lua_newtable(L);
    lua_pushvalue(L, class);
    meet(&w);
    for (lua_Integer i = 1; rc == 0 && i <= w.queued; i++) {
        lua_rawgeti(L, w.queue, i);
        if (lua_isfunction(L, -1))
            rc = visit_function(&w);
        else if (lua_istable(L, -1))
            visit_table(&w);
        else
            meet_metatable(&w);
        lua_settop(L, w.queue);
    }
    lua_settop(L, class);
    return rc < 0 ? rc : w.left == 0 ? LUAS_ETOOBIG : 0;
}

int luas__encode_reach_object(luas__encoder *e, int object)
{
    lua_State *L = e->L;
    if (!lua_checkstack(L, SLOTS))
        return LUAS_EDEEP;
    if (is_there(e) || comes_before(e))
        return 0;
    if (!lua_istable(L, SLOT_REACHED)) {
        lua_newtable(L);
        lua_replace(L, SLOT_REACHED);
    }
    int rc = is_reached(L, -1) ? 0 : walk_from(e);
    return rc < 0 ? rc : is_reached(L, object);
}
