/*
 * Takes values one after the other. A length is not trusted: in all, room is made ahead for no
 * more elements than the message has bytes.
 */
#include <limits.h>
#include <math.h>

#include "decoder.h"
#include "value_format.h"

enum { PHASE_KEY = 0, PHASE_VALUE };

/* The other result of take_common. */
enum { LONG = 2 };

/* Takes a value in one of the commonest forms: TAKEN. For any other form it returns LONG. */
static inline int take_common(luas__decoder *d)
{
    const unsigned char *p = d->in.at;
    size_t left = (size_t)(d->in.end - p);
    if (left == 0)
        return LONG;
    if (*p < 0x80) {
        lua_pushinteger(d->L, (lua_Integer)*p);
        d->in.at = p + 1;
        return TAKEN;
    }
    if ((*p & 0xe0) == 0xa0 && (*p & 0x1fU) < left) {
        lua_pushlstring(d->L, (const char *)p + 1, *p & 0x1fU);
        d->in.at = p + 1 + (*p & 0x1fU);
        return TAKEN;
    }
    if (*p >= 0xcc && *p <= 0xcd && left > 2) {
        int size = *p - 0xcb;
        lua_pushinteger(d->L, (lua_Integer)luas__mp_get_bytes(p + 1, (size_t)size));
        d->in.at = p + 1 + size;
        return TAKEN;
    }
    return LONG;
}

static int take_token(luas__decoder *d);

static inline int take(luas__decoder *d)
{
    int rc = take_common(d);
    return rc == TAKEN ? rc : take_token(d);
}

/* Does this lead byte begin a scalar: no array, map or ext? */
static inline int is_scalar(unsigned char lead)
{
    if (lead < 0xc0)
        return lead < 0x80 || lead > 0x9f;
    return !(lead >= 0xc7 && lead <= 0xc9) && !(lead >= 0xd4 && lead <= 0xd8)
        && !(lead >= 0xdc && lead <= 0xdf);
}

/* Takes the elements before the first container, at most n. Returns how many, or negative. */
static int64_t take_elements(luas__decoder *d, int base, uint32_t n)
{
    uint32_t i = 0;
    while (i < n && d->in.at < d->in.end && is_scalar(*d->in.at)) {
        int rc = take(d);
        if (rc < 0)
            return rc;
        lua_rawseti(d->L, base, ++i);
    }
    return i;
}

/* Is a pair of a short string and a scalar next? */
static inline int has_field(const luas__decoder *d)
{
    const unsigned char *p = d->in.at;
    size_t left = (size_t)(d->in.end - p);
    return left > 0 && (*p & 0xe0) == 0xa0 && (*p & 0x1fU) + 1 < left
        && is_scalar(p[1 + (*p & 0x1f)]);
}

/* Takes pairs of a short string and a scalar, at most n, up to the first other pair. Returns
   how many, or negative. */
static int64_t take_fields(luas__decoder *d, int base, uint32_t n)
{
    uint32_t i = 0;
    for (; i < n && has_field(d); i++) {
        size_t len = *d->in.at & 0x1f;
        lua_pushlstring(d->L, (const char *)d->in.at + 1, len);
        d->in.at += 1 + len;
        int rc = take(d);
        if (rc < 0)
            return rc;
        lua_rawset(d->L, base);
    }
    return i;
}

/* Takes a table of n elements of at least `size` bytes each. It needs a frame only if some
   element is no scalar. */
static int open_table(luas__decoder *d, luas__open_kind kind, uint32_t n, size_t size)
{
    if (n > (size_t)(d->in.end - d->in.at) / size)
        return luas__decoder_refuse(d, "more elements than bytes");
    size_t room = n < d->budget ? n : d->budget;
    int ahead = room > INT_MAX ? INT_MAX : (int)room;
    d->budget -= room;
    lua_createtable(d->L, kind == OPEN_ARRAY ? ahead : 0, kind == OPEN_MAP ? ahead : 0);
    uint32_t number = luas__decoder_next_number(d);
    luas__decoder_bind(d, number);
    int base = lua_gettop(d->L);
    int64_t taken = kind == OPEN_ARRAY ? take_elements(d, base, n) : take_fields(d, base, n);
    if (taken == n)
        return TAKEN;
    int rc = taken < 0 ? (int)taken : luas__decoder_open(d, kind, base, n, number);
    if (rc == OPENED)
        luas__decoder_top(d)->count = (uint32_t)taken;
    return rc;
}

/* Takes a value in any other form. */
static int take_token(luas__decoder *d)
{
    lua_State *L = d->L;
    luas__mp_token t;
    if (d->in.at == d->in.end)
        return luas__decoder_refuse(d, "ends too early");
    unsigned lead = *d->in.at;
    if (lead <= 0x9f) {
        d->in.at++;
        return lead >= 0x90 ? open_table(d, OPEN_ARRAY, lead & 0xf, 1)
                            : open_table(d, OPEN_MAP, lead & 0xf, 2);
    }
    if (lead == 0xcb && d->in.end - d->in.at > 8) {
        lua_pushnumber(L, luas__mp_get_double(d->in.at + 1));
        d->in.at += 9;
        return TAKEN;
    }
    if (luas__mp_read(&d->in, &t) != 1)
        return luas__decoder_refuse(d, "ends too early, or no MessagePack,");
    switch (t.type) {
    case MP_NIL: lua_pushnil(L); break;
    case MP_BOOL: lua_pushboolean(L, (int)t.as.i); break;
    case MP_INT: lua_pushinteger(L, t.as.i); break;
    case MP_UINT: return luas__decoder_refuse(d, "integer above 2^63 - 1");
    case MP_DOUBLE: lua_pushnumber(L, t.as.d); break;
    case MP_STR: case MP_BIN: lua_pushlstring(L, t.bytes, t.len); break;
    case MP_ARRAY: return open_table(d, OPEN_ARRAY, t.len, 1);
    case MP_MAP: return open_table(d, OPEN_MAP, t.len, 2);
    case MP_EXT: return luas__decode_ext_take(d, &t);
    }
    return TAKEN;
}

int luas__decode_take(luas__decoder *d)
{
    return take(d);
}

/* Steps. */

int luas__decode_take_list(luas__decoder *d, luas__open *f)
{
    while (f->count < f->limit) {
        f->count++;
        int rc = take(d);
        if (rc != TAKEN)
            return rc;
    }
    return TAKEN;
}

int luas__decode_take_array(luas__decoder *d, luas__open *f, int delivered)
{
    lua_State *L = d->L;
    int base = f->base;
    if (delivered)
        lua_rawseti(L, base, f->count);
    while (f->count < f->limit) {
        f->count++;
        int rc = take(d);
        if (rc != TAKEN)
            return rc;
        lua_rawseti(L, base, f->count);
    }
    return TAKEN;
}

static int is_key(lua_State *L)
{
    switch (lua_type(L, -1)) {
    case LUA_TNIL: return 0;
    case LUA_TNUMBER: return !isnan(lua_tonumber(L, -1));
    default: return 1;
    }
}

/* Takes the key of the next pair, or goes on with the one delivered. */
static int take_key(luas__decoder *d, luas__open *f, int delivered)
{
    if (!delivered) {
        f->count++;
        int rc = take(d);
        if (rc != TAKEN)
            return rc;
    }
    if (!is_key(d->L))
        return luas__decoder_refuse(d, "nil or NaN as a key");
    f->phase = PHASE_VALUE;
    return TAKEN;
}

int luas__decode_take_map(luas__decoder *d, luas__open *f, int delivered)
{
    for (;; delivered = 0) {
        int rc = TAKEN;
        if (f->phase == PHASE_KEY) {
            if (!delivered && f->count == f->limit)
                return TAKEN;
            rc = take_key(d, f, delivered);
            if (rc != TAKEN)
                return rc;
            rc = take(d);
        } else if (!delivered) {
            rc = take(d);
        }
        if (rc != TAKEN)
            return rc;
        lua_rawset(d->L, f->base);
        f->phase = PHASE_KEY;
    }
}

static int is_ext(unsigned char lead)
{
    return (lead >= 0xc7 && lead <= 0xc9) || (lead >= 0xd4 && lead <= 0xd8);
}

int luas__decode_take_plain(luas__decoder *d, int count)
{
    int done = 0, rc = TAKEN;
    while (done < count && rc == TAKEN) {
        if (d->in.at < d->in.end && is_ext(*d->in.at))
            return done;
        rc = take(d);
        done += rc == TAKEN;
    }
    return rc < 0 ? rc : done;
}
