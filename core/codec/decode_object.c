/* Continues and completes objects, packed values and functions. */
#include <string.h>

#include "error.h"
#include "decoder.h"
#include "settings.h"
#include "value_format.h"

enum { PHASE_CONTENT, PHASE_CLASS, PHASE_END, FIRST_CELLS = 16, KEPT_BYTES = 8 };

static int end_ext(luas__decoder *d, const luas__open *f)
{
    return d->in.at == f->end ? TAKEN : luas__decoder_refuse(d, "extension of another length");
}

/* The next value must be a table of this message. */
static int next_is_table(const luas__decoder *d)
{
    unsigned lead = d->in.at == d->in.end ? 0 : *d->in.at;
    return (lead >= 0x80 && lead <= 0x9f) || (lead >= 0xdc && lead <= 0xdf);
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
            if (rc != TAKEN)
                return rc;
        }
        f->phase = PHASE_CLASS;
        delivered = 0;
    }
    rc = take_class(d, f, delivered);
    if (rc == TAKEN)
        luas__decode_class_set(d, d->referred);
    return rc;
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
    return rc == TAKEN ? luas__decode_unpack_take(d, f, d->referred) : rc;
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
    if (d->in.end - p >= 2 + KEPT_BYTES && *p == 0xd7 && p[1] == WIRE_KEPT)
        return luas__settings_upvalue(luas__mp_get_8(p + 2)) != 0;
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

/* Has the function at the top this upvalue? */
static int check_owner(luas__decoder *d, int index)
{
    if (!lua_isfunction(d->L, -1) || lua_iscfunction(d->L, -1)
        || lua_getupvalue(d->L, -1, index) == NULL)
        return luas__decoder_refuse(d, "upvalue that is not there");
    lua_pop(d->L, 1);
    return TAKEN;
}

/* The same for a function that was inherited. */
static int push_kept_owner(luas__decoder *d, const luas__mp_token *t, int *index)
{
    if (!d->trusted)
        return luas__decoder_refuse(d, "code from one who is not trusted");
    int rc = luas__decode_ext_kept(d, t, index);
    return rc < 0 ? rc : check_owner(d, *index);
}

/* The same for a function of the space. */
static int push_space_owner(luas__decoder *d, uint32_t number, int *index)
{
    *index = (int)(number & UINT8_MAX);
    int rc = luas__decode_ext_space_object(d, number >> 8);
    return rc < 0 ? rc : check_owner(d, *index);
}

/* Joins an upvalue of the function at base with that of an earlier function. */
static int join_upvalue(luas__decoder *d, luas__open *f)
{
    luas__mp_token t;
    uint32_t number = 0;
    int index = 0;
    if (luas__mp_read(&d->in, &t) != 1)
        return luas__decoder_refuse(d, "ends too early");
    int rc = t.ext == WIRE_KEPT ? push_kept_owner(d, &t, &index)
                                : luas__decode_ext_number(d, &t, &number);
    if (rc == 0 && t.ext != WIRE_KEPT)
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
