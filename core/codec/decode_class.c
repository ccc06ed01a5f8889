/* Gives objects their metatables: some only when these are complete. */
#include "decoder.h"

/* The list of those that wait has for each: object, class, number of the class. */
enum { EACH = 3 };

/* Is the object of this number still open? The numbers of frames increase towards the top. */
static int is_open(const luas__decoder *d, int64_t number)
{
    uint32_t low = 0, high = d->depth;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (d->frames[middle].number < number)
            low = middle + 1;
        else
            high = middle;
    }
    return low < d->depth && d->frames[low].number == number;
}

/* Expects [object, class, number]: adds them to the list below, and pops them. */
static void wait_on(lua_State *L)
{
    int list = lua_gettop(L) - EACH;
    lua_Integer n = (lua_Integer)lua_rawlen(L, list);
    for (int i = EACH; i > 0; i--)
        lua_rawseti(L, list, n + i);
}

void luas__decode_class_set(luas__decoder *d, int64_t number)
{
    lua_State *L = d->L;
    int pending = d->held + HELD_PENDING;
    if (number < 0 || !is_open(d, number)) {
        lua_setmetatable(L, -2);
        return;
    }
    if (lua_isnil(L, pending)) {
        lua_newtable(L);
        lua_replace(L, pending);
    }
    lua_pushvalue(L, pending);
    lua_pushvalue(L, -3);
    lua_rotate(L, -3, -1);
    lua_pushinteger(L, number);
    wait_on(L);
    lua_pop(L, 1);
}

void luas__decode_class_set_complete(luas__decoder *d)
{
    lua_State *L = d->L;
    int pending = d->held + HELD_PENDING;
    if (lua_isnil(L, pending))
        return;
    lua_Integer n = (lua_Integer)lua_rawlen(L, pending);
    lua_newtable(L);
    for (lua_Integer i = 1; i <= n; i += EACH) {
        for (int k = 0; k < EACH; k++)
            lua_rawgeti(L, pending, i + k);
        if (is_open(d, lua_tointeger(L, -1))) {
            wait_on(L);
        } else {
            lua_pop(L, 1);
            lua_setmetatable(L, -2);
            lua_pop(L, 1);
        }
    }
    if (lua_rawlen(L, -1) == 0) {
        lua_pop(L, 1);
        lua_pushnil(L);
    }
    lua_replace(L, pending);
}
