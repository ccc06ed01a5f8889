/* The options of a pool of luas.h: what workers begin and end with, their limits, what they print. */
#define _GNU_SOURCE
#include "embed_testing.h"

#include <math.h>

static luas_pool *open_source(const char *text, luas_options *o)
{
    o->source = text;
    o->script = "=test";
    o->workers = o->workers > 0 ? o->workers : 1;
    return open_pool(o);
}

static luas_outcome call(luas_pool *pool, const char *name, luas_value argument)
{
    luas_outcome o;
    submit(pool, name, argument);
    await(pool, &o);
    return o;
}

static int64_t number(luas_pool *pool, const char *name)
{
    luas_outcome o = call(pool, name, luas_integer(1));
    if (o.kind != LUAS_VALUE)
        fprintf(stderr, "%s: %s\n", name, o.message);
    CHECK_INT(o.kind, LUAS_VALUE);
    CHECK_INT(o.results[0].type, LUAS_INTEGER);
    return o.results[0].as.integer;
}

/* ---- how workers begin ---- */

static void test_arguments_of_the_script(void)
{
    luas_writer *w = luas_writer_new();
    luas_value arguments[] = {luas_integer(40), luas_string("two"), luas_nil(), luas_nil()};
    luas_writer_array(w);
    luas_writer_add(w, luas_integer(2));
    luas_writer_end(w);
    CHECK_INT(luas_writer_value(w, &arguments[2]), 0);
    luas_pool *pool = open_source("local a, b, t, n = ... local count = select('#', ...)\n"
                                  "function sum() return a + t[1] + #b end function many() return count end",
                                  &(luas_options){.count = 4, .arguments = arguments});
    luas_writer_free(w);
    memset(arguments, 0, sizeof arguments);
    CHECK_INT(number(pool, "sum"), 45);
    CHECK_INT(number(pool, "many"), 4);
    luas_pool_close(pool);
}

static void test_names_of_functions(void)
{
    luas_pool *pool = open_source(
        "deep = {er = {f = function() return 1 end}} _G['a.b'] = function() return 2 end\n"
        "package.loaded['my.mod'] = {f = function() return 3 end}\n"
        "callable = setmetatable({}, {__call = function() return 4 end})\n"
        "lazy = setmetatable({}, {__index = function(_, k) return function() return #k end end})\n"
        "function both() return 6 end number = 7\n"
        "local M = {own = function() return 8 end, both = function() return 9 end, sub = {f = function() return 10 end}}\n"
        "return M", &(luas_options){.count = 0});
    static const char *const names[] = {"deep.er.f", "a.b", "my.mod.f", "callable", "lazy.fours", "own", "both", "sub.f"};
    static const int wanted[] = {1, 2, 3, 4, 5, 8, 9, 10};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        CHECK_INT(number(pool, names[i]), wanted[i]);
    static const char *const none[] = {"number", "deep", "deep.no.f", "no.f", "", ".", "own.f", "number.f", "my.mod.no", "math"};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
        luas_outcome o = call(pool, none[i], luas_integer(1));
        CHECK_INT(o.kind, LUAS_ERROR);
        CHECK(strstr(o.message, "no function '") != NULL && strstr(o.message, none[i]) != NULL);
    }
    CHECK_INT(number(pool, "math.tointeger"), 1); /* a module of Lua's is one, too */
    luas_pool_close(pool);
}

static void test_what_a_script_returns_may_be_anything(void)
{
    static const char *const texts[] = {"return 1", "return nil", "return function() end", "return 'own'"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        char text[100];
        snprintf(text, sizeof text, "function own() return 5 end %s", texts[i]);
        luas_pool *pool = open_source(text, &(luas_options){.count = 0});
        CHECK_INT(number(pool, "own"), 5);
        luas_pool_close(pool);
    }
}

static void test_init(void)
{
    luas_pool *pool = open_source("local n = 0 local M = {} function M.start() n = n + 20 end\n"
                                  "function M.get() return n end return M", &(luas_options){.init = "start"});
    CHECK_INT(number(pool, "get"), 20);
    luas_pool_close(pool);
    luas_outcome o;
    pool = open_source("function f() end", &(luas_options){.init = "start"});
    submit(pool, "f", luas_nil());
    await(pool, &o);
    CHECK_INT(o.kind, LUAS_ERROR);
    CHECK(strstr(o.message, "no function 'start'") != NULL);
    luas_pool_close(pool);
}

/* ---- what they print ---- */

typedef struct heard {
    char text[2000];
    int lines, worker, streams[2];
} heard;

static void hear(void *data, int worker, int stream, const char *line, size_t len)
{
    heard *h = data;
    size_t at = strlen(h->text);
    CHECK(stream == 0 || stream == 1);
    CHECK(at + len < sizeof h->text);
    memcpy(h->text + at, line, len);
    h->lines++;
    h->streams[stream]++;
    h->worker = worker;
}

static void test_lines(void)
{
    heard h = {.lines = 0};
    luas_pool *pool = open_source(
        "function say() io.write('one\\ntwo\\nth') io.stderr:write('err\\n') return 3 end\n"
        "function bye() print('good bye') io.write('no end') end",
        &(luas_options){.output = LUAS_OUTPUT_LINES, .on_line = hear, .line_data = &h, .exit = "bye"});
    CHECK_INT(number(pool, "say"), 3);
    luas_pool_close(pool);
    CHECK(strstr(h.text, "one\n") != NULL && strstr(h.text, "two\n") != NULL && strstr(h.text, "err\n") != NULL);
    CHECK(strstr(h.text, "thgood bye\n") != NULL && strstr(h.text, "no end") != NULL);
    CHECK_INT(h.lines, 5);
    CHECK_INT(h.streams[1], 1);
    CHECK_INT(h.worker, 1);
}

static void test_captured(void)
{
    luas_pool *pool = open_source("function say(n) io.write(('x'):rep(n)) return n end\n"
                                  "function fail() print 'before' error 'x' end function die() print 'last' io.stdout:flush() os.exit(3) end",
                                  &(luas_options){.output = LUAS_OUTPUT_CAPTURE, .workers = 2});
    luas_outcome o = call(pool, "say", luas_integer(5));
    CHECK_INT(o.kind, LUAS_VALUE);
    CHECK_INT(o.printed_size, 5);
    CHECK(strcmp(o.printed, "xxxxx") == 0);
    o = call(pool, "say", luas_integer(0));
    CHECK_INT(o.printed_size, 0);
    CHECK(strcmp(o.printed, "") == 0);
    o = call(pool, "fail", luas_nil());
    CHECK_INT(o.kind, LUAS_ERROR);
    CHECK(strcmp(o.printed, "before\n") == 0);
    o = call(pool, "die", luas_nil());
    CHECK_INT(o.kind, LUAS_CRASH);
    CHECK(strcmp(o.printed, "last\n") == 0);
    luas_value inputs[100];
    for (int i = 0; i < 100; i++)
        inputs[i] = luas_integer(i);
    CHECK_INT(luas_map(pool, &(luas_call){.name = "say"}, 100, inputs, NULL), 0);
    for (int i = 0; i < 100; i++) {
        await(pool, &o);
        CHECK_INT(o.printed_size, o.position);
    }
    luas_pool_close(pool);
}

static void test_nothing_is_captured_else(void)
{
    luas_pool *pool = open_source("function f() return 1 end", &(luas_options){.count = 0});
    luas_outcome o = call(pool, "f", luas_nil());
    CHECK_INT(o.printed_size, 0);
    CHECK(strcmp(o.printed, "") == 0);
    luas_pool_close(pool);
}

/* ---- limits ---- */

static void test_max_tasks(void)
{
    luas_pool *pool = open_source("local n = 0 function count() n = n + 1 return n end", &(luas_options){.max_tasks = 2});
    int64_t most = 0;
    for (int i = 0; i < 7; i++) {
        int64_t n = number(pool, "count");
        most = n > most ? n : most;
    }
    CHECK_INT(most, 2);
    luas_pool_close(pool);
}

static void test_memory(void)
{
    luas_pool *pool = open_source("function fill(n) local s = ('x'):rep(n << 20) return #s >> 20 end",
                                  &(luas_options){.memory = 64 << 20});
    luas_outcome o = call(pool, "fill", luas_integer(200));
    CHECK_INT(o.kind, LUAS_ERROR);
    CHECK(strstr(o.message, "memory") != NULL);
    o = call(pool, "fill", luas_integer(8));
    CHECK_INT(o.kind, LUAS_VALUE);
    luas_pool_close(pool);
}

static void test_name(void)
{
    luas_pool *pool = open_source("function name() return process.current().name end", &(luas_options){.name = "resizer"});
    luas_outcome o = call(pool, "name", luas_nil());
    CHECK_INT(o.kind, LUAS_VALUE);
    CHECK(strcmp(o.results[0].bytes, "resizer 1") == 0);
    luas_pool_close(pool);
}

/* It catches the error by which it is stopped: with time it would end by itself. */
static void test_grace(void)
{
    luas_pool *pool = open_source(
        "function stay() while true do pcall(function() while true do end end) end end",
        &(luas_options){.timeout = 0.05, .grace = -1});
    luas_outcome o = call(pool, "stay", luas_nil());
    CHECK_INT(o.kind, LUAS_TIMEOUT);
    CHECK(o.took < 0.45 * (double)within(1));
    luas_pool_close(pool);
}

static void test_nonsense(void)
{
    luas_pool *pool;
    const luas_options bad[] = {
        {.count = -1}, {.count = 1}, {.workers = -1}, {.workers = 4097}, {.memory = 1}, {.max_memory = 1000}, {.idle = NAN}, {.exit_timeout = NAN}, {.grace = NAN},
        {.init_timeout = NAN}, {.output = (luas_output)4}, {.output = LUAS_OUTPUT_LINES}, {.on_line = hear},
        {.output = LUAS_OUTPUT_TAG, .on_line = hear}, {.setup_size = 3},
        {.count = 1, .arguments = &(luas_value){.type = (luas_type)9}},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        luas_options o = bad[i];
        o.source = "";
        CHECK_INT(luas_pool_open(&pool, &o), LUAS_EINVAL);
        CHECK(pool == NULL);
    }
}

int main(void)
{
    RUN(test_arguments_of_the_script);
    RUN(test_names_of_functions);
    RUN(test_what_a_script_returns_may_be_anything);
    RUN(test_init);
    RUN(test_lines);
    RUN(test_captured);
    RUN(test_nothing_is_captured_else);
    RUN(test_max_tasks);
    RUN(test_memory);
    RUN(test_name);
    RUN(test_grace);
    RUN(test_nonsense);
}
