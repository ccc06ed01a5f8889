/* Keys as bytes that are ordered as the keys are. */
#include "share_key.h"

#include <lauxlib.h>
#include <math.h>
#include <string.h>

#include "fail.h"

/* The most bytes of a string that is a key. A round number; LMDB takes some more. */
enum { MOST_STRING = 500 };

/* The first byte of a key tells its type. So keys are ordered by type. */
enum { KEY_FALSE = 0x10, KEY_TRUE = 0x11, KEY_NUMBER = 0x20, KEY_STRING = 0x30 };

static void add_big_endian(luas__share_key *k, uint64_t bits)
{
    for (int shift = 56; shift >= 0; shift -= 8)
        k->bytes[k->len++] = (char)(bits >> shift);
}

static uint64_t read_big_endian(const char *at)
{
    uint64_t bits = 0;
    for (int i = 0; i < 8; i++)
        bits = bits << 8 | (unsigned char)at[i];
    return bits;
}

/* Bits that compare in the order of the numbers. */
static uint64_t order_of(double f)
{
    uint64_t bits;
    memcpy(&bits, &f, sizeof bits);
    return bits >> 63 != 0 ? ~bits : bits | UINT64_C(1) << 63;
}

static double double_of(uint64_t order)
{
    double f;
    uint64_t bits = order >> 63 != 0 ? order & ~(UINT64_C(1) << 63) : ~order;
    memcpy(&f, &bits, sizeof f);
    return f;
}

/* The key of an integer is its nearest float, followed by the integer. A float with an integer
   value counts as that integer, as in any Lua table. */
static void set_number(lua_State *L, int index, luas__share_key *k)
{
    int is_integer;
    lua_Integer i = lua_tointegerx(L, index, &is_integer);
    double f = lua_tonumber(L, index);
    if (isnan(f))
        luas__fail(L, "a key of a shared table cannot be NaN");
    k->bytes[k->len++] = KEY_NUMBER;
    add_big_endian(k, order_of(f));
    if (is_integer)
        add_big_endian(k, (uint64_t)i ^ UINT64_C(1) << 63);
}

static void set_string(lua_State *L, int index, luas__share_key *k)
{
    size_t len;
    const char *text = lua_tolstring(L, index, &len);
    if (len > MOST_STRING)
        luas__fail(L, "a key of a shared table cannot have more than %d bytes", MOST_STRING);
    k->bytes[k->len++] = KEY_STRING;
    memcpy(k->bytes + k->len, text, len);
    k->len += len;
}

void luas__share_key_check(lua_State *L, int index, luas__share_key *k)
{
    k->len = 0;
    switch (lua_type(L, index)) {
    case LUA_TBOOLEAN:
        k->bytes[k->len++] = lua_toboolean(L, index) ? KEY_TRUE : KEY_FALSE;
        break;
    case LUA_TNUMBER:
        set_number(L, index, k);
        break;
    case LUA_TSTRING:
        set_string(L, index, k);
        break;
    default:
        luas__fail(L, "a key of a shared table is a boolean, a number or a string, not a %s",
                   luaL_typename(L, index));
    }
}

bool luas__share_key_is(luas__bytes b)
{
    return b.len == 1 || (b.len == 9 && b.at[0] == KEY_NUMBER)
        || (b.len == 17 && b.at[0] == KEY_NUMBER) || (b.len > 0 && b.at[0] == KEY_STRING);
}

void luas__share_key_push(lua_State *L, const luas__share_key *k)
{
    if (k->bytes[0] == KEY_STRING)
        lua_pushlstring(L, k->bytes + 1, k->len - 1);
    else if (k->bytes[0] != KEY_NUMBER)
        lua_pushboolean(L, k->bytes[0] == KEY_TRUE);
    else if (k->len == 17)
        lua_pushinteger(L, (lua_Integer)(read_big_endian(k->bytes + 9) ^ UINT64_C(1) << 63));
    else
        lua_pushnumber(L, double_of(read_big_endian(k->bytes + 1)));
}
