/*
 * Tables that stand before the globals: a lookup that fails in them goes on, along the __index tables
 * of their metatables, to the globals. Scripts make such a table the _ENV of functions. The names
 * that these use show in their constants, as with the globals themselves. Where such a table can be
 * reached in another way, any global may be used.
 */
#include <lauxlib.h>

#include "encoder.h"

/* The most tables on the way to the globals. */
enum { LONGEST_WAY = 20 };

/* Replaces the table at the top by what stands behind it: its metatable's __index. Returns its
   type; if there is none, pops the table and returns LUA_TNIL. */
static int go_on(lua_State *L)
{
    if (!lua_getmetatable(L, -1)) {
        lua_pop(L, 1);
        return LUA_TNIL;
    }
    lua_pushliteral(L, "__index");
    int type = lua_rawget(L, -2);
    lua_replace(L, -3);
    lua_pop(L, 1);
    if (type == LUA_TNIL)
        lua_pop(L, 1);
    return type;
}

int luas__encode_sandbox_ends(luas__encoder *e)
{
    lua_State *L = e->L;
    if (lua_topointer(L, -1) == e->landmarks->globals)
        return 1;
    if (!luas__space_is_environment(L, -1))
        return 0;
    if (lua_isnil(L, SLOT_ENVIRONMENT)) {
        lua_pushvalue(L, -1);
        lua_replace(L, SLOT_ENVIRONMENT);
    }
    return 1;
}

int luas__encode_sandbox_is(luas__encoder *e, int index)
{
    lua_State *L = e->L;
    int top = lua_gettop(L), type = LUA_TTABLE, is = 0;
    lua_pushvalue(L, index);
    for (int i = 0; i < LONGEST_WAY && !is && type == LUA_TTABLE; i++) {
        type = go_on(L);
        is = type == LUA_TTABLE && luas__encode_sandbox_ends(e);
    }
    lua_settop(L, top);
    return is;
}

int luas__encode_sandbox_has(luas__encoder *e, int index, const char *name, size_t len)
{
    lua_State *L = e->L;
    int top = lua_gettop(L), type = LUA_TTABLE, has = 0;
    lua_pushvalue(L, index);
    for (int i = 0; i < LONGEST_WAY && !has && type == LUA_TTABLE; i++) {
        if (luas__encode_sandbox_ends(e))
            break;
        lua_pushlstring(L, name, len);
        has = lua_rawget(L, -2) != LUA_TNIL;
        lua_pop(L, 1);
        type = has ? LUA_TNIL : go_on(L);
    }
    lua_settop(L, top);
    return has;
}

/* Is the innermost frame the metatable of an object, at its __index? */
static int is_behind(const luas__encoder *e)
{
    lua_State *L = e->L;
    const luas__container *f = luas__encoder_top(e);
    if (e->scratch->depth < 2 || f->kind != CONTAINER_MAP || f[-1].kind != CONTAINER_OBJECT
        || f[-1].phase != PHASE_END)
        return 0;
    lua_pushliteral(L, "__index");
    int is = lua_rawequal(L, -1, f->base + 1);
    lua_pop(L, 1);
    return is;
}

int luas__encode_sandbox_place(const luas__encoder *e)
{
    return luas__encoder_top(e)->kind == CONTAINER_FUNCTION || is_behind(e);
}
