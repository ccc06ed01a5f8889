/* Tracebacks in one walk down the stack. */
#include "traceback.h"

#include <lauxlib.h>
#include <stdbool.h>
#include <string.h>

#include "gc_hold.h"
#include "own_code.h"

/* So many of a deep stack are shown, as luaL_traceback does. */
enum { FIRST = 10, LAST = 11 };

/* ---- levels ---- */

/* Lua has no function for the level below a known one. A level is a record of Lua's, in which
   the third word leads to the next one below. */
static void *below_record(const void *record)
{
    void *next;
    memcpy(&next, (const char *)record + 2 * sizeof next, sizeof next);
    return next;
}

/* Is that so in this Lua? Looked at where there are enough levels to see it. */
static bool can_walk(lua_State *L)
{
    lua_Debug ar[3];
    for (int i = 0; i < 3; i++)
        if (!lua_getstack(L, i, &ar[i]))
            return false;
    return below_record(ar[0].i_ci) == (void *)ar[1].i_ci && below_record(ar[1].i_ci) == (void *)ar[2].i_ci;
}

/* The last record is Lua's own. */
static int count_by_walking(lua_State *L)
{
    lua_Debug ar;
    int n = 0;
    lua_getstack(L, 0, &ar);
    for (const void *r = ar.i_ci; below_record(r) != NULL; r = below_record(r))
        n++;
    return n;
}

static int count_by_asking(lua_State *L)
{
    lua_Debug ar;
    int low = 0, high = 1; /* level `low` exists, or is 0 */
    while (lua_getstack(L, high, &ar)) {
        low = high;
        high *= 2;
    }
    while (low + 1 < high) {
        int middle = low + (high - low) / 2;
        if (lua_getstack(L, middle, &ar))
            low = middle;
        else
            high = middle;
    }
    return high;
}

int luas__traceback_levels(lua_State *L)
{
    return can_walk(L) ? count_by_walking(L) : count_by_asking(L);
}

/* From a level to the one `n` below it, both of which exist. */
static void descend(lua_State *L, lua_Debug *ar, int *level, int n)
{
    void *record = (void *)ar->i_ci;
    bool walks = can_walk(L);
    *level += n;
    if (!walks) {
        lua_getstack(L, *level, ar);
        return;
    }
    for (; n > 0; n--)
        record = below_record(record);
    ar->i_ci = record;
}

/* ---- words ---- */

/* Pushes the name under which a loaded module has the function at the top, or nil; pops that. */
static void push_global_name(lua_State *L)
{
    int function = lua_gettop(L);
    lua_getfield(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
    for (lua_pushnil(L); lua_next(L, function + 1); lua_settop(L, function + 2)) {
        if (lua_type(L, -2) != LUA_TSTRING || !lua_istable(L, -1))
            continue;
        for (lua_pushnil(L); lua_next(L, function + 3); lua_pop(L, 1)) {
            if (lua_type(L, -2) != LUA_TSTRING || !lua_rawequal(L, -1, function))
                continue;
            bool is_global = strcmp(lua_tostring(L, function + 2), LUA_GNAME) == 0;
            lua_pushfstring(L, "%s%s%s", is_global ? "" : lua_tostring(L, function + 2),
                            is_global ? "" : ".", lua_tostring(L, -2));
            lua_replace(L, function);
            lua_settop(L, function);
            return;
        }
    }
    lua_pushnil(L);
    lua_replace(L, function);
    lua_settop(L, function);
}

static void add_name(lua_State *L, luaL_Buffer *b, lua_Debug *ar)
{
    lua_getinfo(L, "f", ar);
    push_global_name(L);
    const char *name = lua_tostring(L, -1);
    if (name != NULL)
        lua_pushfstring(L, "function '%s'", name);
    else if (*ar->namewhat != '\0')
        lua_pushfstring(L, "%s '%s'", ar->namewhat, ar->name);
    else if (*ar->what == 'm')
        lua_pushliteral(L, "main chunk");
    else if (*ar->what != 'C')
        lua_pushfstring(L, "function <%s:%d>", ar->short_src, ar->linedefined);
    else
        lua_pushliteral(L, "?");
    lua_remove(L, -2);
    luaL_addvalue(b);
}

static void add_level(lua_State *L, luaL_Buffer *b, lua_Debug *ar)
{
    lua_getinfo(L, "Slnt", ar);
    if (ar->currentline <= 0)
        lua_pushfstring(L, "\n\t%s: in ", ar->short_src);
    else
        lua_pushfstring(L, "\n\t%s:%d: in ", ar->short_src, ar->currentline);
    luaL_addvalue(b);
    add_name(L, b, ar);
    if (ar->istailcall)
        luaL_addstring(b, "\n\t(...tail calls...)");
}

/* ---- the library's levels ---- */

/* Of a C function the next Lua function below decides: that has called it. */
static bool is_own(lua_State *L, lua_Debug ar, int level, int past)
{
    lua_getinfo(L, "S", &ar);
    while (*ar.what == 'C' && level + 1 < past) {
        descend(L, &ar, &level, 1);
        lua_getinfo(L, "S", &ar);
    }
    return luas__own_code_is(&ar);
}

/* The first level from which on something is shown, or `past`. */
static int behind_own(lua_State *L, int level, int past)
{
    lua_Debug ar;
    if (level >= past)
        return past;
    lua_getstack(L, level, &ar);
    while (is_own(L, ar, level, past)) {
        if (level + 1 >= past)
            return past;
        descend(L, &ar, &level, 1);
    }
    return level;
}

/* Is the message that of an error in the library? */
static bool is_about_own(const char *message)
{
    return message != NULL && strncmp(message, "luas/", 5) == 0;
}

/* ---- all ---- */

static void add_levels(lua_State *L, luaL_Buffer *b, int from, int past, bool all)
{
    lua_Debug ar;
    int level = from, skipped = past - from - FIRST - LAST;
    lua_getstack(L, level, &ar);
    while (level < past) {
        if (all || !is_own(L, ar, level, past))
            add_level(L, b, &ar);
        if (skipped > 1 && level == from + FIRST - 1) {
            descend(L, &ar, &level, skipped);
            lua_pushfstring(L, "\n\t...\t(skipping %d levels)", skipped - 1); /* so Lua counts */
            luaL_addvalue(b);
        }
        if (level + 1 < past)
            descend(L, &ar, &level, 1);
        else
            level++;
    }
}

static int push(lua_State *L)
{
    luaL_Buffer b;
    int from = (int)lua_tointeger(L, 2), below = (int)lua_tointeger(L, 3);
    int past = luas__traceback_levels(L) - below;
    bool all = is_about_own(lua_tostring(L, 1));
    if (!all)
        from = behind_own(L, from, past);
    luaL_buffinit(L, &b);
    if (lua_isstring(L, 1)) {
        lua_pushvalue(L, 1);
        luaL_addvalue(&b);
        luaL_addchar(&b, '\n');
    }
    luaL_addstring(&b, "stack traceback:");
    if (from < past)
        add_levels(L, &b, from, past, all);
    luaL_pushresult(&b);
    return 1;
}

/* This call is a level of its own, above the others. The collector would walk the whole
   stack, too, more than once. */
void luas__traceback_push(lua_State *L, const char *message, int from, int below)
{
    lua_pushcfunction(L, push);
    lua_pushstring(L, message);
    lua_pushinteger(L, from + 1);
    lua_pushinteger(L, below);
    luas__gc_hold_call(L, 3, 1);
}
