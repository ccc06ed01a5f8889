/* What MessagePack lacks, read back: references, objects, functions and names. */
#include <string.h>

#include "error.h"
#include "decoder.h"
#include "describe.h"
#include "bytecode.h"
#include "names.h"
#include "user_calls.h"
#include "value_format.h"

enum { PHASE_CONTENT, PHASE_CLASS, PHASE_END, FIRST_CELLS = 16, SLOTS = 20 };

/* References. */

/* The payload of a reference: 1, 2 or 4 bytes. */
static int take_number(luas__decoder *d, const luas__mp_token *t, uint32_t *number)
{
    *number = 0;
    if (t->len != 1 && t->len != 2 && t->len != 4)
        return luas__decode_refuse(d, "number of another size");
    *number = (uint32_t)luas__mp_get_bytes((const unsigned char *)t->bytes, t->len);
    return 0;
}

/* An object of this message, or in a define message of the space. */
static int push_remembered(luas__decoder *d, uint32_t number)
{
    if (!d->remembers && !d->defining)
        return luas__decode_refuse(d, "reference outside a shared message");
    lua_rawgeti(d->L, d->held + HELD_OBJECTS, (lua_Integer)number + 1);
    if (lua_isnil(d->L, -1))
        return luas__decode_refuse(d, "reference to what is not there");
    d->referred = number;
    return TAKEN;
}

static int take_reference(luas__decoder *d, const luas__mp_token *t)
{
    uint32_t number;
    int rc = take_number(d, t, &number);
    return rc < 0 ? rc : push_remembered(d, number);
}

static int push_space_object(luas__decoder *d, uint32_t number)
{
    lua_State *L = d->L;
    if (d->defining)
        return push_remembered(d, number);
    if (d->space == NULL)
        return luas__decode_refuse(d, "reference to a space, but there is none");
    lua_getiuservalue(L, d->space_index, SPACE_OBJECTS);
    lua_rawgeti(L, -1, (lua_Integer)number + 1);
    lua_remove(L, -2);
    return lua_isnil(L, -1) ? luas__decode_refuse(d, "reference to what the space has not") : TAKEN;
}

static int take_space(luas__decoder *d, const luas__mp_token *t)
{
    uint32_t number;
    int rc = take_number(d, t, &number);
    return rc < 0 ? rc : push_space_object(d, number);
}

static int take_globals(luas__decoder *d)
{
    if (d->space != NULL && d->space->worker)
        lua_getiuservalue(d->L, d->space_index, SPACE_ENVIRONMENT);
    else
        lua_pushglobaltable(d->L);
    return TAKEN;
}

static int take_name(luas__decoder *d, const luas__mp_token *t)
{
    lua_State *L = d->L;
    int names = d->held + HELD_NAMES;
    uint32_t number = luas__decode_next_number(d);
    if (lua_isnil(L, names)) {
        luas__names_push(L);
        lua_replace(L, names);
    }
    int rc = luas__names_resolve(L, names, t->ext, t->bytes, t->len);
    if (rc < 0)
        return rc;
    luas__decode_bind(d, number);
    return TAKEN;
}

/* Objects. */

/* The reader goes on inside the ext. */
static int open_ext(luas__decoder *d, const luas__mp_token *t, luas__open_kind kind, uint32_t number)
{
    int rc = luas__decode_open(d, kind, lua_gettop(d->L) + 1, 0, number);
    if (rc < 0)
        return rc;
    d->in.at = (const unsigned char *)t->bytes;
    luas__open_top(d)->end = d->in.at + t->len;
    return OPENED;
}

static int open_object(luas__decoder *d, const luas__mp_token *t)
{
    uint32_t next = d->defining ? d->space->count : d->objects;
    return open_ext(d, t, OPEN_OBJECT, next);
}

static int end_ext(luas__decoder *d, const luas__open *f)
{
    return d->in.at == f->end ? TAKEN : luas__decode_refuse(d, "extension of another length");
}

/* Is the object of this number still being filled? Frames have rising numbers. */
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

/* After [object, class]: pops the class. A class that lacks fields yet, __gc perhaps, must wait. */
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

void luas__decode_ext_set_pending(luas__decoder *d)
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

/* The next value must be a table that is made here. */
static int next_is_table(const luas__decoder *d)
{
    unsigned lead = d->in.at == d->in.end ? 0 : *d->in.at;
    return (lead >= 0x80 && lead <= 0x9f) || (lead >= 0xdc && lead <= 0xdf);
}

/*
 * The value of an upvalue is set as soon as it exists, not when it is complete:
 * a __luas_unpack inside it may be called before that, and share the upvalue.
 */
static void set_upvalue_early(luas__decoder *d, const luas__open *parent)
{
    const luas__open *child = luas__open_top(d);
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
    return lua_istable(d->L, -1) ? end_ext(d, f) : luas__decode_refuse(d, "metatable that is no table");
}

int luas__decode_ext_object(luas__decoder *d, luas__open *f, int delivered)
{
    int rc = TAKEN;
    if (f->phase == PHASE_CONTENT) {
        if (!delivered) {
            if (!next_is_table(d))
                return luas__decode_refuse(d, "object that is no table");
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

static int open_packed(luas__decoder *d, const luas__mp_token *t)
{
    luas__mp_token head;
    int rc = open_ext(d, t, OPEN_PACKED, luas__decode_next_number(d));
    if (rc < 0)
        return rc;
    if (luas__mp_read(&d->in, &head) != 1 || head.type != MP_ARRAY)
        return luas__decode_refuse(d, "packed object without an array");
    if (head.len > (size_t)(d->in.end - d->in.at))
        return luas__decode_refuse(d, "more elements than bytes");
    if (head.len > INT32_MAX - SLOTS || !lua_checkstack(d->L, (int)head.len + SLOTS)) {
        lua_pushstring(d->L, luas_strerror(LUAS_ETOOBIG));
        return LUAS_ETOOBIG;
    }
    luas__open_top(d)->limit = head.len;
    return OPENED;
}

/* After [values..., class] from base: leaves the object there. */
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
        luas__describe_error(L, lua_gettop(L));
        lua_pushfstring(L, "__luas_unpack: %s", lua_tostring(L, -1));
        return LUAS_EUNSENT;
    }
    if (lua_isnil(L, -1)) {
        lua_pushliteral(L, "__luas_unpack returned nil");
        return LUAS_EUNSENT;
    }
    luas__decode_bind(d, f->number);
    return TAKEN;
}

int luas__decode_ext_packed(luas__decoder *d, luas__open *f, int delivered)
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

/* Functions. */

static const char *give_chunk(lua_State *L, void *context, size_t *len)
{
    luas__mp_token *t = context;
    (void)L;
    *len = t->len;
    t->len = 0;
    return t->bytes;
}

static int load(luas__decoder *d, luas__mp_token *code)
{
    if (luas__bytecode_check(code->bytes, code->len) < 0)
        return luas__decode_refuse(d, "bytecode that this Lua did not write");
    if (lua_load(d->L, give_chunk, code, "=luas", "b") == LUA_OK)
        return 0;
    luas__describe_error(d->L, lua_gettop(d->L));
    lua_pushfstring(d->L, "malformed message: %s", lua_tostring(d->L, -1));
    return LUAS_EPROTO;
}

static int open_function(luas__decoder *d, const luas__mp_token *t)
{
    lua_Debug info;
    luas__mp_token code;
    uint32_t number = luas__decode_next_number(d);
    int rc = open_ext(d, t, OPEN_FUNCTION, number);
    if (rc < 0)
        return rc;
    if (luas__mp_read(&d->in, &code) != 1 || code.type != MP_BIN)
        return luas__decode_refuse(d, "function without bytecode");
    rc = load(d, &code);
    if (rc < 0)
        return rc;
    luas__decode_bind(d, number);
    /* lua_load puts the globals there. */
    lua_pushnil(d->L);
    if (lua_setupvalue(d->L, -2, 1) == NULL)
        lua_pop(d->L, 1);
    lua_pushvalue(d->L, -1);
    lua_getinfo(d->L, ">u", &info);
    luas__open_top(d)->limit = info.nups;
    return OPENED;
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

/* Pushes the function that has the cell of this number, and gives which of its upvalues it is. */
static int push_owner(luas__decoder *d, uint32_t number, int *index)
{
    if (number >= d->cell_count)
        return luas__decode_refuse(d, "upvalue that is not there");
    *index = d->cells[number].index;
    return push_remembered(d, d->cells[number].function);
}

/* The same for a function of the space. */
static int push_space_owner(luas__decoder *d, uint32_t number, int *index)
{
    *index = (int)(number & UINT8_MAX);
    int rc = push_space_object(d, number >> 8);
    if (rc < 0)
        return rc;
    if (!lua_isfunction(d->L, -1) || lua_iscfunction(d->L, -1)
        || lua_getupvalue(d->L, -1, *index) == NULL)
        return luas__decode_refuse(d, "upvalue that is not there");
    lua_pop(d->L, 1);
    return TAKEN;
}

/* This upvalue of the function at base is the one of an earlier function. */
static int join_upvalue(luas__decoder *d, luas__open *f)
{
    luas__mp_token t;
    uint32_t number;
    int index = 0;
    if (luas__mp_read(&d->in, &t) != 1)
        return luas__decode_refuse(d, "ends too early");
    int rc = take_number(d, &t, &number);
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

int luas__decode_ext_upvalues(luas__decoder *d, luas__open *f, int delivered)
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

int luas__decode_ext_take(luas__decoder *d, const luas__mp_token *t)
{
    switch (t->ext) {
    case WIRE_REF: return take_reference(d, t);
    case WIRE_OBJECT: return open_object(d, t);
    case WIRE_PACKED: return open_packed(d, t);
    case WIRE_SPACE: return take_space(d, t);
    case WIRE_FUNCTION: case WIRE_GLOBALS: case WIRE_NAME: case WIRE_STANDARD: break;
    default: return luas__decode_refuse(d, "unknown extension type");
    }
    if (!d->trusted)
        return luas__decode_refuse(d, "code from one who is not trusted");
    if (t->ext == WIRE_FUNCTION)
        return open_function(d, t);
    return t->ext == WIRE_GLOBALS ? take_globals(d) : take_name(d, t);
}
