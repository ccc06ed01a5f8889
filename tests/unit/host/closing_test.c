/*
 * Finalizers that use the library while their state closes: what they use works, or
 * says why not, whichever of the two was made first; nothing that is freed is touched,
 * and nothing of what they make is left behind.
 */
#include <lauxlib.h>
#include <luas.h>
#include <lualib.h>

#include "testing.h"

/* How many moments there are at which the finalizer's object is made. */
enum { ORDERS = 4 };

static int told;

/* Arguments: was it right, and what it was. */
static int tell(lua_State *L)
{
    told++;
    if (!lua_toboolean(L, 1))
        fail_check(__FILE__, __LINE__, luaL_checkstring(L, 2));
    return 0;
}

static int openlibs(lua_State *L)
{
    luas_openlibs(L);
    return 0;
}

static lua_State *open_state(void)
{
    lua_State *L = luaL_newstate();
    CHECK(L != NULL);
    luaL_openlibs(L);
    lua_register(L, "tell", tell);
    lua_register(L, "openlibs", openlibs);
    told = 0;
    return L;
}

static void must(lua_State *L, int status)
{
    if (status != LUA_OK)
        fail_check(__FILE__, __LINE__, lua_tostring(L, -1));
}

static void run(lua_State *L, const char *text)
{
    must(L, luaL_dostring(L, text));
}

/* tests/support/closing.lua */
static void run_all_verbs(lua_State *L, int order)
{
    const char *slash = strrchr(__FILE__, '/');
    lua_pushlstring(L, __FILE__, slash == NULL ? 0 : (size_t)(slash - __FILE__) + 1);
    lua_pushliteral(L, "../../support/closing.lua");
    lua_concat(L, 2);
    must(L, luaL_loadfile(L, lua_tostring(L, -1)));
    lua_pushinteger(L, order);
    must(L, lua_pcall(L, 1, 0, 0));
}

static void test_all_verbs(void)
{
    for (int order = under_valgrind(); order < ORDERS; order += 1 + under_valgrind()) {
        lua_State *L = open_state();
        run_all_verbs(L, order);
        CHECK_INT(told, 0);
        lua_close(L);
        CHECK(told > 35);
    }
}

/* A finalizer of the usual kind: what it makes is the collector's, as ever. */
static void test_what_a_finalizer_makes_is_collected(void)
{
    lua_State *L = open_state();
    run(L, "openlibs()\n"
        "setmetatable({}, {__gc = function()\n"
        "    local p = pool.new(2)\n"
        "    tell(p:map(function(x) return {{x}} end, {1, 2})[2][1][1] == 2, 'map')\n"
        "    local a, b = process.pipe()\n"
        "end})\n"
        "collectgarbage()\n"
        "collectgarbage()\n"
        "collectgarbage()\n");
    CHECK_INT(told, 1);
    CHECK(waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD);
    lua_close(L);
}

/* Nobody could tell whether its state closes. */
static void test_a_finalizer_cannot_load_the_library(void)
{
    lua_State *L = open_state();
    run(L, "kept = setmetatable({}, {__gc = function()\n"
        "    local ok, message = pcall(openlibs)\n"
        "    tell(not ok and message:find('luas cannot be loaded by a finalizer', 1, true), message)\n"
        "end})\n");
    lua_close(L);
    CHECK_INT(told, 1);
}

/* What packs itself may leave objects to the collector, whose finalizers send something, too. */
static void test_finalizers_between_two_fields_of_a_message(void)
{
    lua_State *L = open_state();
    run(L, "openlibs()\n"
        "local p, C, kept = pool.new(1), {}, nil\n"
        "package.loaded.C = C -- so that its functions go by name\n"
        "function C.__luas_pack() kept = nil collectgarbage() return 1 end\n"
        "function C.__luas_unpack(x) return {x} end\n"
        "kept = setmetatable({}, {__gc = function()\n"
        "    tell(p:apply(function(x) return x end, {{1}})[1][1] == 1, 'inner')\n"
        "end})\n"
        "local packing = setmetatable({}, {__luas_pack = C.__luas_pack, __luas_unpack = C.__luas_unpack})\n"
        "local list = p:apply(function(x) return x end, {{0}, packing, {2}})\n"
        "tell(list[1][1] == 0 and list[2][1] == 1 and list[3][1] == 2, 'outer')\n");
    CHECK_INT(told, 2);
    lua_close(L);
}

int main(void)
{
    RUN(test_all_verbs);
    RUN(test_what_a_finalizer_makes_is_collected);
    RUN(test_a_finalizer_cannot_load_the_library);
    RUN(test_finalizers_between_two_fields_of_a_message);
    return EXIT_SUCCESS;
}
