/*
 * Nil, booleans, numbers and strings as bytes. Most values are such scalars. The encoder writes
 * them in place, before it looks for containers.
 */
#ifndef LUAS_SCALAR_H
#define LUAS_SCALAR_H

#include <lua.h>

#include "error.h"
#include "msgpack.h"

/* One more call for each scalar would cost a tenth of a row's time. Compilers find these
   functions too long to inline by themselves. */
#define LUAS__INLINE __attribute__((always_inline)) static inline

/* Writes the scalar at this index between p and end. Returns where the next byte goes; NULL if
   it is no scalar, or if the room may not suffice. */
LUAS__INLINE unsigned char *luas__scalar_put_at(lua_State *L, int index, unsigned char *p,
                                          const unsigned char *end)
{
    size_t len;
    const char *bytes;
    unsigned char *next;
    if (end - p < LUAS__MP_SHORT)
        return NULL;
    switch (lua_type(L, index)) {
    case LUA_TSTRING:
        bytes = lua_tolstring(L, index, &len);
        if (len < LUAS__MP_SHORT && (next = luas__mp_put_short(p, bytes, len)) != NULL)
            return next;
        return (size_t)(end - p) < len + LUAS__MP_HEAD ? NULL : luas__mp_put_string(p, bytes, len);
    case LUA_TNUMBER:
        return lua_isinteger(L, index) ? luas__mp_put_int(p, lua_tointeger(L, index))
                                       : luas__mp_put_double(p, lua_tonumber(L, index));
    case LUA_TBOOLEAN:
        *p = lua_toboolean(L, index) ? 0xc3 : 0xc2;
        return p + 1;
    case LUA_TNIL:
        *p = 0xc0;
        return p + 1;
    default:
        return NULL;
    }
}

/* The same for an array of that single value. Most tasks and results are such arrays, mostly of
   an integer. */
LUAS__INLINE unsigned char *luas__scalar_put_alone(lua_State *L, int index, unsigned char *p,
                                             const unsigned char *end)
{
    if (end - p <= LUAS__MP_NUMBER)
        return NULL;
    *p = LUAS__MP_ALONE;
    return lua_isinteger(L, index) ? luas__mp_put_int(p + 1, lua_tointeger(L, index))
                                   : luas__scalar_put_at(L, index, p + 1, end);
}

/* Writes a string for which luas__scalar_put_at has found no room. Returns 1, or negative. */
int luas__scalar_put_long(lua_State *L, int index, luas__buffer *out, size_t most);

/* Writes the value at this index if it is nil, a boolean, a number or a string. Returns 1; 0 if
   it is not; or negative. */
LUAS__INLINE int luas__scalar_put(lua_State *L, int index, luas__buffer *out, size_t most)
{
    if (luas__buffer_reserve(out, LUAS__MP_SHORT) < 0)
        return LUAS_ENOMEM;
    unsigned char *p = (unsigned char *)luas__buffer_end(out);
    unsigned char *next = luas__scalar_put_at(L, index, p, p + luas__buffer_room(out));
    if (next == NULL)
        return lua_type(L, index) == LUA_TSTRING ? luas__scalar_put_long(L, index, out, most) : 0;
    out->len += (size_t)(next - p);
    return 1;
}

#endif
