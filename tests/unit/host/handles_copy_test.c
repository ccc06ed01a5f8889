/*
 * An application forks, for its own reasons: the child has the handles that the
 * scripts had, and what had come by then. It waits for none of the locks that were
 * held, may open pools of its own, and changes nothing of its parent's.
 */
#define _GNU_SOURCE
#include <lauxlib.h>
#include <lualib.h>
#include <luas.h>

#include "copy_testing.h"
#include "handles.h"

/* What is global in the scripts below. */
static const char handles[] =
    "function double(x) return 2 * x end\n"
    "function later() while true do os.execute 'sleep 1' end end\n"
    "function fails(message, f, ...)\n"
    "    local ok, raised = pcall(f, ...)\n"
    "    assert(not ok and tostring(raised):find(message, 1, true), raised)\n"
    "end\n"
    "function foreign(...) fails('belongs to another process', ...) end\n"
    "p = pool.new(2)\n"
    "ended = p:apply_async(double, 4)\n"
    "failed = p:map_async(error, {'bad', 'worse'})\n"
    "it, items = p:imap(double, {1, 2, 3}), {}\n"
    "for i = 1, slow and 1000 or 20000 do items[i] = i end\n"
    "read = 0\n"
    "source = p:imap(double, function() read = read + 1 return read < 5000 and read or nil end)\n"
    "assert(select(2, source()) == 2)\n"
    "done, run = process.spawn(double, 4), process.spawn(later)\n"
    "a, b = process.pipe()\n"
    "function is_gone(pid) return not io.open(('/proc/%d/stat'):format(pid)) end\n"
    "for i = 1, 1000 do\n"
    "    local stats = p:stats()\n"
    "    if stats.values == 4 + read and stats.errors == 2 and is_gone(done.pid) then break end\n"
    "    os.execute 'sleep 0.01'\n"
    "end\n"
    "pool.apply(double, 1)\n"
    "os.execute 'sleep 0.05'\n"
    "pending = p:apply_async(later)\n";

static const char cases[] =
    "cases = {}\n"
    "function cases.futures()\n"
    "    assert(ended:ready() and ended:wait() and ended:get(1) == 8 and not ended:cancel())\n"
    "    assert(tostring(ended) == 'future: ended' and pool.wait_any {pending, ended} == ended)\n"
    "    fails('bad', failed.get, failed)\n"
    "    assert(pool.wait_all {ended, failed})\n"
    "    local called\n"
    "    ended:on_done(function() called = true end)\n"
    "    assert(called)\n"
    "end\n"
    "function cases.pending()\n"
    "    for _, name in ipairs {'get', 'ready', 'wait', 'successful', 'cancel'} do\n"
    "        foreign(pending[name], pending)\n"
    "    end\n"
    "    foreign(pending.on_done, pending, print)\n"
    "    foreign(pool.wait_any, {pending})\n"
    "    foreign(pool.wait_all, {ended, pending}, 1)\n"
    "end\n"
    "function cases.iterators()\n"
    "    local n, before = 0, read\n"
    "    for i, v in it do n = n + 1 assert(v == 2 * i) end\n"
    "    assert(n == 3)\n"
    "    foreign(function() for i, v in source do assert(v == 2 * i) end end)\n"
    "    assert(read == before)\n"
    "end\n"
    "function cases.pools()\n"
    "    for _, of in ipairs {p, p:with {timeout = 5}} do\n"
    "        assert(tostring(of) == 'pool: 2 workers' and of:size() == 2)\n"
    "        assert(of:stats().forks == 0)\n"
    "        assert(of:map(double, {1, 2})[2] == 4 and of:apply_async(double, 2):get() == 4)\n"
    "        assert(not of:step(0))\n"
    "        foreign(of.fileno, of)\n"
    "        foreign(of.resize, of, 3)\n"
    "        of:close()\n"
    "        assert(of:join())\n"
    "        of:terminate()\n"
    "    end\n"
    "end\n"
    "function cases.own()\n" /* it is a host like any other */
    "    local own <close> = pool.new(2)\n"
    "    assert(own:map(double, items)[3] == 6 and pool.map(double, items)[3] == 6)\n"
    "    assert(own:apply(function() return ended:get() end) == 8)\n"
    "    assert(process.spawn(function() return ended:get() + done:result() end):result() == 16)\n"
    "    assert(#process.children() == 0)\n"
    "    pool.terminate()\n"
    "end\n"
    "function cases.processes()\n"
    "    assert(done:result() == 8 and done.exitcode == 0 and done:join())\n"
    "    assert(not done:is_alive())\n"
    "    assert(tostring(run):find 'of another process')\n"
    "    for _, name in ipairs {'is_alive', 'join', 'result', 'kill', 'terminate'} do\n"
    "        foreign(run[name], run)\n"
    "    end\n"
    "    foreign(function() return run.exitcode end)\n"
    "    assert(process.current():is_alive() and process.current().name == 'main')\n"
    "end\n"
    "function cases.pipes()\n"
    "    a:send(1)\n"
    "    assert(b:recv(5) == 1)\n"
    "    a:close()\n"
    "end\n"
    "function cases.collected()\n"
    "    p, ended, failed, it, source, done, run, a, b, pending = nil\n"
    "    collectgarbage()\n"
    "    collectgarbage()\n"
    "end\n"
    "function cases.closed() return 'close the state' end\n";

static const char runs[] =
    "for name, f in pairs(cases) do\n"
    "    assert(in_child(f, true), name)\n"
    "    assert(slow or in_child(f, false), name)\n"
    "end\n"
    "for i = 1, slow and 1 or 60 do\n" /* its thread takes in results meanwhile */
    "    if not busy or busy:ready() then busy = p:map_async(double, items) end\n"
    "    assert(in_child(cases.futures, false))\n"
    "    assert(in_child(cases.iterators, false))\n"
    "end\n"

    /* all is as it was */
    "assert(ended:get() == 8 and done:result() == 8 and run:is_alive())\n"
    "local n = 1\n"
    "for i, v in source do n = n + 1 assert(i == n and v == 2 * i) end\n"
    "assert(n == 4999 and it() == 1)\n"
    "a:send(2)\n"
    "assert(b:recv(5) == 2)\n"
    "run:kill()\n"
    "assert(run:join(20) and p:stats().crashes == 0)\n"
    "p:terminate()\n"
    "pool.terminate()\n"
    "a:close()\n"
    "b:close()\n";

enum { MOST_POOLS = 20 };

/* The engines of a state's pools: to be locked as by their threads, and in a child,
   which does not free its copies, where a search for leaks sees them. */
static luas__pool *volatile pools[MOST_POOLS];

static void list_pools(lua_State *L)
{
    int n = 0;
    memset((void *)pools, 0, sizeof pools);
    lua_getfield(L, LUA_REGISTRYINDEX, "luas.pools");
    CHECK(lua_istable(L, -1));
    for (lua_pushnil(L); lua_next(L, -2) != 0; lua_pop(L, 1)) {
        const luas__handle *h = lua_touserdata(L, -2);
        CHECK(n < MOST_POOLS);
        if (h->pool != NULL)
            pools[n++] = h->pool;
    }
    lua_pop(L, 1);
}

static void each_lock(int (*change)(pthread_mutex_t *))
{
    for (int i = 0; i < MOST_POOLS && pools[i] != NULL; i++)
        CHECK_INT(change(&pools[i]->lock), 0);
}

static _Noreturn void be_child(lua_State *L)
{
    if (lua_pcall(L, 0, 1, 0) != LUA_OK) {
        fprintf(stderr, "in the child: %s\n", luaL_tolstring(L, -1, NULL));
        fflush(NULL);
        _exit(1);
    }
    if (!lua_isnil(L, -1))
        lua_close(L);
    _exit(0);
}

/* Arguments: a function, whether the locks are held. Calls it in a child: did it
   return there? */
static int in_child(lua_State *L)
{
    bool locked = lua_toboolean(L, 2);
    lua_settop(L, 1);
    list_pools(L);
    if (locked)
        each_lock(pthread_mutex_lock);
    pid_t child = locked ? fork_while_locked() : fork();
    if (child == 0) {
        alarm(20);
        be_child(L);
    }
    if (locked)
        each_lock(pthread_mutex_unlock);
    int status = -1;
    CHECK(child > 0);
    CHECK_INT(waitpid(child, &status, 0), child);
    lua_pushboolean(L, status == 0);
    return 1;
}

static void run(lua_State *L, const char *script)
{
    if (luaL_dostring(L, script) != LUA_OK)
        fprintf(stderr, "%s\n", luaL_tolstring(L, -1, NULL));
    CHECK_INT(lua_gettop(L), 0);
}

static void test_handles_in_a_forked_child(void)
{
    lua_State *L = luaL_newstate();
    CHECK(L != NULL);
    luaL_openlibs(L);
    luas_openlibs(L);
    lua_register(L, "in_child", in_child);
    lua_pushboolean(L, under_valgrind());
    lua_setglobal(L, "slow");
    run(L, handles);
    run(L, cases);
    run(L, runs);
    lua_close(L);
}

int main(void)
{
    RUN(test_handles_in_a_forked_child);
}
