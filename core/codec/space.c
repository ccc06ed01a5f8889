/* Spaces and the environments of job functions. */
#include "space.h"

#include <lauxlib.h>
#include <stdbool.h>
#include <string.h>

#include "error.h"
#include "keeper.h"
#include "made_globals.h"
#include "names.h"

enum { USER_VALUES = 5 };

static const char type_key, environment_key, functions_key;

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

/* Is the name nil for the job, whatever the worker has under it? */
static bool is_kept_out(lua_State *L)
{
    lua_Integer state = state_of_name(L);
    return state == NAME_CARRIED || (state == NAME_ABSENT && luas__names_inherited(L, 2));
}

/* Writes a global that came with the job: true. Any other is the worker's from now on. */
static bool write_carried(lua_State *L)
{
    lua_Integer state = state_of_name(L);
    if (state == NAME_CARRIED) {
        lua_rawset(L, 1);
    } else if (state == NAME_ABSENT) {
        lua_pushvalue(L, 2);
        lua_pushnil(L);
        lua_rawset(L, lua_upvalueindex(1));
    }
    if (state != NAME_CARRIED)
        (void)luas__made_globals_note(L, 2);
    return state == NAME_CARRIED;
}

static int read_global(lua_State *L)
{
    if (is_kept_out(L))
        return 0;
    lua_pushglobaltable(L);
    lua_pushvalue(L, 2);
    lua_gettable(L, -2);
    return 1;
}

static int write_global(lua_State *L)
{
    if (write_carried(L))
        return 0;
    lua_pushglobaltable(L);
    lua_insert(L, 2);
    lua_settable(L, 2);
    return 0;
}

/*
 * Where the globals have a metatable (a strict mode), its functions must find the task's function
 * right above them, by debug.getinfo or the level of an error. So they are called by tail calls of
 * Lua functions, of which nothing stays on the stack. What these call finds the function.
 */
static const char functions_text[] =
    "local find_read, find_written = ... "
    "return function(environment, name) "
    "  local f, t = find_read(environment, name) "
    "  if f then return f(t, name) end "
    "  return t "
    "end, function(environment, name, value) "
    "  local f, t = find_written(environment, name, value) "
    "  if f then return f(t, name, value) end "
    "end";

/* The most tables that stand in for one another by their metatables, as in Lua. */
enum { LONGEST_CHAIN = 2000 };

/* Follows the metatables from the table at the top, which is replaced, to one that has the name
   at index 2 or has no further one: pushes nil; or to a function: pushes that. */
static void follow(lua_State *L, const char *event)
{
    int at = lua_gettop(L);
    for (int i = 0; i < LONGEST_CHAIN; i++) {
        lua_pushvalue(L, 2);
        bool has_it = lua_rawget(L, at) != LUA_TNIL;
        lua_pop(L, 1);
        int type = has_it ? LUA_TNIL : luaL_getmetafield(L, at, event);
        if (type == LUA_TNIL) {
            lua_pushnil(L);
            return;
        }
        if (type != LUA_TTABLE)
            return;
        lua_replace(L, at);
    }
    luaL_error(L, "'%s' chain too long; possibly a loop", event);
}

/* Returns nil and the value, or the function that gives it and its table. */
static int find_read(lua_State *L)
{
    if (is_kept_out(L))
        return 0;
    lua_pushglobaltable(L);
    follow(L, "__index");
    if (lua_isfunction(L, -1)) {
        lua_insert(L, -2);
        return 2;
    }
    bool is_object = !lua_isnil(L, -1); /* what has fields of its own */
    lua_pushvalue(L, 2);
    if (is_object)
        lua_gettable(L, -2);
    else
        lua_rawget(L, -3);
    lua_pushnil(L);
    lua_insert(L, -2);
    return 2;
}

/* Writes it, or returns the function that does and its table. */
static int find_written(lua_State *L)
{
    if (write_carried(L))
        return 0;
    lua_pushglobaltable(L);
    follow(L, "__newindex");
    if (lua_isfunction(L, -1)) {
        lua_insert(L, -2);
        return 2;
    }
    bool is_object = !lua_isnil(L, -1);
    lua_pushvalue(L, 2);
    lua_pushvalue(L, 3);
    if (is_object)
        lua_settable(L, -3);
    else
        lua_rawset(L, -4);
    return 0;
}

/* Pushes the two Lua functions; they are compiled when they are needed first. */
static void push_functions(lua_State *L, int names)
{
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, &functions_key) != LUA_TFUNCTION) {
        lua_pop(L, 1);
        if (luaL_loadbufferx(L, functions_text, sizeof functions_text - 1, "=luas", "t") != LUA_OK)
            lua_error(L);
        lua_pushvalue(L, -1);
        lua_rawsetp(L, LUA_REGISTRYINDEX, &functions_key);
    }
    lua_pushvalue(L, names);
    lua_pushcclosure(L, find_read, 1);
    lua_pushvalue(L, names);
    lua_pushcclosure(L, find_written, 1);
    lua_call(L, 2, 2);
}

static bool have_metatable(lua_State *L)
{
    lua_pushglobaltable(L);
    bool has_one = lua_getmetatable(L, -1);
    lua_pop(L, 1 + has_one);
    return has_one;
}

/* Gives the metatable at the top, which stays, its functions. */
static void set_functions(lua_State *L, int names)
{
    int metatable = lua_gettop(L);
    if (have_metatable(L)) {
        push_functions(L, names);
    } else {
        lua_pushvalue(L, names);
        lua_pushcclosure(L, read_global, 1);
        lua_pushvalue(L, names);
        lua_pushcclosure(L, write_global, 1);
    }
    lua_setfield(L, metatable, "__newindex");
    lua_setfield(L, metatable, "__index");
}

/* Pushes the metatable of an environment whose names are at the top. */
static void push_environment_metatable(lua_State *L)
{
    int names = lua_gettop(L);
    lua_createtable(L, 1, 2);
    set_functions(L, names);
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

void luas__space_follow_globals(lua_State *L, int space)
{
    int base = lua_gettop(L);
    lua_getiuservalue(L, space, SPACE_NAMES);
    lua_getiuservalue(L, space, SPACE_ENVIRONMENT);
    if (have_metatable(L) && lua_istable(L, -1) && lua_getmetatable(L, -1))
        set_functions(L, base + 1);
    lua_settop(L, base);
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
    if (address != NULL && !lua_islightuserdata(L, -1)
        && luas__ptrmap_add(&s->numbers, address, &number) < 0)
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

/* The first place that a function of this number can have among cells: those beyond have none. */
static uint32_t place_of(uint32_t number)
{
    return number > UINT32_MAX >> LUAS__PLACE_BITS ? UINT32_MAX : number << LUAS__PLACE_BITS;
}

/* Upvalues, too: the functions that will get these numbers have others. */
static void forget_objects(lua_State *L, luas__space *s, int space)
{
    if (luas__ptrmap_forget_from(&s->numbers, s->known) < 0
        || luas__ptrmap_forget_from(&s->cells, place_of(s->known)) < 0)
        luaL_error(L, "%s", luas_strerror(LUAS_ENOMEM));
    lua_getiuservalue(L, space, SPACE_OBJECTS);
    for (; s->count > s->known; s->count--) {
        lua_pushnil(L);
        lua_rawseti(L, -2, s->count);
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
