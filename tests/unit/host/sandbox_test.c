/* luas_openlibs in states that lack libraries, what it costs, and an application's hook in workers. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <lauxlib.h>
#include <luas.h>
#include <lualib.h>
#include <unistd.h>

#include "testing.h"

int luaopen_luas(lua_State *L);

static const luaL_Reg libraries[] = {
    {"_G", luaopen_base}, {"package", luaopen_package}, {"table", luaopen_table}, {"string", luaopen_string},
    {"math", luaopen_math}, {"coroutine", luaopen_coroutine}, {"utf8", luaopen_utf8}, {"io", luaopen_io},
    {"os", luaopen_os}, {"debug", luaopen_debug}, {NULL, NULL},
};

static int open_luas(lua_State *L)
{
    luas_openlibs(L);
    return 0;
}

/* A state with these libraries, in which luas is not open yet. */
static lua_State *new_state(const char *names)
{
    lua_State *L = luaL_newstate();
    CHECK(L != NULL);
    for (const luaL_Reg *l = libraries; l->name != NULL; l++)
        if (strstr(names, l->name) != NULL) {
            luaL_requiref(L, l->name, l->func, 1);
            lua_pop(L, 1);
        }
    return L;
}

static lua_State *open_state(const char *names)
{
    lua_State *L = new_state(names);
    lua_pushcfunction(L, open_luas);
    CHECK_INT(lua_pcall(L, 0, 0, 0), LUA_OK);
    return L;
}

/* Runs it, and gives what it returns or raises as text, valid until the state is closed. */
static const char *run(lua_State *L, const char *text)
{
    (void)luaL_dostring(L, text);
    return luaL_tolstring(L, -1, NULL);
}

static void check_run(lua_State *L, const char *text, const char *wanted)
{
    const char *got = run(L, text);
    if (strcmp(got, wanted) != 0)
        fprintf(stderr, "%s\ngives %s\n", text, got);
    CHECK(strcmp(got, wanted) == 0);
}

static const char *const sandboxes[] = {
    "_G package table string math coroutine utf8 io os debug", "_G package table string math coroutine utf8 io os",
    "_G package table string math coroutine utf8", "_G table string math coroutine utf8", "_G string",
    "_G string io", "_G string debug", "_G string package",
};

/* Each verb's own ways: shipped, inherited, kinds of outcomes, what waits and what prints. */
static const char *const rows[][2] = {
    {"return pool.map(function(x) return x * x end, {1, 2, 3})[3]", "9"},
    {"local p <close> = pool.new {workers = 2} local f = p:map_async(function(x) return x end, {1, 2}) return f:get()[2]", "2"},
    {"local _, _, f = pool.map(function(x) error('boom ' .. x, 0) end, {1, 2}, {on_error = 'collect'}) return f[2].message", "boom 2"},
    {"return select(2, pcall(pool.apply, function() error {code = 5} end)).value.code", "5"},
    {"local _, _, f = pool.map(function() while true do end end, {1}, {timeout = 0.05, on_error = 'collect'}) return f[1].kind", "timeout"},
    {"local t = setmetatable({}, {__index = getmetatable}) return pool.apply(function() return type(t) end)", "table"},
    {"return process.spawn(function() return 5 end):result()", "5"},
    {"local n = 0 for i, v in pool.imap(function(x) return x end, {1, 2, 3}) do n = n + v end return n", "6"},
    {"return pool.reduce(function(x) return x end, {1, 2, 3}, function(a, b) return a + b end)", "6"},
    {"return #pool.map(function(x) return x end, {1, 2, 3}, {seed = 5, retries = 2})", "3"},
    {"local q = shared.queue() pool.apply(function() q:put(7) end) return (q:get())", "7"},
    {"local v = shared.value('i64', 1) pool.apply(function() v:add(2) end) return v:get()", "3"},
    {"local p <close> = pool.new {workers = 1, output = 'capture', max_tasks = 1, stats = true}"
     " p:map(function() return 1 end, {1, 2}) return p:stats().values", "2"},
    {"return tostring(pool.apply(function() return nil end))", "nil"},
};

static void test_every_sandbox_can_do_everything(void)
{
    for (size_t i = 0; i < sizeof sandboxes / sizeof *sandboxes; i++) {
        lua_State *L = open_state(sandboxes[i]);
        for (size_t k = 0; k < sizeof rows / sizeof *rows; k++)
            check_run(L, rows[k][0], rows[k][1]);
        lua_close(L);
    }
}

static void test_scripts_get_nothing_that_they_lacked(void)
{
    static const char what[] = "local names = {} for _, n in ipairs {'package', 'io', 'os', 'debug', 'require', 'coroutine', 'table', 'math', 'utf8'} do"
        " if _G[n] ~= nil then names[n] = true end end ";
    lua_State *L = open_state("_G string");
    char text[1000];
    run(L, rows[0][0]);
    snprintf(text, sizeof text, "%s return tostring(next(names))", what);
    check_run(L, text, "nil");
    snprintf(text, sizeof text, "return pool.apply(function() %s return tostring(next(names)) end)", what);
    check_run(L, text, "nil");
    snprintf(text, sizeof text, "local f = coroutine == nil and print return pool.apply(function() local x = f %s return tostring(next(names)) end)", what);
    check_run(L, text, "nil");
    lua_close(L);
}

static void test_what_is_needed_is_named(void)
{
    static const char *const lacking[] = {"_G table", "_G", "", "string table", "io os"};
    for (size_t i = 0; i < sizeof lacking / sizeof *lacking; i++) {
        lua_State *L = new_state(lacking[i]);
        lua_pushcfunction(L, open_luas);
        CHECK_INT(lua_pcall(L, 0, 0, 0), LUA_ERRRUN);
        CHECK(strstr(lua_tostring(L, -1), strstr(lacking[i], "string") != NULL ? "luaopen_base" : "luaopen_string") != NULL);
        lua_close(L);
    }
}

/* Bytes, once all garbage is collected. */
static int used(lua_State *L)
{
    lua_gc(L, LUA_GCCOLLECT);
    return lua_gc(L, LUA_GCCOUNT) * 1024 + lua_gc(L, LUA_GCCOUNTB);
}

/* In a hundred states, as a server has them. */
static void test_a_state_costs_little(void)
{
    lua_State *L = new_state(sandboxes[0]);
    int before = used(L);
    open_luas(L);
    CHECK(used(L) - before <= 40 << 10);
    lua_close(L);
}

/* ---- hooks ---- */

static void count_down(lua_State *L, lua_Debug *ar)
{
    (void)ar;
    luaL_error(L, "too many instructions");
}

#define LOOP "function() local n = 0 for i = 1, 1000000 do n = n + i end return n end"

static const char bounded[] = "local ok, e = pcall(pool.apply, " LOOP ") return ok and 'endless' or e.message:match 'too many instructions'";

static void set_hook(lua_State *L)
{
    lua_sethook(L, count_down, LUA_MASKCOUNT, 100000);
}

static void test_a_hook_that_is_kept(void)
{
    lua_State *L = open_state(sandboxes[3]);
    set_hook(L);
    check_run(L, bounded, "endless"); /* not asked for */
    lua_close(L);
    L = open_state(sandboxes[3]);
    luas_keep_hook(L, 1);
    set_hook(L);
    check_run(L, bounded, "too many instructions");
    check_run(L, bounded, "too many instructions"); /* in the next task, too */
    check_run(L, "local f = coroutine == nil and print local ok, e = pcall(pool.apply, function() local x = f for i = 1, 1000000 do end end)"
              " return e.message:match 'too many instructions'", "too many instructions"); /* inherited or not */
    check_run(L, "return pool.apply(function() return 5 end)", "5");
    check_run(L, "local p <close> = pool.new {workers = 1, timeout = 0.05} local ok, e = pcall(p.apply, p, function() while true do pcall(function() while true do end end) end end)"
              " return e.kind", "timeout");
    lua_close(L);
    L = open_state(sandboxes[3]);
    luas_keep_hook(L, 1);
    luas_keep_hook(L, 0);
    set_hook(L);
    check_run(L, bounded, "endless");
    lua_close(L);
}

/* A function of debug.sethook belongs to its thread. */
static void test_a_hook_of_a_script(void)
{
    lua_State *L = open_state(sandboxes[0]);
    luas_keep_hook(L, 1);
    run(L, "debug.sethook(function() error('too many instructions') end, '', 100000)");
    check_run(L, bounded, "too many instructions");
    lua_close(L);
}

/* ---- two copies of the library ---- */

/* Opens the module beside the tests, as an interpreter does. */
static lua_CFunction load_module(void)
{
    char path[4096];
    ssize_t len = readlink("/proc/self/exe", path, sizeof path - 20);
    CHECK(len > 0);
    path[len] = '\0';
    strcpy(strrchr(path, '/'), "/../luas.so");
    void *module = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    void *symbol = module != NULL ? dlsym(module, "luaopen_luas") : NULL;
    lua_CFunction f;
    memcpy(&f, &symbol, sizeof f);
    CHECK(f != NULL && f != luaopen_luas);
    return f;
}

static const char works[] =
    "local c = coroutine.create(print) local p <close> = pool.new(2)"
    " return p:map(function(x) return x * x end, {1, 2, 3})[3] + pool.apply(function() local x = c return 1 end)";

static void test_each_copy_has_its_states(void)
{
    lua_CFunction open_other = load_module();
    for (int order = 0; order < 2; order++) {
        lua_State *one = open_state(sandboxes[0]), *other = new_state(sandboxes[0]);
        luaL_requiref(other, "luas", open_other, 0);
        lua_getfield(other, -1, "pool");
        lua_setglobal(other, "pool");
        check_run(one, works, "10");
        check_run(other, works, "10");
        check_run(one, works, "10");
        lua_close(order ? one : other);
        check_run(order ? other : one, works, "10");
        lua_close(order ? other : one);
    }
}

/* A script that loads the module gets what it has already. */
static void test_a_state_has_one_copy(void)
{
    lua_CFunction open_other = load_module();
    lua_State *L = open_state(sandboxes[0]);
    run(L, "p = pool.new(1)");
    luaL_requiref(L, "other", open_other, 1);
    check_run(L, "return tostring(other.pool == pool and other.shared == shared)", "true");
    check_run(L, "return other.pool.map(function(x) return x end, {4})[1] + p:apply(function() return 1 end)", "5");
    check_run(L, works, "10");
    lua_close(L);
}

int main(void)
{
    RUN(test_every_sandbox_can_do_everything);
    RUN(test_scripts_get_nothing_that_they_lacked);
    RUN(test_what_is_needed_is_named);
    RUN(test_a_state_costs_little);
    RUN(test_a_hook_that_is_kept);
    RUN(test_a_hook_of_a_script);
    RUN(test_each_copy_has_its_states);
    RUN(test_a_state_has_one_copy);
}
