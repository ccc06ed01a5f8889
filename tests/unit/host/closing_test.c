/*
 * Finalizers that use the library while their state closes: what they use works, or
 * says why not, whichever of the two was made first; nothing that is freed is touched,
 * and nothing of what they make is left behind.
 */
#include <lauxlib.h>
#include <luas.h>
#include <lualib.h>

#include "testing.h"

/* When the finalizer's object is made. */
enum { BEFORE_LIBRARY, BEFORE_POOL, BEFORE_USE, AFTER_USE, ORDERS };

/* What each verb gives, in each order: a letter of `meanings`. */
static const char script[] =
    "local order, verbs, told = ..., {}, {}\n"
    "local p, q, future, running, process1, a, b, step, empty\n"
    "local Class = {__index = {}}\n"
    "local function same(...) return ... end\n"
    "local function verb(name, wanted, f) verbs[#verbs + 1] = {name, wanted, f} end\n"
    "local meanings = {v = 'true', p = 'pool is closed', j = 'the job has been collected',\n"
    "    e = 'this end of the pipe is closed', c = 'the Lua state is closing'}\n"
    "verb('tostring', 'vvvv', function() return #(tostring(p) .. tostring(future) .. tostring(process1)) > 9 end)\n"
    "verb('map', 'ppvv', function() return p:map(function(x) return x + 1 end, {1, 2, 3})[3] == 4 end)\n"
    "verb('map of tables', 'ppvv', function() return p:map(same, {{{1}}, {{2}}})[2][1][1] == 2 end)\n"
    "verb('apply', 'ppvv', function() return p:apply(same, 1) == 1 end)\n"
    "verb('class', 'ppvv', function() return getmetatable(p:apply(same, setmetatable({}, Class))) == Class end)\n"
    "verb('async', 'ppvv', function() return p:apply_async(same, {{5}}):get()[1][1] == 5 end)\n"
    "verb('inherit', 'ppvv', function() return p:with{carry = 'inherit'}:apply(function() return #verbs end) > 9 end)\n"
    "verb('future', 'ppjv', function() return future:get()[2][1] == 2 end)\n"
    "verb('running', 'ppjv', function() return getmetatable(running:get()) == Class end)\n"
    "verb('ready', 'vvvv', function() return future:ready() and running:ready() end)\n"
    "verb('on_done', 'vvvv', function() local n = 0 future:on_done(function() n = n + 1 end) return n == 1 end)\n"
    "verb('imap', 'ppvv', function() for i, x in p:imap(same, {{{1}}}) do return x[1][1] == 1 end end)\n"
    "verb('iterator', 'ppjv', function() local i, x = step() return x[1][1] == 1 end)\n"
    "verb('reduce', 'ppvv', function() return p:reduce(same, {1, 2, 3}, math.max) == 3 end)\n"
    "verb('broadcast', 'ppvv', function() return #p:broadcast(same, {{1}}) == 2 end)\n"
    "verb('stats', 'ppvv', function() return p:stats().tasks > 0 end)\n"
    "verb('step', 'ppvv', function() return p:step(0) ~= nil end)\n"
    "verb('fileno', 'ppvv', function() return p:fileno() > 2 end)\n"
    "verb('pool.new', 'cvvv', function() local new = pool.new(1) return new:apply(same, {{1}})[1][1] == 1 end)\n"
    "verb('no workers', 'vvvv', function() return pool.new(0):apply(same, 1) == 1 end)\n"
    "verb('default', 'cvvv', function() return pool.map(same, {{{1}}})[1][1][1] == 1 end)\n"
    "verb('spawn', 'pppv', function() return process.spawn(same, {{1}}):result()[1][1] == 1 end)\n"
    "verb('alive', 'pppv', function() return process1:join(5) and not process1:is_alive() end)\n"
    "verb('children', 'pppv', function() return #process.children() == 0 end)\n"
    "verb('pipe', 'cvvv', function() local c, d = process.pipe() c:send({{1}}) return d:recv()[1][1] == 1 end)\n"
    "verb('old pipe', 'eeev', function() a:send({{1}}) return b:recv()[1][1] == 1 end)\n"
    "verb('left open', 'cvvv', function()\n"
    "    left = {pool.new(1), process.pipe()}\n"
    "    left[4] = left[1]:apply_async(function() while true do end end)\n"
    "    left[1]:map_async(same, {{{1}}, {{2}}})\n"
    "    return true end)\n"
    "verb('left process', 'pppv', function() return process.spawn(function() while true do end end):is_alive() end)\n"
    "verb('close', 'vvvv', function() p:close() return true end)\n"
    "verb('join', 'ppvv', function() return p:join(20) end)\n"
    "verb('terminate', 'ppvv', function() p:terminate() return true end)\n"
    "verb('closed', 'pppp', function() return p:apply(same, 1) end)\n"
    "local function use_all()\n"
    "    for _, v in ipairs(verbs) do\n"
    "        local name, wanted, f = table.unpack(v)\n"
    "        local letter = wanted:sub(order + 1, order + 1)\n"
    "        local _, result = pcall(f)\n"
    "        local got = tostring(result):gsub('^.-:%d+: ', '')\n"
    "        tell(got == meanings[letter], ('%s: %s'):format(name, got))\n"
    "    end\n"
    "end\n"
    "local function make(at) if order == at then kept = setmetatable({}, {__gc = use_all}) end end\n"
    "make(0)\n"
    "openlibs()\n"
    "make(1)\n"
    "p = pool.new(2)\n"
    "make(2)\n"
    "assert(p:apply(same, {{1}})[1][1] == 1)\n"
    "future = p:apply_async(function() return {1, {2}} end)\n"
    "running = p:apply_async(function() local x = os.clock() + 0.05 while os.clock() < x do end\n"
    "    return setmetatable({}, Class) end)\n"
    "a, b = process.pipe()\n"
    "process1 = process.spawn(same, 1)\n"
    "step = p:imap(same, function() return {{1}} end, {window = 1})\n"
    "step()\n"
    "make(3)\n";

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

static void run(lua_State *L, const char *text, int argument)
{
    CHECK_INT(luaL_loadstring(L, text), LUA_OK);
    lua_pushinteger(L, argument);
    if (lua_pcall(L, 1, 0, 0) != LUA_OK)
        fail_check(__FILE__, __LINE__, lua_tostring(L, -1));
}

static void test_all_verbs(void)
{
    for (int order = under_valgrind(); order < ORDERS; order += 1 + under_valgrind()) {
        lua_State *L = open_state();
        run(L, script, order);
        CHECK_INT(told, 0);
        lua_close(L);
        CHECK(told > 25);
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
        "collectgarbage()\n", 0);
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
        "end})\n", 0);
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
        "tell(list[1][1] == 0 and list[2][1] == 1 and list[3][1] == 2, 'outer')\n", 0);
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
