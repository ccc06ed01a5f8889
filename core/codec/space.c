/* Spaces and the environments of job functions. */
#include "space.h"

#include <lauxlib.h>
#include <string.h>

#include "error.h"
#include "keeper.h"
#include "names.h"

enum { USER_VALUES = 3 };

static const char type_key, environment_key;

static int release(lua_State *L)
{
    luas__space *s = lua_touserdata(L, 1);
    luas__ptrmap_release(&s->numbers);
    luas__ptrmap_release(&s->cells);
    s->released = 1;
    return 0;
}

/* The state of the name at index 2, for a job whose names are upvalue 1. */
static lua_Integer state_of_name(lua_State *L)
{
    lua_settop(L, 3);
    lua_pushvalue(L, 2);
    lua_rawget(L, lua_upvalueindex(1));
    lua_Integer state = lua_tointeger(L, -1);
    lua_pop(L, 1);
    return state;
}

static int read_global(lua_State *L)
{
    lua_Integer state = state_of_name(L);
    if (state == NAME_CARRIED || (state == NAME_ABSENT && luas__names_inherited(L, 2)))
        return 0;
    lua_pushglobaltable(L);
    lua_pushvalue(L, 2);
    lua_gettable(L, -2);
    return 1;
}

static int write_global(lua_State *L)
{
    lua_Integer state = state_of_name(L);
    if (state == NAME_CARRIED) {
        lua_rawset(L, 1);
        return 0;
    }
    if (state == NAME_ABSENT) {
        lua_pushvalue(L, 2);
        lua_pushnil(L);
        lua_rawset(L, lua_upvalueindex(1));
    }
    lua_pushglobaltable(L);
    lua_insert(L, 2);
    lua_settable(L, 2);
    return 0;
}

/* Pushes the metatable of an environment whose names are at the top. */
static void push_environment_metatable(lua_State *L)
{
    int names = lua_gettop(L);
    lua_createtable(L, 1, 2);
    lua_pushvalue(L, names);
    lua_pushcclosure(L, read_global, 1);
    lua_setfield(L, -2, "__index");
    lua_pushvalue(L, names);
    lua_pushcclosure(L, write_global, 1);
    lua_setfield(L, -2, "__newindex");
    lua_pushboolean(L, 1);
    lua_rawsetp(L, -2, &environment_key);
}

/* Pops the names and gives the space at the top an environment. */
static void set_environment(lua_State *L)
{
    lua_getiuservalue(L, -1, SPACE_NAMES);
    lua_newtable(L);
    lua_insert(L, -2);
    push_environment_metatable(L);
    lua_setmetatable(L, -3);
    lua_pop(L, 1);
    lua_setiuservalue(L, -2, SPACE_ENVIRONMENT);
}

static void push_space_metatable(lua_State *L)
{
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, &type_key) == LUA_TTABLE)
        return;
    lua_pop(L, 1);
    lua_createtable(L, 0, 2);
    lua_pushcfunction(L, release);
    lua_setfield(L, -2, "__gc");
    lua_pushliteral(L, "luas.space");
    lua_setfield(L, -2, "__name");
    lua_pushvalue(L, -1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &type_key);
}

void luas__space_new(lua_State *L, int worker_side)
{
    luaL_checkstack(L, 10, NULL);
    luas__space *s = lua_newuserdatauv(L, sizeof *s, USER_VALUES);
    memset(s, 0, sizeof *s);
    s->worker = worker_side;
    push_space_metatable(L);
    lua_setmetatable(L, -2);
    luas__keeper_must_add(L);
    lua_newtable(L);
    lua_setiuservalue(L, -2, SPACE_OBJECTS);
    lua_newtable(L);
    lua_setiuservalue(L, -2, SPACE_NAMES);
    if (worker_side)
        set_environment(L);
}

luas__space *luas__space_at(lua_State *L, int index)
{
    void *p = lua_touserdata(L, index);
    if (p == NULL || !lua_getmetatable(L, index))
        return NULL;
    lua_rawgetp(L, LUA_REGISTRYINDEX, &type_key);
    int same = lua_rawequal(L, -1, -2);
    lua_pop(L, 2);
    return same ? p : NULL;
}

void luas__space_bind(lua_State *L, luas__space *s, int objects, uint32_t number)
{
    const void *address = lua_topointer(L, -1);
    lua_pushvalue(L, -1);
    lua_rawseti(L, objects, (lua_Integer)number + 1);
    if (address != NULL && luas__ptrmap_add(&s->numbers, address, &number) < 0)
        luaL_error(L, "%s", luas_strerror(LUAS_ENOMEM));
}

void luas__space_commit(luas__space *s)
{
    s->known = s->count;
    s->names_known = s->names;
}

static void forget_names(lua_State *L, luas__space *s, int space)
{
    lua_getiuservalue(L, space, SPACE_NAMES);
    for (; s->names > s->names_known; s->names--) {
        lua_rawgeti(L, -1, s->names);
        lua_pushnil(L);
        lua_rawset(L, -3);
        lua_pushnil(L);
        lua_rawseti(L, -2, s->names);
    }
    lua_pop(L, 1);
}

/* Builds the hash table anew from the objects that stay: it cannot remove single ones. */
static void forget_objects(lua_State *L, luas__space *s, int space)
{
    lua_getiuservalue(L, space, SPACE_OBJECTS);
    for (; s->count > s->known; s->count--) {
        lua_pushnil(L);
        lua_rawseti(L, -2, s->count);
    }
    luas__ptrmap_clear(&s->numbers);
    for (uint32_t i = 0; i < s->known; i++) {
        uint32_t number = i;
        lua_rawgeti(L, -1, (lua_Integer)i + 1);
        if (luas__ptrmap_add(&s->numbers, lua_topointer(L, -1), &number) < 0)
            luaL_error(L, "%s", luas_strerror(LUAS_ENOMEM));
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
}

void luas__space_rollback(lua_State *L, int space)
{
    luas__space *s = lua_touserdata(L, space);
    s->names_defined = s->names_known;
    if (s->names > s->names_known)
        forget_names(L, s, space);
    if (s->count > s->known)
        forget_objects(L, s, space);
}

void luas__space_want(lua_State *L, int space)
{
    luas__space *s = lua_touserdata(L, space);
    lua_getiuservalue(L, space, SPACE_NAMES);
    lua_pushvalue(L, -2);
    if (lua_rawget(L, -2) == LUA_TNIL) {
        lua_pushvalue(L, -3);
        lua_pushinteger(L, NAME_WANTED);
        lua_rawset(L, -4);
        lua_pushvalue(L, -3);
        lua_rawseti(L, -3, (lua_Integer)++s->names);
    }
    lua_pop(L, 3);
}

int luas__space_same(lua_State *L, int a, int b)
{
    luas__space *left = luas__space_at(L, a), *right = luas__space_at(L, b);
    int same = left != NULL && right != NULL && left->count == right->count;
    if (!same)
        return 0;
    b = lua_absindex(L, b);
    lua_getiuservalue(L, a, SPACE_OBJECTS);
    lua_getiuservalue(L, b, SPACE_OBJECTS);
    for (uint32_t i = 1; same && i <= left->count; i++) {
        lua_rawgeti(L, -2, i);
        lua_rawgeti(L, -2, i);
        same = lua_rawequal(L, -1, -2);
        lua_pop(L, 2);
    }
    lua_pop(L, 2);
    return same;
}

int luas__space_is_environment(lua_State *L, int index)
{
    if (!lua_istable(L, index) || !lua_getmetatable(L, index))
        return 0;
    int found = lua_rawgetp(L, -1, &environment_key) != LUA_TNIL;
    lua_pop(L, 2);
    return found;
}

/* Has the function at the top no upvalues but the table at `environment`? */
static int is_pure(lua_State *L, int environment)
{
    int pure = lua_isfunction(L, -1);
    for (int i = 1; pure && !lua_iscfunction(L, -1) && lua_getupvalue(L, -1, i) != NULL; i++) {
        pure = lua_rawequal(L, -1, environment);
        lua_pop(L, 1);
    }
    return pure;
}

int luas__space_is_pure(lua_State *L, int space)
{
    const luas__space *s = luas__space_at(L, space);
    int base = lua_gettop(L), pure = 1;
    lua_getiuservalue(L, space, SPACE_OBJECTS);
    lua_getiuservalue(L, space, SPACE_NAMES);
    lua_getiuservalue(L, space, SPACE_ENVIRONMENT);
    for (uint32_t i = 1; i <= s->count && pure; i++) {
        lua_rawgeti(L, base + 1, (lua_Integer)i);
        pure = is_pure(L, base + 3);
        lua_pop(L, 1);
    }
    for (lua_pushnil(L); pure && lua_next(L, base + 2) != 0; lua_pop(L, 1))
        pure = lua_tointeger(L, -1) != NAME_CARRIED || lua_type(L, -2) != LUA_TSTRING;
    lua_settop(L, base);
    return pure;
}
