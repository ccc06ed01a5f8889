/* Memos of carried functions. */
#include "ship_cache.h"

#include <lauxlib.h>
#include <lualib.h>
#include <string.h>

#include "names.h"
#include "space.h"

/* With more comparisons than this a memo is slower than carrying anew. */
enum { MOST_CHECKS = 64 };

/* The checks: a count of objects, then upvalues as function, number, value,
   then globals as nil, name, value. */
enum { CHECK_COUNT = MEMO_CHECKS, CHECK_FIRST, CHECK_SIZE = 3 };

void luas__ship_cache_new(lua_State *L)
{
    lua_newtable(L);
    lua_createtable(L, 0, 1);
    lua_pushliteral(L, "k");
    lua_setfield(L, -2, "__mode");
    lua_setmetatable(L, -2);
}

/* Are they identical? 1 is not 1.0 here, and 0.0 is not -0.0. */
static int same(lua_State *L, int a, int b)
{
    if (lua_type(L, a) != LUA_TNUMBER || lua_type(L, b) != LUA_TNUMBER)
        return lua_rawequal(L, a, b);
    if (lua_isinteger(L, a) != lua_isinteger(L, b))
        return 0;
    if (lua_isinteger(L, a))
        return lua_tointeger(L, a) == lua_tointeger(L, b);
    lua_Number x = lua_tonumber(L, a), y = lua_tonumber(L, b);
    return memcmp(&x, &y, sizeof x) == 0;
}

/* Pushes the present value of the upvalue or global of a check. */
static void push_present(lua_State *L, int function, int key)
{
    if (lua_isnil(L, function)) {
        lua_pushglobaltable(L);
        lua_pushvalue(L, key);
        lua_rawget(L, -2);
        lua_remove(L, -2);
    } else if (lua_getupvalue(L, function, (int)lua_tointeger(L, key)) == NULL) {
        lua_pushnil(L);
    }
}

static int check_holds(lua_State *L, int memo, int i)
{
    int base = lua_gettop(L);
    for (int k = 0; k < CHECK_SIZE; k++)
        lua_rawgeti(L, memo, i + k);
    push_present(L, base + 1, base + 2);
    int holds = same(L, base + 3, base + 4);
    lua_settop(L, base);
    return holds;
}

static int all_hold(lua_State *L, int memo)
{
    lua_rawgeti(L, memo, MEMO_SPACE);
    int is_released = luas__space_at(L, -1)->released;
    lua_pop(L, 1);
    if (is_released)
        return 0;
    lua_rawgeti(L, memo, CHECK_COUNT);
    int last = CHECK_FIRST + CHECK_SIZE * (int)lua_tointeger(L, -1);
    lua_pop(L, 1);
    for (int i = CHECK_FIRST; i < last; i += CHECK_SIZE)
        if (!check_holds(L, memo, i))
            return 0;
    return 1;
}

int luas__ship_cache_take(lua_State *L, int cache, int function)
{
    lua_pushvalue(L, function);
    if (lua_rawget(L, cache) == LUA_TTABLE && all_hold(L, lua_gettop(L))) {
        lua_pushvalue(L, function);
        lua_pushnil(L);
        lua_rawset(L, cache);
        return 1;
    }
    lua_pop(L, 1);
    return 0;
}

/* Adds the function (or nil), key and value at the top as the memo's next check. */
static int add_check(lua_State *L, int memo, int *count)
{
    if (*count == MOST_CHECKS)
        return 0;
    for (int k = CHECK_SIZE; k-- > 0;)
        lua_rawseti(L, memo, CHECK_FIRST + CHECK_SIZE * *count + k);
    ++*count;
    return 1;
}

/* Adds checks for the object at the top: for the upvalues of a Lua function. Any other object
   must have a name. */
static int add_object(lua_State *L, int memo, int names, int *count)
{
    int object = lua_gettop(L);
    if (!lua_isfunction(L, object)) {
        if (luas__names_find(L, names, object) == 0)
            return 0;
        lua_settop(L, object);
        return 1;
    }
    for (int i = 1; !lua_iscfunction(L, object); i++) {
        lua_pushvalue(L, object);
        lua_pushinteger(L, i);
        if (lua_getupvalue(L, object, i) == NULL) {
            lua_settop(L, object);
            break;
        }
        if (!add_check(L, memo, count))
            return 0;
    }
    return 1;
}

static int add_objects(lua_State *L, int memo, int space, int *count)
{
    const luas__space *s = luas__space_at(L, space);
    int base = lua_gettop(L), stable = 1;
    luas__names_push(L);
    lua_getiuservalue(L, space, SPACE_OBJECTS);
    for (uint32_t i = 0; i < s->count && stable; i++) {
        lua_rawgeti(L, base + 2, (lua_Integer)i + 1);
        stable = add_object(L, memo, base + 1, count);
        lua_settop(L, base + 2);
    }
    lua_settop(L, base);
    return stable;
}

static int add_globals(lua_State *L, int memo, int space, int *count)
{
    const luas__space *s = luas__space_at(L, space);
    int base = lua_gettop(L), stable = 1;
    lua_getiuservalue(L, space, SPACE_NAMES);
    for (uint32_t i = 1; i <= s->names && stable; i++) {
        lua_pushnil(L);
        lua_rawgeti(L, base + 1, (lua_Integer)i);
        push_present(L, base + 2, base + 3);
        stable = add_check(L, memo, count);
    }
    lua_settop(L, base);
    return stable;
}

static lua_Integer space_size(const luas__space *s)
{
    return (lua_Integer)s->count << 32 | s->names;
}

int luas__ship_cache_make(lua_State *L, int function, int space, int modules,
                      const char *message, size_t len)
{
    int count = 0;
    lua_createtable(L, CHECK_FIRST + 4 * CHECK_SIZE, 0);
    int memo = lua_gettop(L);
    if (!add_objects(L, memo, space, &count) || !add_globals(L, memo, space, &count)) {
        lua_settop(L, memo - 1);
        return 0;
    }
    lua_pushinteger(L, count);
    lua_rawseti(L, memo, CHECK_COUNT);
    lua_pushinteger(L, space_size(luas__space_at(L, space)));
    lua_rawseti(L, memo, MEMO_SIZE);
    const int values[] = {space, 0, modules, function};
    for (int i = 0; i < 4; i++) {
        i == 1 ? (void)lua_pushlstring(L, message, len) : lua_pushvalue(L, values[i]);
        lua_rawseti(L, memo, MEMO_SPACE + i);
    }
    return 1;
}

/* Is the space as it was when the function was carried? */
static int untouched(lua_State *L, int memo)
{
    lua_rawgeti(L, memo, MEMO_SPACE);
    lua_rawgeti(L, memo, MEMO_SIZE);
    int same_size = lua_tointeger(L, -1) == space_size(luas__space_at(L, -2));
    lua_pop(L, 2);
    return same_size;
}

void luas__ship_cache_keep(lua_State *L, int cache)
{
    int memo = lua_gettop(L);
    if (untouched(L, memo)) {
        lua_rawgeti(L, memo, MEMO_FUNCTION);
        lua_pushvalue(L, memo);
        lua_rawset(L, cache);
    }
    lua_settop(L, memo - 1);
}

void luas__ship_cache_libraries(lua_State *L, int space, int modules)
{
    int base = lua_gettop(L);
    lua_getiuservalue(L, space, SPACE_NAMES);
    for (lua_pushnil(L); lua_next(L, base + 1) != 0; lua_settop(L, base + 2)) {
        if (lua_type(L, base + 2) != LUA_TSTRING || lua_tointeger(L, -1) != NAME_STANDARD)
            continue;
        lua_pushnil(L);
        push_present(L, base + 4, base + 2);
        if (strcmp(lua_tostring(L, base + 2), "require") == 0)
            lua_pushliteral(L, LUA_LOADLIBNAME);
        else if (lua_istable(L, -1))
            lua_pushvalue(L, base + 2);
        else
            continue;
        lua_pushboolean(L, 1);
        lua_rawset(L, modules);
    }
    lua_settop(L, base);
}
