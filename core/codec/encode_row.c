/*
 * Rows: small tables of scalars without a class. Most inputs and results are rows. They are
 * written without a protected call, into room that is reserved once. All other tables are left
 * to the encoder proper.
 */
#include <assert.h>

#include "encoder.h"
#include "value_format.h"

/* Bytes of a row, and values in a message with rows. */
enum { MOST_BYTES = 1024, MOST_VALUES = 8 };

enum { FEW = 15, LONG_HEAD = 5 };

/* Functions that return a pointer: where the next byte goes, or NULL if it is no row. */

/* An empty table is an array by agreement. */
static unsigned char *end_map(unsigned char *head, unsigned char *p, uint32_t pairs)
{
    if (pairs <= FEW) {
        *head = (unsigned char)(pairs == 0 ? 0x90 : 0x80 | pairs);
        return p;
    }
    memmove(head + LONG_HEAD, head + 1, (size_t)(p - head - 1));
    *head = 0xdf;
    luas__mp_put_4(head + 1, pairs);
    return p + LONG_HEAD - 1;
}

static unsigned char *put_map(lua_State *L, int index, unsigned char *head, unsigned char *end)
{
    uint32_t pairs = 0;
    unsigned char *p = head + 1;
    for (lua_pushnil(L); lua_next(L, index) != 0; lua_pop(L, 1)) {
        if ((p = luas__scalar_put_at(L, -2, p, end)) == NULL || (p = luas__scalar_put_at(L, -1, p, end)) == NULL) {
            lua_pop(L, 2);
            return NULL;
        }
        pairs++;
    }
    return end_map(head, p, pairs);
}

static unsigned char *put_array_head(unsigned char *p, uint32_t n)
{
    *p = n <= FEW ? (unsigned char)(0x90 | n) : 0xdc;
    return n <= FEW ? p + 1 : luas__mp_put_bytes(p + 1, n, 2);
}

/* Writes a table with border n as an array, if its keys are 1, 2, 3 and so on in this order. */
static unsigned char *put_array(lua_State *L, int index, uint32_t n, unsigned char *head,
                                unsigned char *end)
{
    lua_Integer i = 0;
    unsigned char *p = put_array_head(head, n);
    for (lua_pushnil(L); lua_next(L, index) != 0; lua_pop(L, 1)) {
        if (!lua_isinteger(L, -2) || lua_tointeger(L, -2) != ++i) {
            lua_pop(L, 2);
            return put_map(L, index, head, end);
        }
        if ((p = luas__scalar_put_at(L, -1, p, end)) == NULL) {
            lua_pop(L, 2);
            return NULL;
        }
    }
    assert(i == (lua_Integer)n);
    return p;
}

/* Writes the table at this index. Returns 1, or 0 if it is no row. */
static int put_row(lua_State *L, int index, luas__buffer *out)
{
    lua_Unsigned n = lua_rawlen(L, index);
    if (n > MOST_BYTES || luas__buffer_reserve(out, MOST_BYTES + LONG_HEAD) < 0)
        return 0;
    unsigned char *head = (unsigned char *)luas__buffer_end(out), *end = head + MOST_BYTES;
    end = n > 0 ? put_array(L, index, (uint32_t)n, head, end) : put_map(L, index, head, end);
    if (end == NULL)
        return 0;
    out->len += (size_t)(end - head);
    return 1;
}

/* Is it a plain table: without class, name and number, and not the globals? */
static int is_plain(lua_State *L, int index, const luas__landmarks *l, const luas__space *space)
{
    const void *address = lua_topointer(L, index);
    if (lua_getmetatable(L, index)) {
        lua_pop(L, 1);
        return 0;
    }
    return address != l->globals && luas__ptrmap_find(l->named, address) < 0
        && (space == NULL || luas__ptrmap_find(&space->numbers, address) < 0);
}

/* Is the value at this index the same as one before it? */
static int is_again(lua_State *L, int first, int index)
{
    while (first < index && !lua_rawequal(L, first, index))
        first++;
    return first < index;
}

int luas__encode_row_put(lua_State *L, int first, int count, const luas__landmarks *l,
                   const luas__space *space, luas__buffer *out)
{
    int rc = count <= MOST_VALUES;
    for (int i = first; i < first + count && rc > 0; i++)
        if (lua_istable(L, i))
            rc = is_plain(L, i, l, space) && !is_again(L, first, i) && put_row(L, i, out);
        else
            rc = luas__scalar_put(L, i, out, WIRE_MAX);
    return rc > 0;
}
