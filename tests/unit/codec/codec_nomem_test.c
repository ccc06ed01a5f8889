/*
 * The nth allocation fails, Lua's or the codec's own, for each n until there
 * are none left to fail, while a job with functions, classes and cycles goes
 * to a worker's space and back: the error says that there is no memory,
 * nothing leaks, and the same state does the same job afterwards.
 */
#include <lauxlib.h>
#include <lualib.h>

#include "failing_malloc.h"
#include "codec.h"
#include "names.h"
#include "space.h"
#include "msgpack.h"
#include "testing.h"

/* ---- what is done under these conditions ---- */

/* A job, a value, and what is to hold of both after the way there and back. */
static const char script[] =
    "local n, Point, Pair, shared = 0, {}, {}, {1, 2}\n"
    "Point.__index = Point\n"
    "function Point:twice() return self.x * 2 end\n"
    "function Pair.__luas_pack(p) return p.a, p.b end\n"
    "function Pair.__luas_unpack(a, b) return setmetatable({a = a, b = b}, Pair) end\n"
    "local function up() n = n + 1 end\n"
    "local function get() return n end\n"
    "function helper(x) return offset + x end\n"
    "offset = 40\n"
    "Pair.zero = setmetatable({a = 0, b = 0}, Pair)\n"
    "local origin = setmetatable({a = {}, b = 0}, Pair)\n"
    "local function job(x) up() return helper(x) + get() + origin.b + Pair.zero.b end\n"
    "local value = {shared, shared, up = up, get = get, long = ('x'):rep(5000),\n"
    "    [shared] = true, point = setmetatable({x = 4}, Point),\n"
    "    pair = setmetatable({a = shared, b = 2.5}, Pair), rep = string.rep}\n"
    "value.self = value\n"
    "local at = value\n"
    "for i = 1, 60 do at.next = {i, {i}} at = at.next end\n"
    "local function check(job, v)\n"
    "    assert(job(1) >= 42 and v.self == v and v[1] == v[2] and v[v[1]] == true)\n"
    "    local before = v.get()\n"
    "    v.up()\n"
    "    assert(v.get() == before + 1 and v.point:twice() == 8 and v.rep == string.rep)\n"
    "    assert(v.pair.a == v[1] and v.pair.b == 2.5 and #v.long == 5000)\n"
    "    assert(v.next.next.next[2][1] == 3)\n"
    "end\n"
    "return job, value, check\n";

/* The Lua stack. */
enum { JOB = 1, VALUE, CHECK_FUNCTION, HOST_SPACE, WORKER_SPACE, WORKER_JOB };

static luas__buffer message, defines;

/* Raises a failure, whose message is at the top. */
static int must(lua_State *L, int rc)
{
    return rc < 0 ? lua_error(L) : rc;
}

/* Takes each define message in the buffer; the root of the first one is left. */
static void define_all(lua_State *L, luas__buffer *b)
{
    luas__mp_reader r = {(const unsigned char *)luas__buffer_bytes(b), NULL};
    r.end = r.at + b->len;
    while (r.at < r.end) {
        const char *from = (const char *)r.at;
        CHECK_INT(luas__mp_skip(&r), 0);
        must(L, luas__decode_define(L, WORKER_SPACE, from, (size_t)((const char *)r.at - from)));
        lua_settop(L, WORKER_JOB);
    }
}

static void carry_job(lua_State *L)
{
    luas__carried info = {0};
    luas__space_new(L, 0);
    must(L, luas__encode_definition(L, JOB, HOST_SPACE, &defines, 0, &info));
    lua_pop(L, 1);
    luas__space_new(L, 1);
    define_all(L, &defines);
    luas__buffer_truncate(&defines, 0);
}

/* The value at the top is replaced by what arrives at the other side. */
static void send(lua_State *L, int from, luas__buffer *with_defines, int to)
{
    luas__encode_options options = {.space = from, .defines = with_defines};
    luas__buffer_truncate(&message, 0);
    must(L, luas__encode(L, lua_gettop(L), 1, &message, &options));
    if (with_defines != NULL)
        lua_pop(L, 1);
    if (with_defines != NULL && with_defines->len > 0)
        define_all(L, with_defines);
    must(L, luas__decode(L, luas__buffer_bytes(&message), message.len, to, LUAS__FUNCTIONS));
}

static void check_value(lua_State *L, int job)
{
    lua_pushvalue(L, CHECK_FUNCTION);
    lua_pushvalue(L, job);
    lua_pushvalue(L, -3);
    lua_call(L, 2, 0);
}

static int there_and_back(lua_State *L)
{
    carry_job(L);
    lua_pushvalue(L, VALUE);
    send(L, HOST_SPACE, &defines, WORKER_SPACE);
    check_value(L, WORKER_JOB);
    send(L, WORKER_SPACE, NULL, HOST_SPACE);
    check_value(L, JOB);
    return 0;
}

/* Whether it was all done. If not, the message speaks of memory. */
static bool attempt(lua_State *L)
{
    lua_settop(L, CHECK_FUNCTION);
    luas__buffer_truncate(&defines, 0);
    lua_pushcfunction(L, there_and_back);
    for (int i = JOB; i <= CHECK_FUNCTION; i++)
        lua_pushvalue(L, i);
    int status = lua_pcall(L, CHECK_FUNCTION, 0, 0);
    until_failure = -1;
    if (status == LUA_OK)
        return true;
    const char *text = lua_tostring(L, -1);
    if (text == NULL || strstr(text, "memory") == NULL)
        fprintf(stderr, "%s\n", text == NULL ? "an error without a text" : text);
    CHECK(text != NULL && strstr(text, "memory") != NULL && failed);
    return false;
}

static lua_State *open_state(void)
{
    lua_State *L = lua_newstate(allocate_for_lua, NULL);
    CHECK(L != NULL);
    luaL_openlibs(L);
    CHECK_INT(luaL_dostring(L, script), LUA_OK);
    return L;
}

static void close_state(lua_State *L, long before)
{
    lua_close(L);
    luas__buffer_release(&message);
    luas__buffer_release(&defines);
    CHECK_INT(live, before);
}

/* Fails from the nth allocation on, as often as given; then the state must still serve. */
static bool fail_at(lua_State *L, long n, long failures)
{
    until_failure = n;
    failures_left = failures;
    failed = false;
    bool done = attempt(L);
    CHECK(done || failed);
    bool ended = !failed;
    failed = false;
    CHECK(attempt(L));
    return ended;
}

/* Under valgrind only some of the allocations fail. */
static long stride(void)
{
    return under_valgrind() ? 17 : 1;
}

/* Each time in a new state, whose first use of the codec it is. */
static void test_a_new_state(void)
{
    for (long failures = 1; failures <= 100; failures += 99) {
        bool ended = false;
        for (long n = 0; !ended; n += stride()) {
            long before = live;
            lua_State *L = open_state();
            ended = fail_at(L, n, failures);
            close_state(L, before);
            CHECK(n < 20000);
        }
    }
}

/* The state has been through it all before. */
static void test_the_same_state(void)
{
    for (long failures = 1; failures <= 100; failures += 99) {
        long before = live;
        lua_State *L = open_state();
        CHECK(attempt(L));
        long n = 0;
        while (!fail_at(L, n, failures))
            n += stride();
        CHECK(n > 100);
        close_state(L, before);
    }
}

int main(void)
{
    RUN(test_a_new_state);
    RUN(test_the_same_state);
}
