/*
 * A value as a word, which is compared without a look into a table of values. An object is its
 * address: whoever keeps such words keeps the objects alive. Long strings are objects.
 */
#ifndef LUAS_WORD_H
#define LUAS_WORD_H

#include <lua.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

enum { LUAS__WORD_INTEGER = LUA_NUMTYPES };

typedef struct luas__word {
    int type;           /* Lua's, or LUAS__WORD_INTEGER */
    uint64_t bits;      /* an address, a number or a boolean */
} luas__word;

/* A field of a table. */
typedef struct luas__word_field {
    luas__word key, value;
} luas__word_field;

static inline bool luas__word_is_object(luas__word w)
{
    return w.type != LUA_TNUMBER && w.type != LUAS__WORD_INTEGER && w.type != LUA_TBOOLEAN;
}

static inline luas__word luas__word_read(lua_State *L, int index)
{
    luas__word w = {.type = lua_type(L, index)};
    if (luas__word_is_object(w)) {
        w.bits = (uintptr_t)lua_topointer(L, index);
    } else if (w.type == LUA_TBOOLEAN) {
        w.bits = (uint64_t)lua_toboolean(L, index);
    } else if (lua_isinteger(L, index)) {
        w.type = LUAS__WORD_INTEGER;
        w.bits = (uint64_t)lua_tointeger(L, index);
    } else {
        lua_Number x = lua_tonumber(L, index);
        memcpy(&w.bits, &x, sizeof x);
    }
    return w;
}

/* Is the value at this index the same as when the word was read? (Nothing but light userdata could have
   the address of an object, and nobody makes one of that.) */
static inline bool luas__word_is(lua_State *L, int index, luas__word w)
{
    if (w.bits != 0 && luas__word_is_object(w))
        return (uintptr_t)lua_topointer(L, index) == w.bits;
    luas__word now = luas__word_read(L, index);
    return now.type == w.type && now.bits == w.bits;
}

/* Has the table at the top these fields, in the order of lua_next? It keeps that until it changes. May
   leave values on the stack. */
static inline bool luas__word_are_fields(lua_State *L, const luas__word_field *fields, int count)
{
    int n = 0;
    for (lua_pushnil(L); lua_next(L, -2) != 0; lua_pop(L, 1), n++)
        if (n == count || !luas__word_is(L, -2, fields[n].key) || !luas__word_is(L, -1, fields[n].value))
            return false;
    return n == count;
}

static inline bool luas__word_equal(luas__word a, luas__word b)
{
    return a.type == b.type && a.bits == b.bits;
}

#endif
