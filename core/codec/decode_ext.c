/* Begins extension types: references, names, and the heads of objects and functions. */
#include <string.h>

#include "error.h"
#include "decoder.h"
#include "bytecode.h"
#include "describe.h"
#include "loaded.h"
#include "names.h"
#include "settings.h"
#include "user_calls.h"
#include "value_format.h"

enum { SLOTS = 20 };

/* Reads the payload of a reference: 1, 2 or 4 bytes. */
int luas__decode_ext_number(luas__decoder *d, const luas__mp_token *t, uint32_t *number)
{
    *number = 0;
    if (t->len != 1 && t->len != 2 && t->len != 4)
        return luas__decoder_refuse(d, "number of another size");
    *number = (uint32_t)luas__mp_get_bytes((const unsigned char *)t->bytes, t->len);
    return 0;
}

/* Pushes an object of this message; in a define message, of the space. */
int luas__decode_ext_remembered(luas__decoder *d, uint32_t number)
{
    if (!d->remembers && !d->defining)
        return luas__decoder_refuse(d, "reference outside a shared message");
    lua_rawgeti(d->L, d->held + HELD_OBJECTS, (lua_Integer)number + 1);
    if (lua_isnil(d->L, -1))
        return luas__decoder_refuse(d, "reference to what is not there");
    d->referred = number;
    return TAKEN;
}

static int take_reference(luas__decoder *d, const luas__mp_token *t)
{
    uint32_t number;
    int rc = luas__decode_ext_number(d, t, &number);
    return rc < 0 ? rc : luas__decode_ext_remembered(d, number);
}

int luas__decode_ext_space_object(luas__decoder *d, uint32_t number)
{
    lua_State *L = d->L;
    if (d->defining)
        return luas__decode_ext_remembered(d, number);
    if (d->space == NULL)
        return luas__decoder_refuse(d, "reference to a space, but there is none");
    lua_getiuservalue(L, d->space_index, SPACE_OBJECTS);
    lua_rawgeti(L, -1, (lua_Integer)number + 1);
    lua_remove(L, -2);
    return lua_isnil(L, -1) ? luas__decoder_refuse(d, "reference to what the space has not") : TAKEN;
}

static int take_space(luas__decoder *d, const luas__mp_token *t)
{
    uint32_t number;
    int rc = luas__decode_ext_number(d, t, &number);
    return rc < 0 ? rc : luas__decode_ext_space_object(d, number);
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
    uint32_t number = luas__decoder_next_number(d);
    if (lua_isnil(L, names)) {
        luas__names_push(L);
        lua_replace(L, names);
    }
    int rc = luas__names_resolve(L, names, t->ext, t->bytes, t->len);
    if (rc < 0)
        return rc;
    luas__decoder_bind(d, number);
    luas__decode_unpack_note_name(d);
    return TAKEN;
}

static int take_light(luas__decoder *d, const luas__mp_token *t)
{
    enum { HEAD = 2 * LUAS__LIGHT_NUMBER };
    const unsigned char *p = (const unsigned char *)t->bytes;
    if (t->len == 0) {
        lua_pushlightuserdata(d->L, NULL);
        return TAKEN;
    }
    if (t->len < HEAD)
        return luas__decoder_refuse(d, "light userdata of another size");
    if (!d->trusted)
        return luas__decoder_refuse(d, "a pointer from one who is not trusted");
    uint64_t number = luas__mp_get_bytes(p + LUAS__LIGHT_NUMBER, LUAS__LIGHT_NUMBER);
    if (luas__mp_get_bytes(p, LUAS__LIGHT_NUMBER) != luas__loaded_family()) {
        lua_pushliteral(d->L, "light userdata of another program");
        return LUAS_EUNSENT;
    }
    void *pointer = t->len == HEAD ? (void *)(uintptr_t)number
                                   : luas__loaded_at(t->bytes + HEAD, t->len - HEAD, number);
    lua_pushlightuserdata(d->L, pointer);
    if (pointer != NULL)
        return TAKEN;
    lua_pushlstring(d->L, t->bytes + HEAD, t->len - HEAD);
    lua_pushfstring(d->L, "light userdata of a library that is not loaded here: %s", lua_tostring(d->L, -1));
    return LUAS_EUNSENT;
}

int luas__decode_ext_kept(luas__decoder *d, const luas__mp_token *t, int *upvalue)
{
    if (t->len != 8)
        return luas__decoder_refuse(d, "number of another size");
    uint64_t number = luas__mp_get_8((const unsigned char *)t->bytes);
    luas__settings_push(d->L, number);
    if (lua_isnil(d->L, -1))
        return luas__decoder_refuse(d, "reference to what was not inherited");
    if (upvalue != NULL)
        *upvalue = luas__settings_upvalue(number);
    return TAKEN;
}

/* The reader goes on inside the ext. */
static int open_ext(luas__decoder *d, const luas__mp_token *t, luas__open_kind kind, uint32_t number)
{
    int rc = luas__decoder_open(d, kind, lua_gettop(d->L) + 1, 0, number);
    if (rc < 0)
        return rc;
    d->in.at = (const unsigned char *)t->bytes;
    luas__decoder_top(d)->end = d->in.at + t->len;
    return OPENED;
}

static int open_object(luas__decoder *d, const luas__mp_token *t)
{
    uint32_t next = d->defining ? d->space->count : d->objects;
    return open_ext(d, t, OPEN_OBJECT, next);
}

static int open_packed(luas__decoder *d, const luas__mp_token *t)
{
    luas__mp_token head;
    int rc = open_ext(d, t, OPEN_PACKED, luas__decoder_next_number(d));
    if (rc < 0)
        return rc;
    if (luas__mp_read(&d->in, &head) != 1 || head.type != MP_ARRAY)
        return luas__decoder_refuse(d, "packed object without an array");
    if (head.len > (size_t)(d->in.end - d->in.at))
        return luas__decoder_refuse(d, "more elements than bytes");
    if (head.len > INT32_MAX - SLOTS || !lua_checkstack(d->L, (int)head.len + SLOTS)) {
        lua_pushstring(d->L, luas_strerror(LUAS_ETOOBIG));
        return LUAS_ETOOBIG;
    }
    luas__decoder_top(d)->limit = head.len;
    return OPENED;
}

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
        return luas__decoder_refuse(d, "bytecode that this Lua did not write");
    if (lua_load(d->L, give_chunk, code, "=luas", "b") == LUA_OK)
        return 0;
    (void)luas__describe_error(d->L, lua_gettop(d->L));
    lua_pushfstring(d->L, "malformed message: %s", lua_tostring(d->L, -1));
    return LUAS_EPROTO;
}

static int open_function(luas__decoder *d, const luas__mp_token *t)
{
    lua_Debug info;
    luas__mp_token code;
    uint32_t number = luas__decoder_next_number(d);
    int rc = open_ext(d, t, OPEN_FUNCTION, number);
    if (rc < 0)
        return rc;
    if (luas__mp_read(&d->in, &code) != 1 || code.type != MP_BIN)
        return luas__decoder_refuse(d, "function without bytecode");
    rc = load(d, &code);
    if (rc < 0)
        return rc;
    luas__decoder_bind(d, number);
    /* lua_load puts the globals into the first upvalue. */
    lua_pushnil(d->L);
    if (lua_setupvalue(d->L, -2, 1) == NULL)
        lua_pop(d->L, 1);
    lua_pushvalue(d->L, -1);
    lua_getinfo(d->L, ">u", &info);
    luas__decoder_top(d)->limit = info.nups;
    return OPENED;
}

int luas__decode_ext_take(luas__decoder *d, const luas__mp_token *t)
{
    switch (t->ext) {
    case WIRE_REF: return take_reference(d, t);
    case WIRE_OBJECT: return open_object(d, t);
    case WIRE_PACKED: return open_packed(d, t);
    case WIRE_SPACE: return take_space(d, t);
    case WIRE_LIGHT: return take_light(d, t);
    case WIRE_FUNCTION: case WIRE_GLOBALS: case WIRE_NAME: case WIRE_STANDARD: case WIRE_KEPT:
        break;
    default: return luas__decoder_refuse(d, "unknown extension type");
    }
    if (!d->trusted)
        return luas__decoder_refuse(d, "code from one who is not trusted");
    if (t->ext == WIRE_FUNCTION)
        return open_function(d, t);
    if (t->ext == WIRE_KEPT)
        return luas__decode_ext_kept(d, t, NULL);
    return t->ext == WIRE_GLOBALS ? take_globals(d) : take_name(d, t);
}
