/*
 * What encoding and decoding cost beside the bare Lua API calls that they
 * cannot do without: nanoseconds for an integer in an array and for a row of
 * three fields, and the ratio. The smallest of several runs counts.
 */
#include <lauxlib.h>
#include <lualib.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "codec.h"

enum { INTEGERS = 100000, ROWS = 20000, RUNS = 40, PASSES = 2 };

static lua_State *L;
static luas__buffer bytes;

/* Stack: 1 the array of integers, 2 the array of rows, 3 a row. */
enum { AT_INTEGERS = 1, AT_ROWS, AT_ROW };

static void make_inputs(void)
{
    static const char script[] =
        "local integers, rows = {}, {}\n"
        "for i = 1, 100000 do integers[i] = i * 7919 % 100000 end\n"
        "for i = 1, 20000 do rows[i] = {id = i, name = 'row ' .. i % 100, price = i / 4} end\n"
        "return integers, rows, rows[1]\n";
    if (luaL_dostring(L, script) != LUA_OK)
        exit(EXIT_FAILURE);
}

static long long sink;

/* Reading what stands at the top, by type, as any encoder must. */
static void read_value(void)
{
    size_t len;
    switch (lua_type(L, -1)) {
    case LUA_TNUMBER:
        if (lua_isinteger(L, -1))
            sink += lua_tointeger(L, -1);
        else
            sink += (long long)lua_tonumber(L, -1);
        break;
    case LUA_TSTRING:
        sink += *lua_tolstring(L, -1, &len);
        break;
    default:
        break;
    }
}

static void read_integers(void)
{
    for (lua_pushnil(L); lua_next(L, AT_INTEGERS) != 0; lua_pop(L, 1)) {
        sink += lua_isinteger(L, -2) ? lua_tointeger(L, -2) : 0;
        read_value();
    }
}

/* What the row is: which table, with which class, an array or not; and room to walk it. */
static void read_row(int row)
{
    size_t len;
    sink += lua_topointer(L, row) != NULL && !lua_getmetatable(L, row) && lua_checkstack(L, 20);
    sink += (long long)lua_rawlen(L, row);
    for (lua_pushnil(L); lua_next(L, row) != 0; lua_pop(L, 1)) {
        if (lua_type(L, -2) == LUA_TSTRING)
            sink += *lua_tolstring(L, -2, &len);
        read_value();
    }
}

static void read_rows(void)
{
    for (lua_pushnil(L); lua_next(L, AT_ROWS) != 0; lua_pop(L, 1)) {
        sink += lua_isinteger(L, -2) ? lua_tointeger(L, -2) : 0;
        if (lua_type(L, -1) == LUA_TTABLE)
            read_row(lua_gettop(L));
    }
}

static void make_integers(void)
{
    lua_createtable(L, INTEGERS, 0);
    for (int i = 1; i <= INTEGERS; i++) {
        lua_pushinteger(L, i);
        lua_rawseti(L, -2, i);
    }
    lua_pop(L, 1);
}


static void make_row(int i)
{
    char name[] = "row 00";
    lua_createtable(L, 0, 3);
    int row = lua_gettop(L);
    lua_pushlstring(L, "id", 2);
    lua_pushinteger(L, i);
    lua_rawset(L, row);
    name[4] = (char)('0' + i / 10 % 10);
    name[5] = (char)('0' + i % 10);
    lua_pushlstring(L, "name", 4);
    lua_pushlstring(L, name, 6);
    lua_rawset(L, row);
    lua_pushlstring(L, "price", 5);
    lua_pushnumber(L, i);
    lua_rawset(L, row);
}

static void make_rows(void)
{
    lua_createtable(L, ROWS, 0);
    for (int i = 1; i <= ROWS; i++) {
        make_row(i);
        lua_rawseti(L, -2, i);
    }
    lua_pop(L, 1);
}

static void encode_at(int index)
{
    luas__encode_options options = {0};
    luas__buffer_truncate(&bytes, 0);
    if (luas__encode(L, index, 1, &bytes, &options) < 0)
        exit(EXIT_FAILURE);
}

static void decode(void)
{
    if (luas__decode(L, luas__buffer_bytes(&bytes), bytes.len, 0, 0) < 0)
        exit(EXIT_FAILURE);
    lua_pop(L, 1);
}

static void encode_integers(void) { encode_at(AT_INTEGERS); }
static void encode_rows(void) { encode_at(AT_ROWS); }

static void encode_single_rows(void)
{
    for (int i = 0; i < ROWS; i++)
        encode_at(AT_ROW);
}

static void decode_single_rows(void)
{
    for (int i = 0; i < ROWS; i++)
        decode();
}

static void make_single_rows(void)
{
    for (int i = 0; i < ROWS; i++) {
        make_row(i);
        lua_pop(L, 1);
    }
}

static void read_single_rows(void)
{
    for (int i = 0; i < ROWS; i++)
        read_row(AT_ROW);
}

static void encode_scalars(void)
{
    lua_pushinteger(L, 12345);
    for (int i = 0; i < INTEGERS; i++)
        encode_at(lua_gettop(L));
    lua_pop(L, 1);
}

static void read_scalars(void)
{
    lua_pushinteger(L, 12345);
    for (int i = 0; i < INTEGERS; i++)
        read_value();
    lua_pop(L, 1);
}

static double now(void)
{
    struct timespec t;
    timespec_get(&t, TIME_UTC);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

/* Nanoseconds that the work takes now. */
static double measure(void (*work)(void))
{
    lua_gc(L, LUA_GCCOLLECT);
    lua_gc(L, LUA_GCSTOP);
    double start = now();
    for (int pass = 0; pass < PASSES; pass++)
        work();
    double taken = (now() - start) / PASSES;
    lua_gc(L, LUA_GCRESTART);
    return taken;
}

/* The best of several runs, by turns, for each of n things. */
static void compare(const char *what, int n, void (*codec)(void), void (*bare)(void))
{
    double ours = 0, theirs = 0;
    for (int run = 0; run < RUNS; run++) {
        double codec_now = measure(codec) / n, bare_now = measure(bare) / n;
        ours = run == 0 || codec_now < ours ? codec_now : ours;
        theirs = run == 0 || bare_now < theirs ? bare_now : theirs;
    }
    printf("%-28s %8.1f ns   bare API %8.1f ns   ratio %.2f\n", what, ours, theirs, ours / theirs);
}

int main(void)
{
    L = luaL_newstate();
    if (L == NULL)
        return EXIT_FAILURE;
    luaL_openlibs(L);
    make_inputs();
    compare("encode integer in array", INTEGERS, encode_integers, read_integers);
    encode_integers();
    compare("decode integer in array", INTEGERS, decode, make_integers);
    compare("encode row in array", ROWS, encode_rows, read_rows);
    encode_rows();
    compare("decode row in array", ROWS, decode, make_rows);
    compare("encode row, a call each", ROWS, encode_single_rows, read_single_rows);
    encode_at(AT_ROW);
    compare("decode row, a call each", ROWS, decode_single_rows, make_single_rows);
    compare("encode integer, a call each", INTEGERS, encode_scalars, read_scalars);
    luas__buffer_release(&bytes);
    lua_close(L);
    return sink == 1;   /* the reading must not be optimized away */
}
