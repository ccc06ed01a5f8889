/* Decodes values: the loop over open containers, and the functions called from outside. */
#include <limits.h>
#include <string.h>

#include "error.h"
#include "codec.h"
#include "decoder.h"
#include "value_format.h"

enum { SLOTS = 20 };

static int step(luas__decoder *d, luas__open *f, int delivered)
{
    switch ((luas__open_kind)f->kind) {
    case OPEN_LIST: return luas__decode_take_list(d, f);
    case OPEN_ARRAY: return luas__decode_take_array(d, f, delivered);
    case OPEN_MAP: return luas__decode_take_map(d, f, delivered);
    case OPEN_OBJECT: return luas__decode_object(d, f, delivered);
    case OPEN_PACKED: return luas__decode_object_packed(d, f, delivered);
    case OPEN_FUNCTION: return luas__decode_object_upvalues(d, f, delivered);
    }
    return LUAS_EINVAL;
}

/* Goes on until only `bottom` frames are open. */
static int run(luas__decoder *d, uint32_t bottom)
{
    int delivered = 0;
    while (d->depth > bottom) {
        int rc = step(d, luas__decoder_top(d), delivered);
        if (rc < 0)
            return rc;
        delivered = rc == TAKEN;
        d->depth -= (uint32_t)delivered;
    }
    return 0;
}

/* Takes `count` values and leaves them at the top. */
static int take_list(luas__decoder *d, uint32_t count)
{
    uint32_t bottom = d->depth;
    int rc = luas__decoder_open(d, OPEN_LIST, lua_gettop(d->L) + 1, count, 0);
    return rc < 0 ? rc : run(d, bottom);
}

int luas__decode_take_whole(luas__decoder *d)
{
    return take_list(d, 1);
}

/* A message with references is wrapped into an ext. */
static int unwrap(luas__decoder *d)
{
    luas__mp_reader ahead = d->in;
    luas__mp_token t;
    if (ahead.at == ahead.end || *ahead.at < 0xc7 || *ahead.at > 0xd8)
        return 0;
    if (luas__mp_read(&ahead, &t) != 1 || t.type != MP_EXT || t.ext != WIRE_SHARED)
        return 0;
    if (ahead.at != ahead.end)
        return luas__decoder_refuse(d, "bytes left over");
    d->in.at = (const unsigned char *)t.bytes;
    d->remembers = 1;
    return 0;
}

/* Inserts the slots below the table whose frame take_plain has left open, and goes on with it. */
static int finish_opened(luas__decoder *d)
{
    if (d->depth == 0)
        return 0;
    int base = d->frames[0].base;
    lua_rotate(d->L, base, HELD);
    d->held = base;
    d->frames[0].base += HELD;
    return run(d, 0);
}

/* Takes the other values. The slots are below them meanwhile. */
static int take_others(luas__decoder *d, int count, int space)
{
    lua_State *L = d->L;
    int opened = (int)d->depth, rc = luas__decoder_enter(d, L, space);
    if (rc == 0)
        rc = finish_opened(d);
    if (rc == 0)
        rc = take_list(d, (uint32_t)(count - opened));
    if (rc < 0)
        return rc;
    luas__decode_class_set_complete(d);
    lua_rotate(L, d->held, count);
    lua_pop(L, HELD);
    return 0;
}

static int take_values(luas__decoder *d, int count, int space)
{
    if (!lua_checkstack(d->L, count + SLOTS))
        return luas__decoder_fail(d, LUAS_ETOOBIG);
    int done = d->remembers ? 0 : luas__decode_take_plain(d, count), rc = done;
    if (done >= 0 && done < count)
        rc = take_others(d, count - done, space);
    if (rc >= 0 && d->in.at != d->in.end)
        rc = luas__decoder_refuse(d, "bytes left over");
    return rc < 0 ? rc : count;
}

/* Takes the head of the outermost array. Returns its length, or negative. */
static int take_head(luas__decoder *d)
{
    luas__mp_token t;
    int rc = luas__mp_read(&d->in, &t);
    if (rc != 1 || t.type != MP_ARRAY)
        return luas__decoder_refuse(d, "not an array");
    if (t.len > (size_t)(d->in.end - d->in.at))
        return luas__decoder_refuse(d, "more elements than bytes");
    return t.len > INT_MAX - SLOTS ? luas__decoder_fail(d, LUAS_ETOOBIG) : (int)t.len;
}

/* Pushes the number that these bytes are, if they are exactly one number. */
static int take_number(lua_State *L, const unsigned char *p, size_t len)
{
    double number;
    if (len == 1 && *p < 0x80) {
        lua_pushinteger(L, *p);
    } else if (*p >= 0xcc && *p <= 0xce && len == 1 + ((size_t)1 << (*p - 0xcc))) {
        lua_pushinteger(L, (lua_Integer)luas__mp_get_bytes(p + 1, len - 1));
    } else if (*p == 0xcf && len == LUAS__MP_NUMBER && p[1] < 0x80) {
        lua_pushinteger(L, (lua_Integer)luas__mp_get_bytes(p + 1, 8));
    } else if (*p == 0xcb && len == LUAS__MP_NUMBER) {
        uint64_t bits = luas__mp_get_bytes(p + 1, 8);
        memcpy(&number, &bits, sizeof number);
        lua_pushnumber(L, number);
    } else {
        return 0;
    }
    return 1;
}

static int decode_array(lua_State *L, const char *bytes, size_t len, int space, int flags)
{
    luas__decoder d;
    int top = lua_gettop(L);
    luas__decoder_prepare(&d, L, bytes, len, flags);
    int rc = unwrap(&d);
    if (rc == 0)
        rc = take_head(&d);
    if (rc >= 0)
        rc = take_values(&d, rc, space);
    return luas__decoder_keep_message(L, top, rc);
}

bool luas__decode_number(lua_State *L, const char *bytes, size_t len)
{
    return len >= 2 && len <= 1 + LUAS__MP_NUMBER && (unsigned char)*bytes == LUAS__MP_ALONE
        && take_number(L, (const unsigned char *)bytes + 1, len - 1);
}

int luas__decode(lua_State *L, const char *bytes, size_t len, int space, int flags)
{
    return luas__decode_number(L, bytes, len) ? 1 : decode_array(L, bytes, len, space, flags);
}

int luas__decode_value(lua_State *L, const char *bytes, size_t len, int space, int flags)
{
    luas__decoder d;
    int top = lua_gettop(L);
    luas__decoder_prepare(&d, L, bytes, len, flags);
    int rc = unwrap(&d);
    if (rc == 0)
        rc = take_values(&d, 1, space);
    return luas__decoder_keep_message(L, top, rc);
}
