/* Tracebacks are those of luaL_traceback, whatever the stack; of a million levels, in time. */
#include <lauxlib.h>
#include <lualib.h>
#include <stdlib.h>

#include "clock.h"
#include "testing.h"
#include "traceback.h"

/* Arguments: message or nil, level. Gives both. */
static int both(lua_State *L)
{
    const char *message = lua_tostring(L, 1);
    int level = (int)lua_tointeger(L, 2);
    luas__traceback_push(L, message, level, 0);
    luaL_traceback(L, L, message, level);
    return 2;
}

static int without(lua_State *L)
{
    luas__traceback_push(L, NULL, 1, (int)lua_tointeger(L, 1));
    return 1;
}

static lua_State *open_state(void)
{
    lua_State *L = luaL_newstate();
    CHECK(L != NULL);
    luaL_openlibs(L);
    lua_register(L, "both", both);
    lua_register(L, "without", without);
    return L;
}

static void run(lua_State *L, const char *text)
{
    if (luaL_dostring(L, text) != LUA_OK) {
        fprintf(stderr, "%s\n", lua_tostring(L, -1));
        exit(1);
    }
}

static void all_depths_are_as_luas_own(void)
{
    lua_State *L = open_state();
    run(L, "local function deep(n, level, message)\n"
           "  if n == 0 then local a, b = both(message, level) assert(a == b, a .. '\\n---\\n' .. b) return end\n"
           "  deep(n - 1, level, message)\n"
           "  return n\n"
           "end\n"
           "for n = 0, 60 do for level = 0, 4 do deep(n, level, n % 2 == 0 and 'message' or nil) end end\n"
           "deep(3, 1000) deep(100, 1000) deep(500, 490)");
    lua_close(L);
}

static void all_kinds_are_named_as_luas_own(void)
{
    lua_State *L = open_state();
    run(L, "local function check() local a, b = both('m', 0) assert(a == b, a .. '\\n---\\n' .. b) return 1 end\n"
           "function global() check() return 1 end\n"
           "local t = setmetatable({}, {__index = check, __add = function() check() return 1 end})\n"
           "function t:method() check() return 1 end\n"
           "local function tail() return check() end\n"
           "global() t:method() tail() local _ = t.x, t + 1\n"
           "table.sort({3, 2, 1}, function(a, b) check() return a < b end)\n"
           "string.gsub('abc', '.', check) pcall(check) xpcall(error, check)\n"
           "coroutine.wrap(check)() coroutine.wrap(global)() require 'string' load('global()', '=chunk')()");
    lua_close(L);
}

static void levels_below_are_left_out(void)
{
    lua_State *L = open_state();
    run(L, "local function inner(n) return (without(n)) end\n"
           "local function outer(n) return (inner(n)) end\n"
           "local all, less = outer(0), outer(2)\n"
           "assert(#less < #all and all:sub(1, #less) == less, less)\n"
           "assert(outer(1000) == 'stack traceback:')");
    lua_close(L);
}

static void a_million_levels_take_no_second(void)
{
    lua_State *L = open_state();
    lua_register(L, "without", without);
    int64_t began = luas__now();
    run(L, "local function f() return 1 + f() end\n"
           "local ok, text = xpcall(f, function() return without(0) end)\n"
           "assert(not ok and text:find '%(skipping %d%d%d%d%d+ levels%)', text)");
    CHECK(under_valgrind() || luas__now() - began < within(3 * LUAS__SECOND));
    lua_close(L);
}

int main(void)
{
    RUN(all_depths_are_as_luas_own);
    RUN(all_kinds_are_named_as_luas_own);
    RUN(levels_below_are_left_out);
    RUN(a_million_levels_take_no_second);
    return EXIT_SUCCESS;
}
