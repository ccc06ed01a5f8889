/*
 * Encodes the content of a table, as an array or a map. Most tables hold only scalars and are
 * written at once. A table becomes a frame at the first container inside.
 */
#include "encoder.h"
#include "names.h"

/* How far a table was written: to its first container, or to its end. NO_ARRAY: not at all. */
enum { MIXED, DONE, NO_ARRAY };

enum { FEW = 15, WIDER = 4 };

/* Arrays. */

/* Does no key follow key n of the table at this index? Then its keys are 1..n, if there is no
   hole and no other key comes before. */
static int is_last(lua_State *L, int index, lua_Unsigned n)
{
    lua_pushinteger(L, (lua_Integer)n);
    if (lua_next(L, index) == 0)
        return 1;
    lua_pop(L, 2);
    return 0;
}

static int is_key(lua_State *L, int index, uint32_t i)
{
    return lua_isinteger(L, index) && lua_tointeger(L, index) == (lua_Integer)i;
}

/* Writes the elements up to the first container, and pushes that with its key. */
static int put_elements(luas__encoder *e, luas__container *f)
{
    lua_State *L = e->L;
    uint32_t i = 0;
    while (lua_next(L, f->base) != 0) {
        if (i++ == f->limit || !is_key(L, -2, i)) {
            lua_pop(L, 2);
            return NO_ARRAY;
        }
        int rc = luas__scalar_put(L, -1, e->out, e->most);
        if (rc <= 0) {
            f->count = i;
            return rc < 0 ? rc : MIXED;
        }
        if (e->out->len > e->pause && (rc = luas__container_pause(e)) < 0)
            return rc;
        lua_pop(L, 1);
    }
    return i == f->limit ? DONE : NO_ARRAY;
}

/* Expects [key i, value] at the top. Are the keys after i exactly those up to limit, in order?
   May leave more values there. */
static int rest_in_order(lua_State *L, const luas__container *f, uint32_t i)
{
    lua_pushvalue(L, -2);
    while (lua_next(L, f->base) != 0) {
        lua_pop(L, 1);
        if (i++ == f->limit || !is_key(L, -1, i))
            return 0;
    }
    return i == f->limit;
}

int luas__encode_table_array(luas__encoder *e, luas__container *f)
{
    lua_State *L = e->L;
    while (f->count < f->limit) {
        int type = lua_rawgeti(L, f->base, ++f->count);
        if (type == LUA_TTABLE)
            return ENCODE_ITEM;
        if (type == LUA_TNIL) /* in a weak table, collected for want of memory */
            return luas__encode_path_unsent(e, "table changed while it was encoded");
        int rc = luas__scalar_put(L, -1, e->out, e->most);
        if (rc <= 0)
            return rc < 0 ? rc : ENCODE_ITEM;
        if (e->out->len > e->pause && (rc = luas__container_pause(e)) < 0)
            return rc;
        lua_pop(L, 1);
    }
    luas__container_close(e);
    return 0;
}

/* Begins the table at `base` as an array, if it can be one. */
static int begin_array(luas__encoder *e, luas__container *f)
{
    lua_Unsigned n = lua_rawlen(e->L, f->base);
    if (n == 0 || n > UINT32_MAX || !is_last(e->L, f->base, n))
        return NO_ARRAY;
    /* Each element takes at least one byte: with too many there is no need to look. */
    if (n > e->most || e->out->len > e->most - n || luas__container_is_long(e, n))
        return LUAS_ETOOBIG;
    f->kind = CONTAINER_ARRAY;
    f->limit = (uint32_t)n;
    int rc = luas__mp_write_array(e->out, f->limit);
    lua_pushnil(e->L);
    return rc < 0 ? rc : put_elements(e, f);
}

/* A container takes a number. So the table must be known to be an array before its first
   container is begun. */
static int keep_array(luas__encoder *e, luas__container *f)
{
    int ordered = rest_in_order(e->L, f, f->count);
    lua_settop(e->L, f->base);
    if (!ordered)
        return NO_ARRAY;
    f->count--;
    return luas__container_push(e, f);
}

/* Maps. */

/* Writes the pairs up to the first with a container, and pushes that. The phase says whether it
   is the key or the value. */
static int put_pairs(luas__encoder *e, luas__container *f)
{
    lua_State *L = e->L;
    while (lua_next(L, f->base) != 0) {
        f->count++;
        int rc = luas__scalar_put(L, -2, e->out, e->most), phase = PHASE_KEY;
        if (rc > 0) {
            rc = luas__scalar_put(L, -1, e->out, e->most);
            phase = PHASE_VALUE;
        }
        if (rc <= 0) {
            f->phase = (unsigned char)phase;
            return rc < 0 ? rc : MIXED;
        }
        if (e->out->len > e->pause && (rc = luas__container_pause(e)) < 0)
            return rc;
        lua_pop(L, 1);
    }
    return DONE;
}

/* Copies the pairs that are left. */
static void copy_pairs(lua_State *L, const luas__container *f)
{
    int copy = lua_gettop(L) + 1, key = f->base + 1, is_left = 0;
    lua_newtable(L);
    for (lua_pushnil(L); lua_next(L, f->base) != 0;) {
        int is_under_way = lua_rawequal(L, -2, key);
        if (is_left) {
            lua_pushvalue(L, -2);
            lua_insert(L, -2);
            lua_rawset(L, copy);
        } else {
            lua_pop(L, 1);
        }
        is_left |= is_under_way;
    }
}

static void copy_elements(lua_State *L, const luas__container *f)
{
    lua_createtable(L, (int)f->limit, 0);
    for (lua_Integer i = (lua_Integer)f->count + 1; i <= f->limit; i++) {
        lua_rawgeti(L, f->base, i);
        lua_rawseti(L, -2, i);
    }
}

void luas__encode_table_copy_rest(lua_State *L, luas__container *f)
{
    if (f->kind == CONTAINER_ARRAY)
        copy_elements(L, f);
    else
        copy_pairs(L, f);
    lua_replace(L, f->base);
}

static int end_map(luas__encoder *e, luas__container *f)
{
    luas__container_map_close(e, f->head, f->count);
    luas__container_close(e);
    return 0;
}

int luas__encode_table_map(luas__encoder *e, luas__container *f)
{
    if (f->phase == PHASE_PAIRS) {
        if (f->table == TABLE_COPY) {
            lua_pushnil(e->L);
            lua_replace(e->L, f->base + 1);
            f->table = TABLE_COPY_BEGUN;
        }
        int rc = put_pairs(e, f);
        if (rc != MIXED)
            return rc < 0 ? rc : end_map(e, f);
    }
    if (f->phase == PHASE_KEY) {
        f->phase = PHASE_VALUE;
        lua_pushvalue(e->L, -2);
    } else {
        f->phase = PHASE_PAIRS;
    }
    return ENCODE_ITEM;
}

/* Replaces the head of one byte by one that holds any count. */
static int widen_head(luas__encoder *e, const luas__container *f)
{
    if (luas__buffer_reserve(e->out, WIDER) < 0)
        return LUAS_ENOMEM;
    char *content = luas__buffer_bytes(e->out) + f->head + 1;
    memmove(content + WIDER, content, e->out->len - f->head - 1);
    e->out->len += WIDER;
    return 0;
}

/* By agreement an empty table is an array. It was begun as a map, which saves looking into it. */
static int end_head(luas__encoder *e, const luas__container *f)
{
    if (f->count > FEW) {
        int rc = widen_head(e, f);
        if (rc == 0)
            luas__container_map_close(e, f->head, f->count);
        return rc < 0 ? rc : DONE;
    }
    luas__buffer_bytes(e->out)[f->head] = (char)(f->count == 0 ? 0x90 : 0x80 | f->count);
    return DONE;
}

/* Begins the table at `base` as a map, even if it was begun as an array. */
static int begin_map(luas__encoder *e, luas__container *f)
{
    if (f->kind == CONTAINER_ARRAY) {
        luas__buffer_truncate(e->out, f->head);
        f->count = f->limit = 0;
    }
    f->kind = CONTAINER_MAP;
    if (luas__buffer_reserve(e->out, 1) < 0)
        return LUAS_ENOMEM;
    e->out->len++;
    lua_pushnil(e->L);
    int rc = put_pairs(e, f);
    return rc == DONE ? end_head(e, f) : rc;
}

static int keep_map(luas__encoder *e, luas__container *f)
{
    int rc = widen_head(e, f);
    return rc < 0 ? rc : luas__container_push(e, f);
}

int luas__encode_table_content(luas__encoder *e)
{
    luas__container f = {.base = lua_gettop(e->L), .head = e->out->len};
    int rc = begin_array(e, &f);
    if (rc == MIXED)
        rc = keep_array(e, &f);
    else if (rc == DONE)
        lua_settop(e->L, f.base - 1);
    if (rc != NO_ARRAY)
        return rc < 0 ? rc : 0;
    rc = begin_map(e, &f);
    if (rc == MIXED)
        return keep_map(e, &f);
    lua_settop(e->L, f.base - 1);
    return rc < 0 ? rc : 0;
}
