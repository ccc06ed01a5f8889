/*
 * libFuzzer target: any bytes as a message of data, with a space that has a
 * plain class and one that unpacks. What is accepted must encode again, and
 * that must decode to as many values. The other readers of foreign bytes (of
 * bytecode, of define messages' framing, and of outcomes for C) see the same
 * input.
 */
#include <lauxlib.h>
#include <lualib.h>
#include <stdlib.h>

#include "codec.h"
#include "bytecode.h"
#include "names.h"
#include "space.h"
#include "msgpack.h"
#include "results.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { AT_SPACE = 1, BASE = 1 };

static const char classes[] =
    "local Plain, Packed = {}, {}\n"
    "Plain.__index = Plain\n"
    "function Packed.__luas_pack(o) return o.a, o.b end\n"
    "function Packed.__luas_unpack(a, b) return setmetatable({a = a, b = b}, Packed) end\n"
    "return function() return Plain, Packed end\n";

static void must(int ok)
{
    if (!ok)
        abort();
}

/* Pushes a worker's side of a space that has the classes. */
static void push_space(lua_State *L)
{
    luas__buffer b = LUAS__BUFFER_INIT;
    luas__carried info = {0};
    must(luaL_dostring(L, classes) == LUA_OK);
    luas__space_new(L, 0);
    must(luas__encode_definition(L, 1, 2, &b, 0, &info) == 0);
    luas__space_new(L, 1);
    must(luas__decode_define(L, lua_gettop(L), luas__buffer_bytes(&b), b.len) == 0);
    lua_pop(L, 1);
    lua_replace(L, AT_SPACE);
    lua_settop(L, BASE);
    luas__buffer_release(&b);
}

static lua_State *open_state(void)
{
    lua_State *L = luaL_newstate();
    must(L != NULL);
    luaL_openlibs(L);
    luas__names_push(L);
    lua_pop(L, 1);
    push_space(L);
    return L;
}

/* The values above BASE there and back. */
static void round_trip(lua_State *L, int count)
{
    luas__buffer b = LUAS__BUFFER_INIT;
    luas__encode_options o = {.space = AT_SPACE};
    if (luas__encode(L, BASE + 1, count, &b, &o) == 0) {
        lua_settop(L, BASE);
        must(luas__decode(L, luas__buffer_bytes(&b), b.len, AT_SPACE, LUAS__FUNCTIONS) == count);
    }
    luas__buffer_release(&b);
}

/* Is it one value, without an extension type? */
static int is_plain(const char *bytes, size_t len)
{
    luas__mp_reader all = {(const unsigned char *)bytes, (const unsigned char *)bytes + len};
    luas__mp_reader each = all;
    luas__mp_token t;
    while (luas__mp_read(&each, &t) == 1)
        if (t.type == MP_EXT)
            return 0;
    return luas__mp_skip(&all) == 0 && all.at == all.end;
}

/* Whatever a payload is, C is given plain values, or a message. */
static void read_for_c(const char *bytes, size_t size)
{
    luas__results r = {.values = NULL};
    for (int kind = LUAS__KIND_VALUE; kind <= LUAS__KIND_TIMEOUT; kind++) {
        int rc = luas__results_read(&r, kind, bytes, size);
        must(rc == kind || rc == LUAS__KIND_ERROR);
        must(rc != LUAS__KIND_ERROR || r.count == 1);
        must(kind != LUAS__KIND_VALUE || rc == kind || *r.message != '\0');
        for (int i = 0; i < r.count; i++)
            must(r.values[i].type < LUAS_STRING || r.values[i].bytes[r.values[i].len] == '\0');
        for (int i = 0; i < r.count; i++)
            must(r.values[i].type != LUAS_OTHER || is_plain(r.values[i].bytes, r.values[i].len));
    }
    luas__results_release(&r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static lua_State *L;
    luas__mp_reader r = {data, data + size};
    const char *bytes = (const char *)data;
    if (L == NULL)
        L = open_state();
    while (luas__mp_skip(&r) == 0 && r.at < r.end)
        continue;
    (void)luas__bytecode_check(bytes, size);
    read_for_c(bytes, size);
    int rc = luas__decode_value(L, bytes, size, AT_SPACE, 0);
    must(rc == 1 || (rc < 0 && lua_isstring(L, -1)));
    lua_settop(L, BASE);
    rc = luas__decode(L, bytes, size, AT_SPACE, 0);
    must(rc >= 0 ? lua_gettop(L) == BASE + rc : lua_gettop(L) == BASE + 1 && lua_isstring(L, -1));
    if (rc >= 0)
        round_trip(L, rc);
    lua_settop(L, BASE);
    return 0;
}
