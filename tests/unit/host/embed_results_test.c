/*
 * What a script returns and raises, as a C application gets it: every kind of
 * value, alone and within others, small and large, among calls that end in other
 * ways. Whatever it is, the calls behind it have their outcomes.
 *
 * With --emit: tables as MessagePack in hexadecimal, and as text (msgpack_text.h),
 * for tests/codec/msgpack_peer.py.
 */
#define _GNU_SOURCE
#include "embed_testing.h"
#include "msgpack_text.h"

static const char preamble[] =
    "local function nested(n) local t = 0 for i = 1, n do t = {t} end return t end\n"
    "local function linked(n) local l for i = 1, n do l = {next = l} end return l end\n"
    "local function doubled(n) local t = {} for i = 1, n do t = {t, t} end return t end\n"
    "local function loop() local t = {} t.self = t return t end\n"
    "local Point, Pair, Box, List, Half, Bad, Self = {}, {}, {}, {}, {}, {}, {}\n"
    "Point.__index = Point\n"
    "local file, co = io.stdout, coroutine.create(print)\n"
    "function Point:draw() return file, co, self end\n" /* which cannot travel */
    "local function point(x) return setmetatable({x = x}, Point) end\n"
    "function Pair.__luas_pack(p) return p.a, p.b end\n"
    "function Pair.__luas_unpack(a, b) return setmetatable({a = a, b = b}, Pair) end\n"
    "function Box.__luas_pack(b) return b[1] end\n" /* C has no use of __luas_unpack */
    "function List.__luas_pack(l) return table.unpack(l) end\n"
    "function Bad.__luas_pack() error('not now', 0) end\n"
    "function Self.__luas_pack(o) return {o} end\n"
    "local function pack(class, ...) return setmetatable({...}, class) end\n"
    "package.loaded.settings = {depth = {3}, point = point(1)}\n"
    "local registered = io.tmpfile()\n"
    "getmetatable(io.stdout).__luas_pack = function() return 'a file' end\n"
    "local shared = {1}\n";

/* What to return; the results as text, or how its refusal goes on after `result 1`. */
typedef struct row {
    const char *body, *wanted, *refusal;
} row;

static const row rows[] = {
    {"", "", NULL},
    {"nil", "nil", NULL},
    {"nil, nil", "nil / nil", NULL},
    {"true, false", "true / false", NULL},
    {"0, 127, -32, 128, -33, 65536, math.mininteger, math.maxinteger",
     "0 / 127 / -32 / 128 / -33 / 65536 / -9223372036854775808 / 9223372036854775807", NULL},
    {"0.5, 1.0, -0.0, 1e300, 1 / 0, -1 / 0, 0 / 0", "0.5 / 1.0 / -0.0 / 1e+300 / inf / -inf / nan", NULL},
    {"'', 'text', 'caf\\xc3\\xa9', 'a\\0b\\xff'",
     "\"\" / \"text\" / \"caf\\c3\\a9\" / \"a\\00b\\ff\"", NULL},
    /* tables */
    {"{}", "[]", NULL},
    {"{1, 2.5, 'x', true, {}}", "[1, 2.5, \"x\", true, []]", NULL},
    {"{1, 2, 3}, {4, 5, 6}", "[1, 2, 3] / [4, 5, 6]", NULL},
    {"{{id = 1}, {id = 2}}, {-0.0, 0 / 0, 1 / 0}", "[{\"id\": 1}, {\"id\": 2}] / [-0.0, nan, inf]", NULL},
    {"{math.mininteger, '\\xff', 'caf\\xc3\\xa9'}", "[-9223372036854775808, <ff>, \"caf\\c3\\a9\"]", NULL},
    {"{a = {b = {c = 1}}}", "{\"a\": {\"b\": {\"c\": 1}}}", NULL},
    {"{[1.5] = 1}, {[-1] = 2}, {[true] = 3}, {[{4}] = {5}}, {['\\xff'] = 6}",
     "{1.5: 1} / {-1: 2} / {true: 3} / {[4]: [5]} / {<ff>: 6}", NULL},
    {"{[2] = 1}, {nil, nil, 3}", "{2: 1} / {3: 3}", NULL},
    {"nil, {1}, nil", "nil / [1] / nil", NULL},
    /* what stands several times */
    {"{shared, shared}", "[[1], [1]]", NULL},
    {"shared, shared, {x = shared}", "[1] / [1] / {\"x\": [1]}", NULL},
    {"{[shared] = shared}, 'x', {{{shared}}}", "{[1]: [1]} / \"x\" / [[[[1]]]]", NULL},
    {"doubled(3)", "[[[[], []], [[], []]], [[[], []], [[], []]]]", NULL},
    {"loop()", NULL, ", field \"self\": refers to itself"},
    {"(function() local a, b = {}, {} a.b, b.a = {b}, a return a end)()", NULL,
     ", field \"b\"[1].a: refers to itself"},
    {"(function() local a = {} a[a] = 1 return a end)()", NULL, ", key: refers to itself"},
    {"(function() local a = {} a[{1}] = a return a end)()", NULL, ", [table]: refers to itself"},
    {"{1, {x = loop()}}", NULL, ", [2].x.self: refers to itself"},
    /* objects */
    {"point(1)", "{\"x\": 1}", NULL},
    {"{point(1), point(point(2))}", "[{\"x\": 1}, {\"x\": {\"x\": 2}}]", NULL},
    {"setmetatable({1, 2}, {__index = loop(), __close = print, __name = 'x'})", "[1, 2]", NULL},
    {"setmetatable({1}, setmetatable({}, {__metatable = 1}))", "[1]", NULL},
    {"pack(Pair), setmetatable({a = 1, b = {2}}, Pair)", "[nil, nil] / [1, [2]]", NULL},
    {"pack(Box, 7), pack(Box, 'x'), pack(Box), {pack(Box, {x = 1})}",
     "7 / \"x\" / nil / [{\"x\": 1}]", NULL},
    {"pack(List), pack(List, 1, 2, 3), pack(Box, pack(Box, 1))", "[] / [1, 2, 3] / 1", NULL},
    {"(function() local o = pack(Pair) return {o, o, {[o] = o}} end)()",
     "[[nil, nil], [nil, nil], {[nil, nil]: [nil, nil]}]", NULL},
    {"io.stdout, {io.stderr}", "\"a file\" / [\"a file\"]", NULL},
    {"{x = pack(Bad)}", NULL, ", field \"x\": __luas_pack: not now"},
    {"{pack(Self)}", NULL, ", [1], value of __luas_pack 1, [1]: refers to an object that is still being packed"},
    {"{pack(Box, print)}", NULL, ", [1], value of __luas_pack 1: a function has no plain form"},
    {"(function() local o = point() o.o = o return o end)()", NULL, ", field \"o\": refers to itself"},
    {"point(Point)", NULL, ", field \"x\"...: a function has no plain form"},
    /* what Lua code knows by name */
    {"package.loaded.settings", "...", NULL},
    {"package.loaded.settings.depth, {package.loaded.settings.point}", "[3] / [{\"x\": 1}]", NULL},
    {"{lib = utf8.charpattern}", "{\"lib\": <5b002d7fc22dfd5d5b802dbf5d2a>}", NULL},
    {"string", NULL, ", field ...: a function has no plain form"},
    {"_G", NULL, ": the globals have no plain form"},
    {"{_ENV}", NULL, ", [1]: the globals have no plain form"},
    /* what has no plain form */
    {"print", NULL, ": a function has no plain form"},
    {"function() return file end", NULL, ": a function has no plain form"},
    {"{f = point}", NULL, ", field \"f\": a function has no plain form"},
    {"{[print] = 1}", NULL, ", key: a function has no plain form"},
    {"{{co}}", NULL, ", [1][1]: a coroutine cannot be sent"},
    {"co", NULL, ": a coroutine cannot be sent"},
    {"{u = debug.upvalueid(point, 1)}", NULL, ", field \"u\": light userdata cannot be sent"},
    /* depth */
    {"linked(3)", "{\"next\": {\"next\": []}}", NULL},
    {"nested(1000)", "...", NULL},
    {"nested(1001)", NULL, ", [1][1][1]...: value nested too deeply"},
    {"nested(30000)", NULL, "...: value nested too deeply"},
    {"linked(5000)", NULL, ", field \"next\".next.next...: value nested too deeply"},
    /* heavy */
    {"nested(300000)", NULL, ": value nested too deeply"},
    {"doubled(100)", NULL, "...: too large, as a table that stands in it several times is given each time"},
};

enum { HEAVY = 2, ROWS = sizeof rows / sizeof *rows };

static int count_rows(void)
{
    return under_valgrind() ? ROWS - HEAVY : ROWS;
}

static luas_pool *open_rows(int workers, double timeout)
{
    luas__buffer text = LUAS__BUFFER_INIT;
    char line[256];
    CHECK_INT(luas__buffer_append(&text, preamble, sizeof preamble - 1), 0);
    CHECK_INT(luas__buffer_append(&text, "rows = {\n", 9), 0);
    for (int i = 0; i < ROWS; i++) {
        int n = snprintf(line, sizeof line, "function() return %s end,\n", rows[i].body);
        CHECK(n > 0 && n < (int)sizeof line);
        CHECK_INT(luas__buffer_append(&text, line, (size_t)n), 0);
    }
    static const char functions[] =
        "}\n"
        "function give(i) return rows[i]() end\n"
        "function throw(i) error((rows[i]()), 0) end\n"
        "function hang(i) pcall(function() while true do end end) error(rows[i](), 0) end\n"
        "function die() os.exit(3) end\n"
        "function large(n) local t = {} for i = 1, n do t[i] = {i} end return {t, t} end\n"
        "function large_loop(n) local t = {('x'):rep(n)} t[2] = t return t end\n"
        "function large_error(n) error({large(n), ('x'):rep(n)}) end\n"
        "function text(n) return ('x'):rep(n) end\n";
    CHECK_INT(luas__buffer_append(&text, functions, sizeof functions), 0);
    write_script(luas__buffer_bytes(&text));
    luas__buffer_release(&text);
    return open_pool(&(luas_options){.script = script, .workers = workers, .timeout = timeout});
}

/* Three dots in what is wanted stand for anything. */
static void check_like(const char *body, const char *got, const char *wanted)
{
    const char *dots = strstr(wanted, "...");
    size_t front = dots != NULL ? (size_t)(dots - wanted) : 0, len = strlen(got);
    size_t back = dots != NULL ? strlen(dots + 3) : 0;
    if (dots == NULL ? strcmp(got, wanted) == 0
        : len >= front + back && strncmp(got, wanted, front) == 0
          && strcmp(got + len - back, dots + 3) == 0)
        return;
    fprintf(stderr, "%s: %s:\n  %s\nis not\n  %s\n", running_test, body, got, wanted);
    exit(1);
}

static void call_row(luas_pool *pool, const char *function, int i, luas_outcome *o)
{
    uint64_t call = submit(pool, function, luas_integer(i + 1));
    await(pool, o);
    CHECK_INT(o->call, call);
}

/* ---- each row ---- */

static void check_refused(const row *r, const luas_outcome *o)
{
    char wanted[200];
    CHECK_INT(o->kind, LUAS_ERROR);
    snprintf(wanted, sizeof wanted, "result 1%s", r->refusal);
    check_like(r->body, o->message, wanted);
    CHECK_INT(o->count, 1);
    CHECK_INT(o->results[0].type, LUAS_STRING);
    CHECK_TEXT(o->results[0].bytes, o->message);
}

static void test_as_results(void)
{
    luas_pool *pool = open_rows(1, 0);
    luas_outcome o;
    for (int i = 0; i < count_rows(); i++) {
        call_row(pool, "give", i, &o);
        if (rows[i].refusal != NULL) {
            check_refused(&rows[i], &o);
            continue;
        }
        if (o.kind != LUAS_VALUE)
            fprintf(stderr, "%s: %s\n", rows[i].body, o.message);
        CHECK_INT(o.kind, LUAS_VALUE);
        check_like(rows[i].body, values_text(o.results, o.count), rows[i].wanted);
        CHECK_INT(*o.message, '\0');
    }
    CHECK_INT(luas_pending(pool), 0);
    close_pool(pool);
}

/* The first one of the values is raised. */
static void check_raised(const row *r, const luas_outcome *o)
{
    char wanted[4096];
    CHECK_INT(o->kind, LUAS_ERROR);
    CHECK_INT(o->count, 1);
    if (r->refusal == NULL) {
        const char *first = *r->wanted != '\0' ? r->wanted : "nil", *end = strstr(first, " / ");
        snprintf(wanted, sizeof wanted, "%.*s", (int)(end != NULL ? (size_t)(end - first)
                                                                  : strlen(first)), first);
        check_like(r->body, values_text(o->results, 1), wanted);
        CHECK(strstr(o->message, "is lost") == NULL);
        return;
    }
    CHECK_INT(o->results[0].type, LUAS_NIL);
    const char *reason = r->refusal + strspn(r->refusal, ",: ");
    snprintf(wanted, sizeof wanted, "...%s", strstr(reason, "...") == NULL ? reason
                                                 : strstr(reason, "...") + 3);
    check_like(r->body, o->message, wanted);
    CHECK(strstr(o->message, " value), whose value is lost: ") != NULL);
}

static void test_as_what_is_raised(void)
{
    luas_pool *pool = open_rows(1, 0);
    luas_outcome o;
    for (int i = 0; i < count_rows(); i++) {
        call_row(pool, "throw", i, &o);
        check_raised(&rows[i], &o);
    }
    CHECK_INT(luas_pending(pool), 0);
    close_pool(pool);
}

/* ---- in company ---- */

static int row_of(const char *body)
{
    for (int i = 0; i < ROWS; i++)
        if (strcmp(rows[i].body, body) == 0)
            return i + 1;
    CHECK(!"a row");
    return 0;
}

/* Many outcomes come at once, of values in one piece; none is lost, whatever stands in it. */
static void test_many_at_once(void)
{
    enum { MOST = 600 };
    const int calls = under_valgrind() ? MOST / 6 : MOST;
    const int good = row_of("{shared, shared}"), bad = row_of("loop()");
    unsigned char seen[MOST + 1] = {0};
    luas_pool *pool = open_rows(2, 0);
    luas_outcome o;
    for (int i = 1; i <= calls; i++)
        submit(pool, i % 4 == 3 ? "throw" : "give", luas_integer(i % 3 == 0 ? bad : good));
    while (luas_pending(pool) > 0) {
        await(pool, &o);
        CHECK(o.call >= 1 && o.call <= (uint64_t)calls);
        CHECK_INT(seen[o.call]++, 0);
        bool is_raised = o.call % 4 == 3, is_bad = o.call % 3 == 0;
        CHECK_INT(o.kind, is_raised || is_bad ? LUAS_ERROR : LUAS_VALUE);
        if (!is_bad)
            CHECK_TEXT(values_text(o.results, o.count), "[[1], [1]]");
        CHECK(!is_bad || strstr(o.message, "field \"self\": refers to itself") != NULL);
    }
    close_pool(pool);
}

/* What is raised in place of being stopped. */
static void test_timeouts(void)
{
    luas_pool *pool = open_rows(1, 0.1);
    luas_outcome o;
    submit(pool, "hang", luas_integer(row_of("loop()")));
    submit(pool, "hang", luas_integer(row_of("{shared, shared}")));
    while (luas_pending(pool) > 0) {
        await(pool, &o);
        CHECK_INT(o.kind, LUAS_TIMEOUT);
        CHECK_INT(o.count, 0);
        CHECK_TEXT(o.message, "timed out after 0.1 s");
    }
    close_pool(pool);
}

static void test_other_ends(void)
{
    luas_pool *pool = open_rows(1, 0);
    luas_outcome o;
    submit(pool, "die", luas_integer(0));
    submit(pool, "hang", luas_integer(row_of("loop()")));
    submit(pool, "give", luas_integer(row_of("loop()")));
    submit(pool, "give", luas_integer(row_of("nil")));
    for (uint64_t call = 2; call <= 3; call++)
        CHECK_INT(luas_cancel(pool, call), 0);
    static const luas_kind kinds[] = {LUAS_CRASH, LUAS_CANCELLED, LUAS_CANCELLED, LUAS_VALUE};
    while (luas_pending(pool) > 0) {
        await(pool, &o);
        CHECK_INT(o.kind, kinds[o.call - 1]);
        CHECK_INT(o.count, o.kind == LUAS_VALUE);
    }
    close_pool(pool);
}

/* ---- what does not go through the ring ---- */

static void check_large(const luas_value *v, uint32_t n)
{
    luas__mp_reader in = {(const unsigned char *)v->bytes, (const unsigned char *)v->bytes + v->len};
    luas__mp_token t;
    CHECK_INT(v->type, LUAS_OTHER);
    CHECK(luas__mp_read(&in, &t) == 1 && t.type == MP_ARRAY && t.len == 2);
    for (uint32_t i = 0; i < 2 * (n + 1); i++) {
        CHECK(luas__mp_read(&in, &t) == 1 && t.type == MP_ARRAY);
        CHECK_INT(t.len, i % (n + 1) == 0 ? n : 1);
        if (t.len == 1 && n > 1)
            CHECK(luas__mp_read(&in, &t) == 1 && t.type == MP_INT && t.as.i == i % (n + 1));
    }
    CHECK(in.at == in.end);
}

static void test_large_values(void)
{
    luas_pool *pool = open_rows(1, 0);
    luas_outcome o;
    const int sizes[] = {20000, under_valgrind() ? 30000 : 200000}; /* more than the ring holds */
    for (int i = 0; i < 2; i++) {
        call_row(pool, "large", sizes[i] - 1, &o);
        CHECK_INT(o.kind, LUAS_VALUE);
        check_large(&o.results[0], (uint32_t)sizes[i]);
        call_row(pool, "large_loop", sizes[i] * 10 - 1, &o);
        CHECK_INT(o.kind, LUAS_ERROR);
        CHECK_TEXT(o.message, "result 1, [2]: refers to itself");
        call_row(pool, "large_error", sizes[i] - 1, &o);
        CHECK_INT(o.kind, LUAS_ERROR);
        CHECK(o.results[0].type == LUAS_OTHER && o.results[0].len > 2 * 3 * (size_t)sizes[i]);
        call_row(pool, "text", sizes[i] * 20 - 1, &o);
        CHECK_INT(o.results[0].len, sizes[i] * 20);
    }
    close_pool(pool);
}

/* ---- the peer ---- */

static int emit(void)
{
    luas_pool *pool = open_rows(1, 0);
    luas_outcome o;
    for (int i = 0; i < ROWS; i++) {
        call_row(pool, "give", i, &o);
        for (int k = 0; k < o.count; k++) {
            if (o.results[k].type != LUAS_OTHER)
                continue;
            for (size_t n = 0; n < o.results[k].len; n++)
                printf("%02x", (unsigned char)o.results[k].bytes[n]);
            printf("\t%s\n", msgpack_text(o.results[k].bytes, o.results[k].len));
        }
    }
    close_pool(pool);
    return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "--emit") == 0)
        return emit();
    RUN(test_as_results);
    RUN(test_as_what_is_raised);
    RUN(test_many_at_once);
    RUN(test_timeouts);
    RUN(test_other_ends);
    RUN(test_large_values);
}
