/* The registry has a table: in order the names that are to be told, as keys all names, and at 0 a
   userdata that counts them. */
#include "made_globals.h"

#include <lauxlib.h>
#include <string.h>

#include "names.h"

static const char made_key;

enum { LONGEST_NAME = 200 };

static void push_made(lua_State *L)
{
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, &made_key) == LUA_TTABLE)
        return;
    lua_pop(L, 1);
    lua_newtable(L);
    uint32_t *count = lua_newuserdatauv(L, sizeof *count, 0);
    *count = 0;
    lua_rawseti(L, -2, 0);
    lua_pushvalue(L, -1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &made_key);
}

static uint32_t *push_count(lua_State *L)
{
    push_made(L);
    lua_rawgeti(L, -1, 0);
    return lua_touserdata(L, -1);
}

const uint32_t *luas__made_globals_count(lua_State *L)
{
    int top = lua_gettop(L);
    const uint32_t *count = push_count(L);
    lua_settop(L, top);
    return count;
}

/* Only an identifier can be read as a global, but for names that are made up. */
static bool is_name(lua_State *L, int index)
{
    size_t len;
    if (lua_type(L, index) != LUA_TSTRING)
        return false;
    const char *name = lua_tolstring(L, index, &len);
    return len <= LONGEST_NAME && strlen(name) == len;
}

/* Has the table at the top no field of this name? */
static bool is_made(lua_State *L, int name)
{
    lua_pushvalue(L, name);
    bool is = lua_rawget(L, -2) == LUA_TNIL;
    lua_pop(L, 1);
    return is;
}

/* Adds a name that is not in the snapshot. */
static bool add(lua_State *L, int name)
{
    int top = lua_gettop(L);
    if (!is_name(L, name))
        return false;
    push_made(L);
    bool is_new = is_made(L, name);
    if (is_new) {
        lua_pushvalue(L, name);
        lua_pushboolean(L, 1);
        lua_rawset(L, top + 1);
        lua_pushvalue(L, name);
        lua_rawseti(L, top + 1, (lua_Integer)lua_rawlen(L, top + 1) + 1);
        ++*push_count(L);
    }
    lua_settop(L, top);
    return is_new;
}

bool luas__made_globals_note(lua_State *L, int name)
{
    luaL_checkstack(L, 20, NULL);
    luas__names_push_snapshot(L);
    bool is = lua_istable(L, -1) && is_made(L, name);
    lua_pop(L, 1);
    return is && add(L, name);
}

void luas__made_globals_look(lua_State *L)
{
    luaL_checkstack(L, 20, NULL);
    int top = lua_gettop(L), globals = top + 1, snapshot = top + 2, key = top + 3;
    lua_pushglobaltable(L);
    luas__names_push_snapshot(L);
    if (lua_istable(L, snapshot))
        for (lua_pushnil(L); lua_next(L, globals) != 0; lua_settop(L, key)) {
            lua_copy(L, key, key + 1);
            if (lua_rawget(L, snapshot) == LUA_TNIL)
                (void)add(L, key);
        }
    lua_settop(L, top);
}

bool luas__made_globals_take(lua_State *L)
{
    push_made(L);
    lua_Integer n = (lua_Integer)lua_rawlen(L, -1);
    if (n == 0) {
        lua_pop(L, 1);
        return false;
    }
    lua_rawgeti(L, -1, n);
    lua_pushnil(L);
    lua_rawseti(L, -3, n);
    lua_remove(L, -2);
    return true;
}

/* The __index of the globals. Upvalue: the set of names. */
static int read_missing(lua_State *L)
{
    lua_settop(L, 2);
    lua_pushvalue(L, 2);
    if (lua_rawget(L, lua_upvalueindex(1)) == LUA_TNIL)
        return 0;
    return luaL_error(L, "global '%s' is missing: a task or init has set it in another worker. Workers that "
        "inherit a job do not have it; carry = \"ship\" sends the job to those that do", lua_tostring(L, 2));
}

void luas__made_globals_guard(lua_State *L, int names)
{
    int top = lua_gettop(L);
    luaL_checkstack(L, 20, NULL);
    names = lua_absindex(L, names);
    lua_pushglobaltable(L);
    if (!lua_getmetatable(L, -1)) {
        lua_newtable(L);
        lua_pushvalue(L, -1);
        lua_setmetatable(L, top + 1);
    }
    lua_pushliteral(L, "__index");
    if (lua_rawget(L, top + 2) == LUA_TNIL) {
        lua_pushliteral(L, "__index");
        lua_pushvalue(L, names);
        lua_pushcclosure(L, read_missing, 1);
        lua_rawset(L, top + 2);
    }
    lua_settop(L, top);
}
