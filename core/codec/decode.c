/*
 * Bytes as values. Whatever a length claims, room is made ahead for no more
 * elements in all than the message has bytes.
 */
#include <limits.h>
#include <math.h>
#include <string.h>

#include "error.h"
#include "codec.h"
#include "decoder.h"
#include "value_format.h"

enum { SLOTS = 20, PHASE_KEY = 0, PHASE_VALUE };

int luas__decode_refuse(luas__decoder *d, const char *why)
{
    lua_pushfstring(d->L, "malformed message: %s at byte %I", why,
                    (LUAI_UACINT)(d->in.at - d->start));
    return LUAS_EPROTO;
}

static int fail(luas__decoder *d, int rc)
{
    lua_pushstring(d->L, luas_strerror(rc));
    return rc;
}

/* Frames. */

/* The first few are in the decoder itself; more are a userdata of Lua's. */
static void grow_frames(luas__decoder *d)
{
    luas__open *frames = lua_newuserdatauv(d->L, 2 * (size_t)d->capacity * sizeof *frames, 0);
    memcpy(frames, d->frames, d->depth * sizeof *frames);
    lua_replace(d->L, d->held + HELD_FRAMES);
    d->frames = frames;
    d->capacity *= 2;
}

int luas__decode_open(luas__decoder *d, luas__open_kind kind, int base, uint32_t limit, uint32_t number)
{
    if (d->depth >= WIRE_DEPTH || !lua_checkstack(d->L, SLOTS))
        return fail(d, LUAS_EDEEP);
    if (d->depth == d->capacity)
        grow_frames(d);
    luas__open *f = &d->frames[d->depth++];
    f->kind = (unsigned char)kind;
    f->phase = 0;
    f->base = base;
    f->count = 0;
    f->limit = limit;
    f->number = number;
    f->end = NULL;
    return OPENED;
}

uint32_t luas__decode_next_number(luas__decoder *d)
{
    return d->defining ? d->space->count++ : d->objects++;
}

void luas__decode_bind(luas__decoder *d, uint32_t number)
{
    if (d->defining) {
        luas__space_bind(d->L, d->space, d->held + HELD_OBJECTS, number);
    } else if (d->remembers) {
        lua_pushvalue(d->L, -1);
        lua_rawseti(d->L, d->held + HELD_OBJECTS, (lua_Integer)number + 1);
    }
}

/* Taking a value. */

enum { LONG = 2 };

/* The commonest forms, which need no look at their type: TAKEN; or LONG, any other. */
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

/* By the lead byte: no array, map or ext. */
static inline int is_scalar(unsigned char lead)
{
    if (lead < 0xc0)
        return lead < 0x80 || lead > 0x9f;
    return !(lead >= 0xc7 && lead <= 0xc9) && !(lead >= 0xd4 && lead <= 0xd8)
        && !(lead >= 0xdc && lead <= 0xdf);
}

/* Takes the elements before the first container, at most n: how many, or negative. */
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

/* Takes the pairs before the first that is no such field, at most n: how many, or negative. */
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

/* A table of n elements, each of at least `size` bytes: it needs a frame only for what is no scalar. */
static int open_table(luas__decoder *d, luas__open_kind kind, uint32_t n, size_t size)
{
    if (n > (size_t)(d->in.end - d->in.at) / size)
        return luas__decode_refuse(d, "more elements than bytes");
    size_t room = n < d->budget ? n : d->budget;
    int ahead = room > INT_MAX ? INT_MAX : (int)room;
    d->budget -= room;
    lua_createtable(d->L, kind == OPEN_ARRAY ? ahead : 0, kind == OPEN_MAP ? ahead : 0);
    uint32_t number = luas__decode_next_number(d);
    luas__decode_bind(d, number);
    int base = lua_gettop(d->L);
    int64_t taken = kind == OPEN_ARRAY ? take_elements(d, base, n) : take_fields(d, base, n);
    if (taken == n)
        return TAKEN;
    int rc = taken < 0 ? (int)taken : luas__decode_open(d, kind, base, n, number);
    if (rc == OPENED)
        luas__open_top(d)->count = (uint32_t)taken;
    return rc;
}

/* Any form but the commonest. */
static int take_token(luas__decoder *d)
{
    lua_State *L = d->L;
    luas__mp_token t;
    if (d->in.at == d->in.end)
        return luas__decode_refuse(d, "ends too early");
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
        return luas__decode_refuse(d, "ends too early, or no MessagePack,");
    switch (t.type) {
    case MP_NIL: lua_pushnil(L); break;
    case MP_BOOL: lua_pushboolean(L, (int)t.as.i); break;
    case MP_INT: lua_pushinteger(L, t.as.i); break;
    case MP_UINT: return luas__decode_refuse(d, "integer above 2^63 - 1");
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

/* Steps: TAKEN when the frame is done, OPENED when another is open, or negative. */

static int step_list(luas__decoder *d, luas__open *f)
{
    while (f->count < f->limit) {
        f->count++;
        int rc = take(d);
        if (rc != TAKEN)
            return rc;
    }
    return TAKEN;
}

static int step_array(luas__decoder *d, luas__open *f, int delivered)
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
        return luas__decode_refuse(d, "nil or NaN as a key");
    f->phase = PHASE_VALUE;
    return TAKEN;
}

static int step_map(luas__decoder *d, luas__open *f, int delivered)
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

static int step(luas__decoder *d, luas__open *f, int delivered)
{
    switch ((luas__open_kind)f->kind) {
    case OPEN_LIST: return step_list(d, f);
    case OPEN_ARRAY: return step_array(d, f, delivered);
    case OPEN_MAP: return step_map(d, f, delivered);
    case OPEN_OBJECT: return luas__decode_ext_object(d, f, delivered);
    case OPEN_PACKED: return luas__decode_ext_packed(d, f, delivered);
    case OPEN_FUNCTION: return luas__decode_ext_upvalues(d, f, delivered);
    }
    return LUAS_EINVAL;
}

/* Goes on until only `bottom` frames are open. */
static int run(luas__decoder *d, uint32_t bottom)
{
    int delivered = 0;
    while (d->depth > bottom) {
        int rc = step(d, luas__open_top(d), delivered);
        if (rc < 0)
            return rc;
        delivered = rc == TAKEN;
        d->depth -= (uint32_t)delivered;
    }
    return 0;
}

/* Takes `count` values, which are left at the top. */
static int take_list(luas__decoder *d, uint32_t count)
{
    uint32_t bottom = d->depth;
    int rc = luas__decode_open(d, OPEN_LIST, lua_gettop(d->L) + 1, count, 0);
    return rc < 0 ? rc : run(d, bottom);
}

int luas__decode_take_whole(luas__decoder *d)
{
    return take_list(d, 1);
}

/* From outside. */

void luas__decode_prepare(luas__decoder *d, lua_State *L, const char *bytes, size_t len,
                           int flags)
{
    d->L = L;
    d->start = d->in.at = (const unsigned char *)bytes;
    d->in.end = d->in.at + len;
    d->frames = d->at_hand;
    d->capacity = OPEN_AT_HAND;
    d->depth = 0;
    d->cells = NULL;
    d->cell_count = d->cell_capacity = d->objects = 0;
    d->budget = len;
    d->remembers = d->defining = 0;
    d->trusted = flags & LUAS__FUNCTIONS;
    d->space = NULL;
    d->space_index = d->held = 0;
    d->referred = -1;
}

int luas__decode_enter(luas__decoder *d, lua_State *L, int space)
{
    if (!lua_checkstack(L, HELD + SLOTS))
        return fail(d, LUAS_EDEEP);
    d->space = space == 0 ? NULL : luas__space_at(L, space);
    d->space_index = space;
    d->held = lua_gettop(L) + 1;
    lua_settop(L, lua_gettop(L) + HELD);
    if (d->remembers) {
        lua_newtable(L);
        lua_replace(L, d->held + HELD_OBJECTS);
    }
    return 0;
}

/* A message with references is an ext around the message proper. */
static int unwrap(luas__decoder *d)
{
    luas__mp_reader ahead = d->in;
    luas__mp_token t;
    if (ahead.at == ahead.end || *ahead.at < 0xc7 || *ahead.at > 0xd8)
        return 0;
    if (luas__mp_read(&ahead, &t) != 1 || t.type != MP_EXT || t.ext != WIRE_SHARED)
        return 0;
    if (ahead.at != ahead.end)
        return luas__decode_refuse(d, "bytes left over");
    d->in.at = (const unsigned char *)t.bytes;
    d->remembers = 1;
    return 0;
}

static int is_ext(unsigned char lead)
{
    return (lead >= 0xc7 && lead <= 0xc9) || (lead >= 0xd4 && lead <= 0xd8);
}

/* Plain values at the front need none of the rest: how many of `count` were taken, or negative. */
static int take_plain(luas__decoder *d, int count)
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

/* Puts the slots below the table whose frame take_plain left open, and goes on with it. */
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

/* The rest of the values, with slots below them while that lasts. */
static int take_others(luas__decoder *d, int count, int space)
{
    lua_State *L = d->L;
    int opened = (int)d->depth, rc = luas__decode_enter(d, L, space);
    if (rc == 0)
        rc = finish_opened(d);
    if (rc == 0)
        rc = take_list(d, (uint32_t)(count - opened));
    if (rc < 0)
        return rc;
    luas__decode_ext_set_pending(d);
    lua_rotate(L, d->held, count);
    lua_pop(L, HELD);
    return 0;
}

static int take_values(luas__decoder *d, int count, int space)
{
    if (!lua_checkstack(d->L, count + SLOTS))
        return fail(d, LUAS_ETOOBIG);
    int done = d->remembers ? 0 : take_plain(d, count), rc = done;
    if (done >= 0 && done < count)
        rc = take_others(d, count - done, space);
    if (rc >= 0 && d->in.at != d->in.end)
        rc = luas__decode_refuse(d, "bytes left over");
    return rc < 0 ? rc : count;
}

/* Of all that was pushed only the message stays. */
int luas__decode_keep_message(lua_State *L, int top, int rc)
{
    if (rc < 0) {
        lua_insert(L, top + 1);
        lua_settop(L, top + 1);
    }
    return rc;
}

/* The head of the outermost array: its length, or negative. */
static int take_head(luas__decoder *d)
{
    luas__mp_token t;
    int rc = luas__mp_read(&d->in, &t);
    if (rc != 1 || t.type != MP_ARRAY)
        return luas__decode_refuse(d, "not an array");
    if (t.len > (size_t)(d->in.end - d->in.at))
        return luas__decode_refuse(d, "more elements than bytes");
    return t.len > INT_MAX - SLOTS ? fail(d, LUAS_ETOOBIG) : (int)t.len;
}

/* A number of exactly these bytes. */
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
    luas__decode_prepare(&d, L, bytes, len, flags);
    int rc = unwrap(&d);
    if (rc == 0)
        rc = take_head(&d);
    if (rc >= 0)
        rc = take_values(&d, rc, space);
    return luas__decode_keep_message(L, top, rc);
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
    luas__decode_prepare(&d, L, bytes, len, flags);
    int rc = unwrap(&d);
    if (rc == 0)
        rc = take_values(&d, 1, space);
    return luas__decode_keep_message(L, top, rc);
}
