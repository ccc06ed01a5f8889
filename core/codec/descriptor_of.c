/* Asking userdata for descriptors. */
#include "descriptor_of.h"

#include <lauxlib.h>
#include <lualib.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "stop.h"

/* Calls the method at the top, and pops it. Below it are the class and the object. A method that
   raises says that the object is closed, unless it was stopped. */
static int ask(lua_State *L)
{
    lua_pushvalue(L, -3);
    int is_number = 0;
    lua_Integer fd = -1;
    if (lua_pcall(L, 1, 1, 0) == LUA_OK)
        fd = lua_tointegerx(L, -1, &is_number);
    else if (luas__stop_is(L, -1))
        return lua_error(L);
    lua_pop(L, 1);
    return is_number && fd >= 0 && fd == (int)fd ? (int)fd : LUAS__DESCRIPTOR_NONE;
}

/* Pushes the method of this name, if the class at the top has it as a C function. */
static bool push_method(lua_State *L, const char *name)
{
    int top = lua_gettop(L);
    lua_pushliteral(L, "__index");
    if (lua_rawget(L, top) == LUA_TTABLE) {
        lua_pushstring(L, name);
        lua_rawget(L, -2);
        if (lua_iscfunction(L, -1)) {
            lua_replace(L, top + 1);
            return true;
        }
    }
    lua_settop(L, top);
    return false;
}

static bool has_field(lua_State *L, const char *name)
{
    lua_pushstring(L, name);
    bool has = lua_rawget(L, -2) != LUA_TNIL;
    lua_pop(L, 1);
    return has;
}

static bool is_library_class(lua_State *L)
{
    lua_pushliteral(L, "__name");
    const char *name = lua_rawget(L, -2) == LUA_TSTRING ? lua_tostring(L, -1) : "";
    bool is = strncmp(name, "luas.", 5) == 0;
    lua_pop(L, 1);
    return is;
}

/* The class is at the top, the object below it. */
static int by_class(lua_State *L)
{
    static const char *const getters[] = {"getfd", "fileno"};
    if (has_field(L, "__luas_pack"))
        return LUAS__DESCRIPTOR_NONE;
    for (int i = 0; i < 2; i++)
        if (push_method(L, getters[i]))
            return ask(L);
    return is_library_class(L) ? LUAS__DESCRIPTOR_NONE : LUAS__DESCRIPTOR_UNKNOWN;
}

int luas__descriptor_of(lua_State *L)
{
    const luaL_Stream *file = luaL_testudata(L, -1, LUA_FILEHANDLE);
    if (file != NULL)
        return file->closef != NULL ? fileno(file->f) : LUAS__DESCRIPTOR_NONE;
    if (!lua_getmetatable(L, -1))
        return LUAS__DESCRIPTOR_UNKNOWN;
    int fd = by_class(L);
    lua_pop(L, 1);
    return fd;
}
