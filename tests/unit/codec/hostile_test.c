/*
 * The codec under ill will: messages cut short at every byte, changed at
 * random, or claiming more than they hold; and memory that runs out at every
 * allocation. Nothing crashes, leaks, takes memory out of proportion, or
 * leaves a state that does not work any more. Argument: the seed.
 */
#include <time.h>

#include "codec_rig.h"
#include "luas.h"

enum { MUTATIONS = 100000, SOME = 1000 };

static int failures;

static void expect(int ok, const char *what, long long detail)
{
    if (!ok) {
        fprintf(stderr, "FAILED %s (%lld)\n", what, detail);
        failures++;
    }
}

/* An allocator that counts, and refuses all growth from a given allocation on. */
typedef struct memory {
    size_t live, peak;
    long count, fails_at;   /* fails_at: 0 for never */
} memory;

static void *allocate(void *context, void *block, size_t old_size, size_t size)
{
    memory *m = context;
    size_t old = block == NULL ? 0 : old_size;
    if (size == 0) {
        free(block);
        m->live -= old;
        return NULL;
    }
    if (size > old && m->fails_at > 0 && ++m->count >= m->fails_at)
        return NULL;
    void *moved = realloc(block, size);
    if (moved == NULL)
        return NULL;
    m->live += size - old;
    m->peak = m->live > m->peak ? m->live : m->peak;
    return moved;
}

static lua_State *new_state(memory *m)
{
    memset(m, 0, sizeof *m);
    lua_State *L = lua_newstate(allocate, m);
    if (L == NULL)
        abort();
    luaL_openlibs(L);
    luas__names_push(L);
    lua_pop(L, 1);
    return L;
}

static void must_run(lua_State *L, const char *code, int results)
{
    if (luaL_loadstring(L, code) != LUA_OK || lua_pcall(L, 0, results, 0) != LUA_OK) {
        fprintf(stderr, "%s\n", lua_tostring(L, -1));
        exit(EXIT_FAILURE);
    }
}

/* Messages to be spoilt: chunks that return the values of one. */
static const char *const subjects[] = {
    "return 1, 2.5, 'three', nil, true, ('x'):rep(300), ('\\xff'):rep(40), math.mininteger, 70000",
    "local t = {} for i = 1, 40 do t[i] = {id = i, name = 'row ' .. i} end return t",
    "local a, b = {1}, {x = {}} a.b, b.a, a[b], b.self = b, a, b, b return a, b, {a, b}",
    "local M = {} M.__index, M.o = M, setmetatable({1}, M) "
    "return setmetatable({x = 1}, M), M, setmetatable(M, M)",
    "local t = {} for i = 1, 20 do t = {t, [{i}] = t, [i + 0.5] = false} end return t",
    "local n, f = 0 function f(x) n = n + 1 return x and f(n) or print, function() return n, string end end "
    "return f, {f}, _G",
};
enum { SUBJECTS = sizeof subjects / sizeof *subjects };

static void encode_subject(lua_State *L, const char *code, luas__buffer *b)
{
    luas__encode_options o = {0};
    int top = lua_gettop(L);
    must_run(L, code, LUA_MULTRET);
    if (luas__encode(L, top + 1, lua_gettop(L) - top, b, &o) < 0) {
        fprintf(stderr, "%s\n", lua_tostring(L, -1));
        exit(EXIT_FAILURE);
    }
    lua_settop(L, top);
}

/* The bytes in a block of their very size, so that a sanitizer sees the first byte too far. */
static int decode_copy(lua_State *L, const char *bytes, size_t len, int flags)
{
    char *copy = malloc(len > 0 ? len : 1);
    if (copy == NULL)
        abort();
    memcpy(copy, bytes, len);
    int top = lua_gettop(L), rc = luas__decode(L, copy, len, 0, flags);
    free(copy);
    expect(rc >= 0 ? lua_gettop(L) == top + rc : lua_gettop(L) == top + 1 && lua_isstring(L, -1),
           "decoding leaves its values or one message", rc);
    lua_settop(L, top);
    return rc;
}

static void test_truncation(lua_State *L)
{
    for (int i = 0; i < SUBJECTS; i++) {
        luas__buffer b = LUAS__BUFFER_INIT;
        encode_subject(L, subjects[i], &b);
        for (size_t len = 0; len < b.len; len++) {
            int rc = decode_copy(L, luas__buffer_bytes(&b), len, LUAS__FUNCTIONS);
            expect(rc == LUAS_EPROTO, "a message cut short is malformed", (long long)len);
        }
        int rc = decode_copy(L, luas__buffer_bytes(&b), b.len, LUAS__FUNCTIONS);
        expect(rc > 0, "a whole message is not", i);
        luas__buffer_release(&b);
    }
}

static uint64_t random_state;

static uint32_t random_below(uint32_t n)
{
    random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(random_state >> 33) % n;
}

static void mutate(char *bytes, size_t len)
{
    static const unsigned char heads[] = {0xc1, 0xc7, 0xc9, 0xd4, 0xd6, 0xdb, 0xdd, 0xdf, 0xff, 0x91, 0x81};
    for (uint32_t n = 1 + random_below(4); n > 0; n--) {
        size_t at = random_below((uint32_t)len);
        switch (random_below(4)) {
        case 0: bytes[at] = (char)random_below(256); break;
        case 1: bytes[at] = (char)(bytes[at] ^ 1 << random_below(8)); break;
        case 2: bytes[at] = (char)heads[random_below(sizeof heads)]; break;
        default: bytes[at] = (char)random_below(12); break;
        }
    }
}

/* Data only: bytecode is trusted to be Lua's own, and changed bytecode may do anything. */
static void test_mutation(lua_State *L, memory *m)
{
    int rounds = rig_is_slow() ? SOME : MUTATIONS;
    int accepted = 0, refused = 0;
    for (int round = 0; round < rounds; round++) {
        luas__buffer b = LUAS__BUFFER_INIT;
        encode_subject(L, subjects[round % (SUBJECTS - 1)], &b);
        mutate(luas__buffer_bytes(&b), b.len);
        m->peak = m->live;
        size_t before = m->live;
        int rc = decode_copy(L, luas__buffer_bytes(&b), b.len, 0);
        expect(rc >= 0 || rc == LUAS_EPROTO || rc == LUAS_EUNSENT, "changed bytes are malformed", rc);
        expect(m->peak - before < 100 * b.len + 10000, "memory is in proportion",
               (long long)(m->peak - before));
        accepted += rc >= 0;
        refused += rc < 0;
        luas__buffer_release(&b);
    }
    expect(accepted > 0 && refused > 0, "some changes matter and some do not", accepted);
}

/* Containers that claim as many elements as there are bytes, each inside the other. */
static void test_claims(lua_State *L, memory *m)
{
    enum { SIZE = 1 << 20 };
    static const unsigned char heads[] = {0xdd, 0xdf};
    char *bytes = malloc(SIZE);
    if (bytes == NULL)
        abort();
    for (size_t kind = 0; kind < sizeof heads; kind++) {
        memset(bytes, 0, SIZE);
        bytes[0] = (char)0x91;
        for (size_t at = 1; at + 6 < SIZE; at += kind == 0 ? 5 : 6) {
            luas__mp_put_bytes((unsigned char *)bytes + at, heads[kind], 1);
            luas__mp_put_bytes((unsigned char *)bytes + at + 1, (SIZE - at - 5) >> kind, 4);
            bytes[at + 5] = 1;
        }
        lua_gc(L, LUA_GCCOLLECT);
        m->peak = m->live;
        size_t before = m->live;
        int rc = decode_copy(L, bytes, SIZE, 0);
        expect(rc < 0, "what claims too much is refused", rc);
        expect(m->peak - before < 160u * SIZE, "claims cost no memory", (long long)(m->peak - before));
    }
    free(bytes);
}

static void test_limit(lua_State *L)
{
    luas__buffer b = LUAS__BUFFER_INIT;
    luas__encode_options o = {.limit = 1000};
    static const char *const large[] = {
        "return ('x'):rep(1000)", "return 1, ('x'):rep(1000)", "return {('x'):rep(1000)}",
        "local t = {} for i = 1, 1e6 do t[i] = i end return t",
        "local t = {} for i = 1, 1e6 do t[i] = {} end return t",
        "local t = {} for i = 1, 1e6 do t[i / 2] = i end return t",
        "return function() return 'a function has more bytes than one thinks' end, ('y'):rep(900)",
    };
    for (size_t i = 0; i < sizeof large / sizeof *large; i++) {
        must_run(L, large[i], LUA_MULTRET);
        int rc = luas__encode(L, 1, lua_gettop(L), &b, &o);
        expect(rc == LUAS_ETOOBIG && b.len == 0, "what is above the limit is too big", (long long)i);
        expect(b.cap < 100000, "it is not written first", (long long)b.cap);
        lua_settop(L, 0);
    }
    must_run(L, "return ('x'):rep(900)", 1);
    expect(luas__encode(L, 1, 1, &b, &o) == 0, "what is below is not", 0);
    lua_settop(L, 0);
    luas__buffer_release(&b);
}

/* Work that allocates; what is acquired belongs to a box, since it may raise. */
static int release_box(lua_State *L)
{
    luas__buffer_release(lua_touserdata(L, 1));
    return 0;
}

static luas__buffer *push_box(lua_State *L)
{
    luas__buffer *b = lua_newuserdatauv(L, sizeof *b, 0);
    *b = (luas__buffer)LUAS__BUFFER_INIT;
    lua_createtable(L, 0, 1);
    lua_pushcfunction(L, release_box);
    lua_setfield(L, -2, "__gc");
    lua_setmetatable(L, -2);
    return b;
}

/* Raises memory errors as such, so that running out can be told from being wrong. */
static int check(lua_State *L, int rc)
{
    if (rc < 0)
        luaL_error(L, "%s", rc == LUAS_ENOMEM ? "not enough memory" : lua_tostring(L, -1));
    return rc;
}

static int trip(lua_State *L)
{
    int count = lua_gettop(L);
    luas__encode_options o = {0};
    luas__buffer *b = push_box(L);
    check(L, luas__encode(L, 1, count, b, &o));
    expect(check(L, luas__decode(L, luas__buffer_bytes(b), b->len, 0, LUAS__FUNCTIONS)) == count,
           "all values arrive", count);
    return 0;
}

/* A job whose class the arguments have; it works in the same state, which has a worker's side as well. */
static int run_job(lua_State *L)
{
    luas__carried info = {0};
    lua_settop(L, 2);
    luas__buffer *carrier = push_box(L), *defines = push_box(L), *task = push_box(L);
    luas__space_new(L, 0);
    luas__space_new(L, 1);
    check(L, luas__encode_definition(L, 1, 6, carrier, 0, &info));
    check(L, luas__decode_define(L, 7, luas__buffer_bytes(carrier), carrier->len));
    luas__encode_options o = {.space = 6, .defines = defines};
    check(L, luas__encode(L, 2, 1, task, &o));
    luas__buffer_truncate(task, 0);
    check(L, luas__encode(L, 2, 1, task, &o));
    if (defines->len > 0)
        check(L, luas__decode_define(L, 7, luas__buffer_bytes(defines), defines->len));
    lua_settop(L, 7);
    luas__class_scan(L, 1, 6, 1000, NULL);
    return 0;
}

static const struct work {
    const char *name, *code;
    lua_CFunction run;
} works[] = {
    {"values",
     "local t = {} t[1] = {t, x = {1.5, 'two'}, [t] = true} for i = 2, 60 do t[i] = {i} end "
     "return t, 5, ('z'):rep(500)", trip},
    {"deep",
     "local t = {} for i = 1, 300 do t = {t, {}} end return t", trip},
    {"functions",
     "local n = 0 local function f() n = n + 1 return g(print, string) end "
     "return f, function() return n, f end", trip},
    {"classes",
     "local M = {} M.__index = M function M.__luas_pack(o) return o.x, {1} end "
     "function M.__luas_unpack(x) return setmetatable({x = x}, M) end "
     "M.y = setmetatable({x = 1}, M) return setmetatable({}, M), M.y, setmetatable({1}, {M})", trip},
    {"a job",
     "local P = {} P.__index = P g1, g2 = {1, P}, function() return g1, g3 end "
     "return function() return g2, math, P end, setmetatable({}, {__index = P})", run_job},
};

/* One more allocation is allowed each time, until the work is done. */
static void run_out(lua_State *L, memory *m, const struct work *w)
{
    long n = 0;
    int status = LUA_ERRMEM;
    for (; status != LUA_OK && n < 100000; n += rig_is_slow() ? 13 : 1) {
        lua_settop(L, 0);
        lua_pushcfunction(L, w->run);
        must_run(L, w->code, LUA_MULTRET);
        m->count = 0;
        m->fails_at = n + 1;
        status = lua_pcall(L, lua_gettop(L) - 1, 0, 0);
        m->fails_at = 0;
        if (status == LUA_OK)
            break;
        const char *message = lua_tostring(L, -1);
        expect(message != NULL && strstr(message, "not enough memory") != NULL,
               message == NULL ? "a message" : message, n);
        lua_settop(L, 0);
        lua_pushcfunction(L, w->run);
        must_run(L, w->code, LUA_MULTRET);
        if (lua_pcall(L, lua_gettop(L) - 1, 0, 0) != LUA_OK) {
            expect(0, lua_tostring(L, -1), n);
            break;
        }
    }
    expect(status == LUA_OK && n > 3, w->name, n);
    lua_settop(L, 0);
}

int main(int argc, char **argv)
{
    memory m;
    random_state = argc > 1 ? strtoull(argv[1], NULL, 10) : (uint64_t)time(NULL);
    printf("hostile: seed %llu\n", (unsigned long long)random_state);
    lua_State *L = new_state(&m);
    test_truncation(L);
    test_mutation(L, &m);
    test_claims(L, &m);
    test_limit(L);
    for (size_t i = 0; i < sizeof works / sizeof *works; i++)
        run_out(L, &m, &works[i]);
    lua_close(L);
    expect(m.live == 0, "all of Lua's memory is given back", (long long)m.live);
    printf("hostile: %d failed\n", failures);
    return failures == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
