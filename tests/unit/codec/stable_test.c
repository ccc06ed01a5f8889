/* Stable bytes: what is equal has the same, what is not has others, and what has none is refused by its path. */
#include "stable.h"

#include <lauxlib.h>
#include <lualib.h>

#include "error.h"
#include "luas.h"
#include "testing.h"
#include "xxh.h"

static lua_State *open_state(void)
{
    const char *why;
    lua_State *L = luaL_newstate();
    CHECK(L != NULL && luas__xxh_load(&why));
    luaL_openlibs(L);
    return L;
}

/* Pushes what the text returns. */
static int evaluate(lua_State *L, const char *text)
{
    int top = lua_gettop(L);
    if (luaL_loadbuffer(L, text, strlen(text), "=text") != LUA_OK || lua_pcall(L, 0, LUA_MULTRET, 0) != LUA_OK)
        fail_check(__FILE__, __LINE__, lua_tostring(L, -1));
    return lua_gettop(L) - top;
}

/* The stable bytes of what a text returns, in a state of its own. */
static luas__buffer bytes_of(const char *text, const char *ignored)
{
    luas__buffer out = LUAS__BUFFER_INIT;
    lua_State *L = open_state();
    luas__stable_options options = {.what = NULL};
    if (ignored != NULL) {
        lua_newtable(L);
        lua_pushboolean(L, 1);
        lua_setfield(L, 1, ignored);
        options.ignore = 1;
    }
    int first = lua_gettop(L) + 1, n = evaluate(L, text);
    if (luas__stable_put(L, first, n, &out, &options) != 0)
        fail_check(__FILE__, __LINE__, lua_tostring(L, -1));
    CHECK_INT(lua_gettop(L), first + n - 1);
    lua_close(L);
    return out;
}

static bool are_equal(const char *one, const char *other, const char *ignored)
{
    luas__buffer a = bytes_of(one, ignored), b = bytes_of(other, ignored);
    bool is = a.len == b.len && memcmp(luas__buffer_bytes(&a), luas__buffer_bytes(&b), a.len) == 0;
    CHECK(a.len > 0 && b.len > 0);
    luas__buffer_release(&a);
    luas__buffer_release(&b);
    return is;
}

typedef struct pair {
    const char *one, *other;
} pair;

/* A table is filled up and down, so that its parts lie elsewhere. */
#define FILLED(from, to, step) \
    "return (function() local t = {} for i = " from ", " to ", " step " do t['k' .. i] = i t[i] = 'v' .. i end return t end)()"

static void what_is_equal_has_the_same_bytes(void)
{
    static const pair pairs[] = {
        {"return 1, 'a', true, nil, 2.5", "local x = 1 return x, 'a', not false, nil, 5 / 2"},
        {"return 0 / 0", "return -(0 / 0)"},
        {FILLED("1", "100", "1"), FILLED("100", "1", "-1")},
        {"return {a = 1, b = {2, 3}}", "local t = {b = {2}} t.a = 1 t.b[2] = 3 return t"},
        {"local t = {} t.t = t return t", "local u = {} u.t = u return u"},
        {"local s = {} return {s, s}", "local s, t = {}, {} t[2] = s t[1] = s return t"},
        {"return function(x) return x + 1 end", "\n\n-- moved\nreturn function(y)\n  return y + 1 -- the same\nend"},
        {"local k = 2 return function(x) return x * k end", "local factor = 2 return function(n) return n * factor end"},
        {"function h(x) return x end return function(x) return h(x) end",
         "\nfunction h(y)\n return y\nend return function(z) return h(z) end"},
        {"return math.sin, string.rep", "return math['sin'], ('').rep"},
        {"return setmetatable({1}, {__index = {a = 2}})", "return setmetatable({1}, {__index = {a = 1 + 1}})"},
        {"return setmetatable({}, {__luas_pack = function() return 1, 2 end})",
         "return setmetatable({9}, {__luas_pack = function() return 1, 2 end})"},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
        if (!are_equal(pairs[i].one, pairs[i].other, NULL))
            fail_check(__FILE__, __LINE__, pairs[i].other);
}

static void what_differs_has_other_bytes(void)
{
    static const pair pairs[] = {
        {"return 1", "return 1.0"}, {"return 1", "return '1'"}, {"return 'a', 'b'", "return 'ab'"},
        {"return 0.0", "return -0.0"}, {"return {}, 1", "return {1}"}, {"return {1, 2}", "return {2, 1}"},
        {"return {a = 1}", "return {b = 1}"}, {"return {{}}", "return {{{}}}"}, {"return nil", "return false"},
        {"return {[1] = 'x'}", "return {['1'] = 'x'}"}, {"return {[true] = 1}", "return {[false] = 1}"},
        {"local s = {} return {s, s}", "return {{}, {}}"},
        {"return function(x) return x + 1 end", "return function(x) return x + 2 end"},
        {"return function(x) return x + 1 end", "return function(x) return x - 1 end"},
        {"return function(x, y) return x end", "return function(x, ...) return x end"},
        {"local k = 2 return function(x) return x * k end", "local k = 3 return function(x) return x * k end"},
        {"function h(x) return x end return function(x) return h(x) end",
         "function h(x) return -x end return function(x) return h(x) end"},
        {"local a = 1 return function() a = a + 1 end, function() return a end",
         "local a, b = 1, 1 return function() a = a + 1 end, function() return b end"},
        {"return math.sin", "return math.cos"},
        {"return setmetatable({1}, {__index = {a = 2}})", "return setmetatable({1}, {__index = {a = 3}})"},
        {"return setmetatable({}, {__luas_pack = function() return 1 end})",
         "return setmetatable({}, {__luas_pack = function() return 2 end})"},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
        if (are_equal(pairs[i].one, pairs[i].other, NULL))
            fail_check(__FILE__, __LINE__, pairs[i].other);
}

static void what_is_ignored_does_not_count(void)
{
    CHECK(are_equal("local conn = 1 return function() return conn end", "local conn = 2 return function() return conn end", "conn"));
    CHECK(are_equal("conn = io.tmpfile() return function() return conn end", "conn = nil return function() return conn end", "conn"));
    CHECK(are_equal("return {conn = io.tmpfile(), a = 1}", "return {a = 1}", "conn"));
    CHECK(!are_equal("return {conn = 1, a = 1}", "return {conn = 1, a = 2}", "conn"));
}

/* Puts what the text returns, which must be refused with such a message. */
static void check_refused(const char *text, const char *what, const char *wanted)
{
    luas__buffer out = LUAS__BUFFER_INIT;
    lua_State *L = open_state();
    luas__stable_options options = {.what = what};
    int n = evaluate(L, text);
    if (luas__stable_put(L, 1, n, &out, &options) != LUAS_EUNSENT)
        fail_check(__FILE__, __LINE__, text);
    CHECK_INT(lua_gettop(L), n + 1);
    const char *message = lua_tostring(L, -1);
    if (message == NULL || strstr(message, wanted) == NULL)
        fail_check(__FILE__, __LINE__, message != NULL ? message : text);
    luas__buffer_release(&out);
    lua_close(L);
}

static void what_has_no_bytes_is_refused_by_its_path(void)
{
    check_refused("return {a = {io.tmpfile()}}", "item 3", "item 3, field 'a', [1]: ");
    check_refused("return {a = {io.tmpfile()}}", "item 3", "key = function(x)");
    check_refused("return {[{}] = 1}", NULL, "a table as a key has no stable bytes");
    check_refused("local conn = io.tmpfile() return function() return conn end", NULL, "ignore = {\"conn\"} leaves it out");
    check_refused("local conn = io.tmpfile() return function() return conn end", NULL, "upvalue 'conn' of the function (text:1)");
    check_refused("log = io.tmpfile() return function() return log end", NULL, "global 'log'");
    check_refused("return coroutine.create(print)", NULL, "has no stable bytes");
    check_refused("return setmetatable({}, {__luas_pack = function() error('broken', 0) end})", NULL, "broken");
}

/* Nothing recurses with the value. */
static void a_value_may_be_deep(void)
{
    CHECK(are_equal("local t = {} for i = 1, 100000 do t = {t} end return t",
                    "local t = {} for i = 1, 100000 do t = {t} end return t", NULL));
    CHECK(!are_equal("local t = {} for i = 1, 100000 do t = {t} end return t",
                     "local t = {} for i = 1, 99999 do t = {t} end return t", NULL));
}

/* The parts of a function: {path, place, hash}. */
static void parts_say_what_has_changed(void)
{
    luas__buffer out = LUAS__BUFFER_INIT;
    lua_State *L = open_state();
    lua_newtable(L);
    int n = evaluate(L, "local rate = 2 function gross(x) return x * rate end return function(x) return gross(x) end");
    CHECK_INT(luas__stable_put(L, 2, n, &out, &(luas__stable_options){.parts = 1}), 0);
    CHECK_INT(lua_rawlen(L, 1), 3);
    static const char *const paths[] = {"the function", "global 'gross'", "upvalue 'rate' of global 'gross'"};
    for (int i = 0; i < 3; i++) {
        lua_rawgeti(L, 1, i + 1);
        lua_rawgeti(L, -1, 1);
        const char *path = lua_isnil(L, -1) ? "the function" : lua_tostring(L, -1);
        if (strcmp(path, paths[i]) != 0)
            fail_check(__FILE__, __LINE__, path);
        lua_rawgeti(L, -2, 3);
        CHECK_INT(lua_rawlen(L, -1), sizeof(luas__hash));
        lua_settop(L, 2);
    }
    luas__buffer_release(&out);
    lua_close(L);
}

int main(void)
{
    RUN(what_is_equal_has_the_same_bytes);
    RUN(what_differs_has_other_bytes);
    RUN(what_is_ignored_does_not_count);
    RUN(what_has_no_bytes_is_refused_by_its_path);
    RUN(a_value_may_be_deep);
    RUN(parts_say_what_has_changed);
}
