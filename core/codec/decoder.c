/* The base of the decoder: open containers, numbers of objects, messages. */
#include "decoder.h"

#include <string.h>

#include "codec.h"
#include "error.h"
#include "value_format.h"

enum { SLOTS = 20 };

int luas__decoder_refuse(luas__decoder *d, const char *why)
{
    lua_pushfstring(d->L, "malformed message: %s at byte %I", why,
                    (LUAI_UACINT)(d->in.at - d->start));
    return LUAS_EPROTO;
}

int luas__decoder_fail(luas__decoder *d, int rc)
{
    lua_pushstring(d->L, luas_strerror(rc));
    return rc;
}

/* The first few frames are in the decoder itself; more of them are in a userdata. */
static void grow_frames(luas__decoder *d)
{
    luas__open *frames = lua_newuserdatauv(d->L, 2 * (size_t)d->capacity * sizeof *frames, 0);
    memcpy(frames, d->frames, d->depth * sizeof *frames);
    lua_replace(d->L, d->held + HELD_FRAMES);
    d->frames = frames;
    d->capacity *= 2;
}

int luas__decoder_open(luas__decoder *d, luas__open_kind kind, int base, uint32_t limit, uint32_t number)
{
    if (d->depth >= WIRE_DEPTH || !lua_checkstack(d->L, SLOTS))
        return luas__decoder_fail(d, LUAS_EDEEP);
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

uint32_t luas__decoder_next_number(luas__decoder *d)
{
    return d->defining ? d->space->count++ : d->objects++;
}

void luas__decoder_bind(luas__decoder *d, uint32_t number)
{
    if (d->defining) {
        luas__space_bind(d->L, d->space, d->held + HELD_OBJECTS, number);
    } else if (d->remembers) {
        lua_pushvalue(d->L, -1);
        lua_rawseti(d->L, d->held + HELD_OBJECTS, (lua_Integer)number + 1);
    }
}

void luas__decoder_prepare(luas__decoder *d, lua_State *L, const char *bytes, size_t len,
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

int luas__decoder_enter(luas__decoder *d, lua_State *L, int space)
{
    if (!lua_checkstack(L, HELD + SLOTS))
        return luas__decoder_fail(d, LUAS_EDEEP);
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

/* Removes everything that was pushed, except the message. */
int luas__decoder_keep_message(lua_State *L, int top, int rc)
{
    if (rc < 0) {
        lua_insert(L, top + 1);
        lua_settop(L, top + 1);
    }
    return rc;
}
