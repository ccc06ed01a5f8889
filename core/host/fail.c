/* Which line of a script called into the library, for messages. */
#include "fail.h"

#include <lauxlib.h>
#include <stdarg.h>
#include <string.h>

/* What the names of the embedded files begin with (open.c). */
#define OWN "@luas/"

void luas__fail_push_caller(lua_State *L)
{
    lua_Debug ar;
    for (int level = 0; lua_getstack(L, level, &ar); level++) {
        lua_getinfo(L, "Sl", &ar);
        if (ar.currentline > 0 && strncmp(ar.source, OWN, sizeof OWN - 1) != 0) {
            lua_pushfstring(L, "%s:%d: ", ar.short_src, ar.currentline);
            return;
        }
    }
    lua_pushliteral(L, "");
}

int luas__fail(lua_State *L, const char *format, ...)
{
    va_list arguments;
    luas__fail_push_caller(L);
    va_start(arguments, format);
    lua_pushvfstring(L, format, arguments);
    va_end(arguments);
    lua_concat(L, 2);
    return lua_error(L);
}


int luas__fail_report(lua_State *L)
{
    const char *message = luaL_checkstring(L, 1);
    if (lua_getfield(L, LUA_REGISTRYINDEX, "luas.report") == LUA_TFUNCTION) {
        lua_pushvalue(L, 1);
        lua_call(L, 1, 0);
    } else {
        lua_warning(L, "luas: ", 1);
        lua_warning(L, message, 0);
    }
    return 0;
}
