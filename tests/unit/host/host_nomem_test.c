/*
 * The nth allocation of a host fails, for each n until there are none left to fail,
 * while a pool does jobs for it: the call says that there is no memory, the same
 * pool does the same jobs afterwards, and nothing leaks.
 */
#include <lauxlib.h>
#include <lualib.h>
#include <luas.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "failing_malloc.h"
#include "testing.h"

static const char script[] =
    "local p = pool.new(1)\n"
    "local items = {1, 2, 3}\n"
    "local Box = {}\n"
    "function Box.__luas_pack(b) return b.value end\n"
    "function Box.__luas_unpack(value) return setmetatable({value = {value}}, Box) end\n"
    "local function work(i) return {i, name = ('x'):rep(50) .. i}, setmetatable({value = i}, Box) end\n"
    "local function check(v, i, box)\n"
    "    assert(v[1] == i and #v.name == 51)\n"
    "    assert(not box or box.value[1] == i)\n"
    "end\n"
    "local ways = {}\n"
    "function ways.map() for i, v in ipairs((p:map(work, items))) do check(v, i) end end\n"
    "function ways.collect()\n"
    "    local results = p:map(work, items, {on_error = 'collect'})\n"
    "    for i, v in ipairs(results) do check(v, i) end\n"
    "end\n"
    "function ways.imap() for i, v, box in p:imap(work, items) do check(v, i, box) end end\n"
    "function ways.unordered() for i, v, box in p:imap_unordered(work, items) do check(v, i, box) end end\n"
    "function ways.future()\n"
    "    for i, v in ipairs((p:map_async(work, items):get())) do check(v, i) end\n"
    "end\n"
    "function ways.apply() local v, box = p:apply(work, 4) check(v, 4, box) end\n"
    "function ways.module()\n" /* workers are replaced when it changes */
    "    for i = 1, 2 do\n"
    "        package.loaded.counter = {i = i}\n"
    "        local function f() return require 'counter'.i end\n"
    "        assert(p:apply(f) == i and p:map(f, items)[3] == i)\n"
    "    end\n"
    "end\n"
    "local function close() p:close() assert(p:join(20)) p = nil collectgarbage() collectgarbage() end\n"
    "return ways, close\n";

/* The Lua stack. */
enum { WAYS = 1, CLOSE };

static lua_State *open_state(void)
{
    lua_State *L = lua_newstate(allocate_for_lua, NULL);
    CHECK(L != NULL);
    luaL_openlibs(L);
    luas_openlibs(L);
    if (luaL_dostring(L, script) != LUA_OK)
        fprintf(stderr, "%s\n", lua_tostring(L, -1));
    CHECK_INT(lua_gettop(L), CLOSE);
    return L;
}

/* In shared memory: how many workers came back from their fork, into the host's part of the program. */
static _Atomic int *strays;
static pid_t host;

static void check_that_it_is_the_host(void)
{
    if (getpid() == host)
        return;
    ++*strays;
    _exit(EXIT_FAILURE);
}

/* Whether it was all done. If not, the message speaks of memory. */
static bool attempt(lua_State *L, const char *way)
{
    lua_getfield(L, WAYS, way);
    int status = lua_pcall(L, 0, 0, 0);
    check_that_it_is_the_host();
    until_failure = -1;
    const char *text = status != LUA_OK ? luaL_tolstring(L, -1, NULL) : "";
    if (status != LUA_OK && !(failed && strstr(text, "memory") != NULL))
        fprintf(stderr, "%s: %s\n", way, text);
    CHECK(status == LUA_OK || (failed && strstr(text, "memory") != NULL));
    lua_settop(L, CLOSE);
    return status == LUA_OK;
}

static bool fail_at(lua_State *L, const char *way, long n, long failures)
{
    until_failure = n;
    failures_left = failures;
    failed = false;
    bool done = attempt(L, way), ended = !failed;
    CHECK(done || failed);
    failed = false;
    CHECK(attempt(L, way));
    return ended;
}

/* Under valgrind, and on a slow machine, only some of the allocations fail. */
static long stride(void)
{
    return under_valgrind() ? 7 : within(1) >= 10 ? 5 : 1;
}

static void fail_in_turn(const char *way, long failures, long step)
{
    long before = live, n = 0;
    leftovers outside = count_leftovers();
    lua_State *L = open_state();
    CHECK(attempt(L, way));
    while (!fail_at(L, way, n, failures))
        n += step;
    CHECK(n > 10);
    lua_settop(L, CLOSE);
    CHECK_INT(lua_pcall(L, 0, 0, 0), LUA_OK);
    check_leftovers(outside); /* the pool is gone, and not only with the state */
    lua_close(L);
    CHECK_INT(live, before);
}

static void test_results_of_every_kind_of_call(void)
{
    static const char *const ways[] = {"map", "collect", "imap", "unordered", "future", "apply"};
    static const long failures[] = {1, 2, 5, 100}; /* Lua tries again what fails once */
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++)
        for (int k = 0; k < 4; k++)
            fail_in_turn(ways[i], failures[k], stride());
}

/* No job is left open, and each worker is told to end in the end: or join would wait. */
static void test_workers_that_are_replaced(void)
{
    static const long failures[] = {2, 5};
    for (int k = 0; k < 2; k++)
        fail_in_turn("module", failures[k], 9 * stride());
}

/* ---- the C interface ---- */

/* The next outcome, by poll alone; what fails for want of memory is tried again. */
static luas_outcome await(luas_pool *pool)
{
    struct pollfd p = {.fd = luas_pool_fd(pool), .events = POLLIN};
    luas_outcome o;
    int rc;
    while ((rc = luas_next(pool, &o)) != 1) {
        CHECK(rc == 0 || (rc == LUAS_ENOMEM && failed));
        CHECK_INT(poll(&p, 1, 20000), 1);
    }
    return o;
}

static bool call_without_memory(luas_pool *pool, long n)
{
    CHECK_INT(luas_submit(pool, "f", 0, NULL, NULL), 0);
    failed = false;
    failures_left = 3;
    until_failure = n;
    luas_outcome o = await(pool);
    until_failure = -1;
    CHECK_INT(o.kind, LUAS_VALUE);
    CHECK_INT(o.count, 2);
    CHECK_INT(o.results[1].len, 100000);
    return failed;
}

/* An outcome that there was no memory for comes when there is some, and the descriptor tells. */
static void test_outcomes_for_c(void)
{
    char path[] = "/tmp/luas-nomem-XXXXXX";
    static const char text[] = "function f() local t = {1} return {t, t}, ('x'):rep(100000) end";
    int fd = mkstemp(path);
    CHECK(fd >= 0 && write(fd, text, sizeof text - 1) == sizeof text - 1);
    close(fd);
    long n = 0;
    luas_pool *pool;
    do { /* a pool of its own each time, for its buffers stay */
        CHECK_INT(luas_pool_open(&pool, &(luas_options){.script = path, .workers = 1}), 0);
        failed = call_without_memory(pool, n++);
        luas_pool_close(pool);
    } while (failed);
    CHECK(n > 3);
    CHECK_INT(unlink(path), 0);
}

int main(void)
{
    strays = mmap(NULL, sizeof *strays, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(strays != MAP_FAILED);
    host = getpid();
    RUN(test_outcomes_for_c);
    if (!under_valgrind()) /* a minute, and nothing new to see there */
        RUN(test_workers_that_are_replaced);
    RUN(test_results_of_every_kind_of_call);
    CHECK_INT(*strays, 0);
}
