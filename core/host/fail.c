/* Which line of a script called into the library, for messages. */
#include "fail.h"

#include <lauxlib.h>
#include <stdarg.h>
#include <stdbool.h>
#include <string.h>

#include "stop.h"
#include "user_calls.h"

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

int luas__fail_argument(lua_State *L, int argument, const char *verb, const char *reason)
{
    return luas__fail(L, "bad argument #%d to '%s' (%s)", argument, verb, reason);
}

/* Pushes what the script wants to be called, or nil. */
static void push_own(lua_State *L)
{
    if (lua_getfield(L, LUA_REGISTRYINDEX, LUAS__MODULE_KEY) != LUA_TTABLE)
        return;
    lua_pushliteral(L, "report");
    lua_rawget(L, -2);
}

/* What a report raises is no reason that nobody is told, but for what stops the script. */
static bool tell_script(lua_State *L)
{
    push_own(L);
    if (lua_isnil(L, -1))
        return false;
    luas__user_calls_note(L);
    lua_pushvalue(L, 1);
    if (lua_pcall(L, 1, 0, 0) == LUA_OK)
        return true;
    return luas__stop_is(L, -1) ? lua_error(L) : false;
}

int luas__fail_report(lua_State *L)
{
    const char *message = luaL_checkstring(L, 1);
    lua_settop(L, 1);
    if (tell_script(L))
        return 0;
    if (lua_getfield(L, LUA_REGISTRYINDEX, LUAS__REPORT_KEY) == LUA_TFUNCTION) {
        lua_pushvalue(L, 1);
        lua_call(L, 1, 0);
    } else {
        lua_warning(L, "luas: ", 1);
        lua_warning(L, message, 0);
    }
    return 0;
}

int luas__fail_reporter(lua_State *L)
{
    bool is_known = lua_getfield(L, LUA_REGISTRYINDEX, LUAS__REPORT_KEY) != LUA_TNIL;
    bool is_opened = lua_getfield(L, LUA_REGISTRYINDEX, LUAS__OPENED_KEY) != LUA_TNIL;
    lua_settop(L, 1);
    if (!is_known && !is_opened)
        lua_setfield(L, LUA_REGISTRYINDEX, LUAS__REPORT_KEY);
    return 0;
}
