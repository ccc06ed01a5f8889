/* What a signal's hook raises is neither a failure to send nor one to read. */
#include <lauxlib.h>
#include <lualib.h>
#include <stdlib.h>

#include "codec.h"
#include "error.h"
#include "stop.h"
#include "testing.h"

static lua_State *open_state(void)
{
    lua_State *L = luaL_newstate();
    CHECK(L != NULL);
    luaL_openlibs(L);
    CHECK(luaL_dostring(L,
        "Class = {__luas_pack = function() return 1 end, __luas_unpack = function() return {} end}"
        "Says = setmetatable({}, {__tostring = function() error('here: interrupted!', 0) end})"
        "function stop() error('here: interrupted!', 0) end "
        "function says() error(Says) end") == LUA_OK);
    return L;
}

/* An object whose class has this function in the field, at the top. */
static void push_object(lua_State *L, const char *field, const char *function)
{
    lua_newtable(L);
    lua_getglobal(L, "Class");
    lua_getglobal(L, function);
    lua_setfield(L, -2, field);
    lua_setmetatable(L, -2);
}

static void check_packing(lua_State *L, const char *function, int wanted, bool is_stop)
{
    luas__encode_options options = {.each = "argument"};
    luas__buffer b = LUAS__BUFFER_INIT;
    lua_settop(L, 0);
    push_object(L, "__luas_pack", function);
    CHECK_INT(luas__encode(L, 1, 1, &b, &options), wanted);
    CHECK(luas__stop_is(L, 2) == is_stop);
    CHECK_INT(lua_gettop(L), wanted == 0 ? 1 : 2);
    luas__buffer_release(&b);
}

static void a_stop_within_packing_is_told(void)
{
    lua_State *L = open_state();
    check_packing(L, "stop", LUAS_EINTR, true);
    check_packing(L, "says", LUAS_EINTR, true);
    check_packing(L, "tostring", 0, false);
    lua_close(L);
}

static int decode(lua_State *L)
{
    const luas__buffer *b = lua_touserdata(L, 1);
    return luas__decode(L, luas__buffer_bytes(b), b->len, 0, LUAS__FUNCTIONS);
}

static void a_stop_within_unpacking_goes_on(void)
{
    static const char *const functions[] = {"stop", "says"};
    lua_State *L = open_state();
    for (int i = 0; i < 2; i++) {
        luas__encode_options options = {.each = "argument"};
        luas__buffer b = LUAS__BUFFER_INIT;
        lua_settop(L, 0);
        push_object(L, "__luas_unpack", functions[i]);
        CHECK(luaL_dostring(L, "function Class.__luas_pack() return 1 end") == LUA_OK);
        CHECK_INT(luas__encode(L, 1, 1, &b, &options), 0);
        lua_pushcfunction(L, decode);
        lua_pushlightuserdata(L, &b);
        CHECK(lua_pcall(L, 1, 0, 0) == LUA_ERRRUN);
        CHECK(strcmp(lua_tostring(L, -1), "here: interrupted!") == 0);
        luas__buffer_release(&b);
    }
    lua_close(L);
}

static void an_outcome_of_a_stop_is_one(void)
{
    lua_State *L = open_state();
    CHECK(luaL_dostring(L, "return {value = 'here: interrupted!'}, {value = {value = 'interrupted!'}}, {value = 1}, {}, 1,"
                           " setmetatable({}, {__index = error}), 'interrupted! not'") == LUA_OK);
    for (int i = 1; i <= 7; i++)
        CHECK(luas__stop_is(L, i) == (i <= 2));
    CHECK_INT(lua_gettop(L), 7);
    CHECK(luaL_dostring(L, "local t = {} t.value = t return t") == LUA_OK);
    CHECK(!luas__stop_is(L, -1));
    lua_close(L);
}

/* Where the program says what it raised, nothing else is a stop. */
static void the_program_says_which_it_was(void)
{
    lua_State *L = open_state();
    lua_pushboolean(L, 0);
    lua_setfield(L, LUA_REGISTRYINDEX, LUAS__STOPPED_KEY);
    check_packing(L, "stop", LUAS_EUNSENT, false);
    lua_close(L);
}

int main(void)
{
    RUN(a_stop_within_packing_is_told);
    RUN(a_stop_within_unpacking_goes_on);
    RUN(an_outcome_of_a_stop_is_one);
    RUN(the_program_says_which_it_was);
    return EXIT_SUCCESS;
}
