/* Continues and completes objects, packed values and functions. */
#include <string.h>

#include "error.h"
#include "decoder.h"
#include "describe.h"
#include "names.h"
#include "stop.h"
#include "user_calls.h"
#include "value_format.h"

enum { PHASE_CONTENT, PHASE_CLASS, PHASE_END, FIRST_CELLS = 16, SLOTS = 20 };

static int end_ext(luas__decoder *d, const luas__open *f)
{
    return d->in.at == f->end ? TAKEN : luas__decoder_refuse(d, "extension of another length");
}

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

/* Expects [object, class]; pops the class. If the class is not complete it is set later: it may
   still get a __gc. */
static void set_class(luas__decoder *d, int64_t number)
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
    lua_Integer n = (lua_Integer)lua_rawlen(L, pending);
    lua_rawseti(L, pending, n + 1);
    lua_pushvalue(L, -1);
    lua_rawseti(L, pending, n + 2);
}

void luas__decode_object_set_pending(luas__decoder *d)
{
    lua_State *L = d->L;
    int pending = d->held + HELD_PENDING;
    if (lua_isnil(L, pending))
        return;
    lua_Integer n = (lua_Integer)lua_rawlen(L, pending);
    for (lua_Integer i = 1; i < n; i += 2) {
        lua_rawgeti(L, pending, i + 1);
        lua_rawgeti(L, pending, i);
        lua_setmetatable(L, -2);
        lua_pop(L, 1);
    }
    lua_pushnil(L);
    lua_replace(L, pending);
}

/* The next value must be a table of this message. */
static int next_is_table(const luas__decoder *d)
{
    unsigned lead = d->in.at == d->in.end ? 0 : *d->in.at;
    return (lead >= 0x80 && lead <= 0x9f) || (lead >= 0xdc && lead <= 0xdf);
}

/*
 * Sets the value of an upvalue as soon as the value exists, not when it is complete. Before that a
 * __luas_unpack inside the value may be called, and share the upvalue.
 */
static void set_upvalue_early(luas__decoder *d, const luas__open *parent)
{
    const luas__open *child = luas__decoder_top(d);
    if (parent->kind != OPEN_FUNCTION || child->kind == OPEN_OBJECT || child->kind == OPEN_PACKED)
        return;
    lua_pushvalue(d->L, child->base);
    lua_setupvalue(d->L, parent->base, (int)parent->count);
}

/* Takes the class of an object or packed values; `delivered`: it is there. */
static int take_class(luas__decoder *d, luas__open *f, int delivered)
{
    d->referred = -1;
    if (!delivered) {
        f->phase = PHASE_END;
        int rc = luas__decode_take(d);
        if (rc != TAKEN)
            return rc;
    }
    return lua_istable(d->L, -1) ? end_ext(d, f) : luas__decoder_refuse(d, "metatable that is no table");
}

int luas__decode_object(luas__decoder *d, luas__open *f, int delivered)
{
    int rc = TAKEN;
    if (f->phase == PHASE_CONTENT) {
        if (!delivered) {
            if (!next_is_table(d))
                return luas__decoder_refuse(d, "object that is no table");
            rc = luas__decode_take(d);
            if (rc == OPENED)
                set_upvalue_early(d, &d->frames[d->depth - 3]);
            if (rc != TAKEN)
                return rc;
        }
        f->phase = PHASE_CLASS;
        delivered = 0;
    }
    rc = take_class(d, f, delivered);
    if (rc == TAKEN)
        set_class(d, d->referred);
    return rc;
}

/* Expects [values..., class] from base; leaves the object there. */
static int unpack(luas__decoder *d, const luas__open *f)
{
    lua_State *L = d->L;
    lua_pushliteral(L, "__luas_unpack");
    lua_rawget(L, -2);
    lua_remove(L, -2);
    if (!lua_isfunction(L, -1)) {
        lua_pushliteral(L, "a class has no __luas_unpack here");
        return LUAS_EUNSENT;
    }
    lua_insert(L, f->base);
    luas__user_calls_note(L);
    if (lua_pcall(L, (int)f->limit, 1, 0) != LUA_OK) {
        if (luas__stop_is(L, -1))
            return lua_error(L);
        if (!luas__describe_error(L, lua_gettop(L)))
            return lua_error(L);
        lua_pushfstring(L, "__luas_unpack: %s", lua_tostring(L, -1));
        return LUAS_EUNSENT;
    }
    if (lua_isnil(L, -1)) {
        lua_pushliteral(L, "__luas_unpack returned nil");
        return LUAS_EUNSENT;
    }
    luas__decoder_bind(d, f->number);
    return TAKEN;
}

int luas__decode_object_packed(luas__decoder *d, luas__open *f, int delivered)
{
    while (f->phase == PHASE_CONTENT) {
        if (f->count == f->limit) {
            f->phase = PHASE_CLASS;
            delivered = 0;
            break;
        }
        f->count++;
        int rc = luas__decode_take(d);
        if (rc != TAKEN)
            return rc;
    }
    int rc = take_class(d, f, delivered);
    return rc == TAKEN ? unpack(d, f) : rc;
}

static void remember_cell(luas__decoder *d, uint32_t function, int index)
{
    if (d->cell_count == d->cell_capacity) {
        uint32_t capacity = d->cell_capacity == 0 ? FIRST_CELLS : d->cell_capacity * 2;
        luas__cell *cells = lua_newuserdatauv(d->L, capacity * sizeof *cells, 0);
        if (d->cell_count > 0)
            memcpy(cells, d->cells, d->cell_count * sizeof *cells);
        lua_replace(d->L, d->held + HELD_CELLS);
        d->cells = cells;
        d->cell_capacity = capacity;
    }
    d->cells[d->cell_count++] = (luas__cell){function, index};
}

static int next_is_shared(const luas__decoder *d)
{
    const unsigned char *p = d->in.at;
    return d->in.end - p >= 2 && *p >= 0xd4 && *p <= 0xd6
        && (p[1] == WIRE_CELL || p[1] == WIRE_UPVALUE);
}

/* Pushes the function that has the cell of this number. *index says which of its upvalues it
   is. */
static int push_owner(luas__decoder *d, uint32_t number, int *index)
{
    if (number >= d->cell_count)
        return luas__decoder_refuse(d, "upvalue that is not there");
    *index = d->cells[number].index;
    return luas__decode_ext_remembered(d, d->cells[number].function);
}

/* The same for a function of the space. */
static int push_space_owner(luas__decoder *d, uint32_t number, int *index)
{
    *index = (int)(number & UINT8_MAX);
    int rc = luas__decode_ext_space_object(d, number >> 8);
    if (rc < 0)
        return rc;
    if (!lua_isfunction(d->L, -1) || lua_iscfunction(d->L, -1)
        || lua_getupvalue(d->L, -1, *index) == NULL)
        return luas__decoder_refuse(d, "upvalue that is not there");
    lua_pop(d->L, 1);
    return TAKEN;
}

/* Joins an upvalue of the function at base with that of an earlier function. */
static int join_upvalue(luas__decoder *d, luas__open *f)
{
    luas__mp_token t;
    uint32_t number;
    int index = 0;
    if (luas__mp_read(&d->in, &t) != 1)
        return luas__decoder_refuse(d, "ends too early");
    int rc = luas__decode_ext_number(d, &t, &number);
    if (rc == 0)
        rc = t.ext == WIRE_CELL ? push_owner(d, number, &index)
                                : push_space_owner(d, number, &index);
    if (rc < 0)
        return rc;
    lua_upvaluejoin(d->L, f->base, (int)f->count, -1, index);
    lua_pop(d->L, 1);
    return TAKEN;
}

static int take_upvalue(luas__decoder *d, luas__open *f)
{
    if (next_is_shared(d))
        return join_upvalue(d, f);
    int base = f->base, i = (int)f->count;
    remember_cell(d, f->number, i);
    int rc = luas__decode_take(d);
    if (rc == TAKEN)
        lua_setupvalue(d->L, base, i);
    else if (rc == OPENED)
        set_upvalue_early(d, &d->frames[d->depth - 2]);
    return rc;
}

int luas__decode_object_upvalues(luas__decoder *d, luas__open *f, int delivered)
{
    if (delivered)
        lua_setupvalue(d->L, f->base, (int)f->count);
    while (f->count < f->limit) {
        f->count++;
        int rc = take_upvalue(d, f);
        if (rc != TAKEN)
            return rc;
    }
    return end_ext(d, f);
}
