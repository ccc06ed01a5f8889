/*
 * An application's function that forks, called in a task: the child is no second
 * worker, however its task ends, and every task has its own outcome.
 */
#include <lauxlib.h>
#include <lualib.h>
#include <luas.h>
#include <unistd.h>

#include "testing.h"

static const char script[] =
    "local how, N <const> = ..., 3000\n"
    "local items = {}\n"
    "for i = 1, N do items[i] = i end\n"
    "local function spin(s)\n"
    "    local t = os.clock() + s\n"
    "    while os.clock() < t do end\n"
    "end\n"
    "local function task(i)\n"
    "    spin(i % 10 == 0 and 1e-5 or 0)\n"
    "    if i % 500 ~= 0 then return i end\n"
    "    local is_child = fork() == 0\n"
    "    if is_child and how == 'raises' then error('in the child') end\n"
    "    if is_child == (how == 'lags') then spin(1e-4) end\n"
    "    return is_child and 'of the child' or i\n"
    "end\n"
    "local p <close> = pool.new(2)\n"
    "for _, chunk in ipairs { 1, 50, N } do\n"
    "    local results, n = p:map(task, items, { chunk = chunk })\n"
    "    assert(n == N)\n"
    "    for i = 1, N do assert(results[i] == i, results[i]) end\n"
    "end\n"
    /* a worker that is forked in a process of the pool's is one */
    "local process = process.spawn(function()\n"
    "    local inner <close> = pool.new(1)\n"
    "    return inner:map(function(i) return i end, { 1, 2 })[2]\n"
    "end)\n"
    "assert(process:result() == 2)\n";

static int fork_here(lua_State *L)
{
    lua_pushinteger(L, fork());
    return 1;
}

static void run(const char *how)
{
    lua_State *L = luaL_newstate();
    CHECK(L != NULL);
    luaL_openlibs(L);
    luas_openlibs(L);
    lua_register(L, "fork", fork_here);
    CHECK_INT(luaL_loadstring(L, script), LUA_OK);
    lua_pushstring(L, how);
    if (lua_pcall(L, 1, 0, 0) != LUA_OK)
        fprintf(stderr, "%s\n", luaL_tolstring(L, -1, NULL));
    CHECK_INT(lua_gettop(L), 0);
    lua_close(L);
}

static void test_a_child_that_lags(void)
{
    run("lags");
}

static void test_a_child_that_is_faster(void)
{
    run("is faster");
}

static void test_a_child_that_raises(void)
{
    run("raises");
}

int main(void)
{
    RUN(test_a_child_that_lags);
    RUN(test_a_child_that_is_faster);
    RUN(test_a_child_that_raises);
}
