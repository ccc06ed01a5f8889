/*
 * An application's function that forks, called in a task: the child is no second
 * worker, however its task ends, and every task has its own outcome. And forks beside
 * pools that are at work, here or in other threads: each child is whole.
 */
#include <lauxlib.h>
#include <lualib.h>
#include <luas.h>
#include <pthread.h>
#include <unistd.h>

#include "testing.h"

static const char in_tasks[] =
    "local how, N <const> = ..., 3000\n"
    "local items = {}\n"
    "for i = 1, N do items[i] = i end\n"
    "local function spin(s)\n"
    "    local t = os.clock() + s\n"
    "    while os.clock() < t do end\n"
    "end\n"
    "local Packing = {__luas_unpack = function(i) return i end}\n"
    "function Packing.__luas_pack(o) return fork() == 0 and 'of the child' or o[1] end\n"
    "local function task(i)\n"
    "    spin(i % 10 == 0 and 1e-5 or 0)\n"
    "    if i % 500 ~= 0 then return i end\n"
    "    if how == 'packs' then return setmetatable({i}, Packing) end\n"
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

static int wait_here(lua_State *L)
{
    int status;
    pid_t pid = (pid_t)luaL_checkinteger(L, 1);
    lua_pushboolean(L, waitpid(pid, &status, 0) == pid && status == 0);
    return 1;
}

/* Without a search for leaks, as the states of other threads seem lost here. */
static int leave_here(lua_State *L)
{
    _exit(!lua_toboolean(L, 1));
}

static void run_script(const char *script, const char *how)
{
    lua_State *L = luaL_newstate();
    CHECK(L != NULL);
    luaL_openlibs(L);
    luas_openlibs(L);
    lua_register(L, "fork", fork_here);
    lua_register(L, "wait", wait_here);
    lua_register(L, "leave", leave_here);
    CHECK_INT(luaL_loadstring(L, script), LUA_OK);
    lua_pushstring(L, how);
    if (lua_pcall(L, 1, 0, 0) != LUA_OK)
        fprintf(stderr, "%s\n", luaL_tolstring(L, -1, NULL));
    CHECK_INT(lua_gettop(L), 0);
    lua_close(L);
}

static void test_a_child_that_lags(void)
{
    run_script(in_tasks, "lags");
}

static void test_a_child_of_a_result_that_packs_itself(void)
{
    run_script(in_tasks, "packs");
}

static void test_a_child_that_is_faster(void)
{
    run_script(in_tasks, "is faster");
}

static void test_a_child_that_raises(void)
{
    run_script(in_tasks, "raises");
}

/* ---- beside pools at work ---- */

/* By the library and by the application; the latter's child uses what it finds, and
   pools of its own. */
static const char besides[] =
    "local items = {}\n"
    "for i = 1, 3000 do items[i] = i end\n"
    "local function same(x) return x end\n"
    "local function check_child(ended, under_way)\n"
    "    assert(ended:get(5) == 7)\n"
    "    pcall(under_way.get, under_way, 5)\n"
    "    local p <close> = pool.new(1)\n"
    "    assert(p:apply(same, 3) == 3)\n"
    "    assert(pool.apply(same, 4) == 4)\n"
    "end\n"
    "for round = 1, tonumber((...)) do\n"
    "    local p <close> = pool.new { workers = 3, max_tasks = 500 }\n"
    "    local ended = p:apply_async(same, 7)\n"
    "    repeat os.execute \"sleep 0.01\" until p:stats().values == 1 -- which nobody has taken\n"
    "    local future, children = p:map_async(same, items), {}\n"
    "    for i = 1, 6 do\n"
    "        children[i] = fork()\n"
    "        if children[i] == 0 then\n"
    "            local ok, message = pcall(check_child, ended, future)\n"
    "            if not ok then io.stderr:write(tostring(message), '\\n') end\n"
    "            leave(ok)\n"
    "        end\n"
    "        assert(process.spawn(function() return ended:get(5) end):result() == 7)\n"
    "    end\n"
    "    assert(#future:get(20) == #items)\n"
    "    for _, child in ipairs(children) do assert(wait(child)) end\n"
    "end\n";

static void *fork_besides(void *unused)
{
    (void)unused;
    run_script(besides, under_valgrind() ? "1" : "8");
    return NULL;
}

static void test_forks_beside_a_pool_at_work(void)
{
    fork_besides(NULL);
}

#ifndef SANITIZED /* whose memory stays locked in a child when another thread was in malloc */
static void test_forks_in_several_threads(void)
{
    pthread_t threads[3];
    for (int i = 0; i < 3; i++)
        CHECK_INT(pthread_create(&threads[i], NULL, fork_besides, NULL), 0);
    for (int i = 0; i < 3; i++)
        CHECK_INT(pthread_join(threads[i], NULL), 0);
}
#endif

/* For valgrind a child has lost what only another thread knew. */
int main(void)
{
    RUN(test_a_child_that_lags);
    RUN(test_a_child_of_a_result_that_packs_itself);
    RUN(test_a_child_that_is_faster);
    RUN(test_a_child_that_raises);
    RUN(test_forks_beside_a_pool_at_work);
#ifndef SANITIZED
    if (!under_valgrind())
        RUN(test_forks_in_several_threads);
#endif
}
