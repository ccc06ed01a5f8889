/*
 * Makes objects of what __luas_pack gave: at once, if their class is complete. In a define message
 * it may not be: its methods may use globals, which come last. There a table stands in for such an
 * object until the message has ended. Then the objects are made in the order in which they ended,
 * and each takes its stand-in's place, wherever that is.
 */
#include "decoder.h"
#include "describe.h"
#include "error.h"
#include "stop.h"
#include "user_calls.h"

/* A stand-in has the values from 1 on, then the class; and how many values, and its number. */
#define COUNT "n"
#define NUMBER "number"

/* HELD_STAND_INS: the stand-ins in a list; each as a key, with the list of its places until the
   object is there; each place is holder, kind, key. */
enum { IS_VALUE, IS_KEY, IS_UPVALUE, IS_METATABLE, PLACE = 3, SLOTS = 30 };

/* Expects [values..., class], `n` values; leaves the object in their place. */
static int unpack(luas__decoder *d, int n)
{
    lua_State *L = d->L;
    int base = lua_gettop(L) - n;
    if (!lua_istable(L, -1))
        return luas__decoder_refuse(d, "metatable that is no table");
    lua_pushliteral(L, "__luas_unpack");
    lua_rawget(L, -2);
    lua_remove(L, -2);
    if (!lua_isfunction(L, -1)) {
        lua_pushliteral(L, "a class has no __luas_unpack here");
        return LUAS_EUNSENT;
    }
    lua_insert(L, base);
    luas__user_calls_note(L);
    if (lua_pcall(L, n, 1, 0) != LUA_OK) {
        if (luas__stop_is(L, -1) || !luas__describe_error(L, lua_gettop(L)))
            return lua_error(L);
        lua_pushfstring(L, "__luas_unpack: %s", lua_tostring(L, -1));
        return LUAS_EUNSENT;
    }
    if (lua_isnil(L, -1)) {
        lua_pushliteral(L, "__luas_unpack returned nil");
        return LUAS_EUNSENT;
    }
    return TAKEN;
}

/* ---- at once or later ---- */

void luas__decode_unpack_note_name(luas__decoder *d)
{
    lua_State *L = d->L;
    int named = d->held + HELD_NAMED;
    if (!d->defining || !lua_istable(L, -1))
        return;
    if (lua_isnil(L, named)) {
        lua_newtable(L);
        lua_replace(L, named);
    }
    lua_pushvalue(L, -1);
    lua_pushboolean(L, 1);
    lua_rawset(L, named);
}

/* Was the class at the top complete before this message came? `number`: of the reference to it. */
static bool was_complete(const luas__decoder *d, int64_t number)
{
    lua_State *L = d->L;
    if (number >= 0 && number < d->space->known)
        return true;
    if (lua_isnil(L, d->held + HELD_NAMED))
        return false;
    lua_pushvalue(L, -1);
    bool is = lua_rawget(L, d->held + HELD_NAMED) != LUA_TNIL;
    lua_pop(L, 1);
    return is;
}

/* May the values of the frame have stand-ins in them? */
static bool may_have_stand_ins(const luas__decoder *d, const luas__open *f)
{
    bool may = false;
    if (!lua_isnil(d->L, d->held + HELD_STAND_INS))
        for (uint32_t i = 0; i < f->limit; i++)
            may |= lua_type(d->L, f->base + (int)i) >= LUA_TTABLE;
    return may;
}

/* Replaces the values and the class from the frame's base on by a stand-in. */
static void put_off(luas__decoder *d, const luas__open *f)
{
    lua_State *L = d->L;
    int stand_ins = d->held + HELD_STAND_INS;
    if (lua_isnil(L, stand_ins)) {
        lua_newtable(L);
        lua_replace(L, stand_ins);
    }
    lua_createtable(L, (int)f->limit + 1, 2);
    lua_insert(L, f->base);
    for (lua_Integer i = (lua_Integer)f->limit + 1; i > 0; i--)
        lua_rawseti(L, f->base, i);
    lua_pushinteger(L, f->limit);
    lua_setfield(L, f->base, COUNT);
    lua_pushinteger(L, f->number);
    lua_setfield(L, f->base, NUMBER);
    lua_pushvalue(L, f->base);
    lua_rawseti(L, stand_ins, (lua_Integer)lua_rawlen(L, stand_ins) + 1);
    lua_pushvalue(L, f->base);
    lua_newtable(L);
    lua_rawset(L, stand_ins);
    /* Nobody may find the number by its address, as it goes soon. */
    lua_pushvalue(L, f->base);
    lua_rawseti(L, d->held + HELD_OBJECTS, (lua_Integer)f->number + 1);
}

int luas__decode_unpack_take(luas__decoder *d, const luas__open *f, int64_t number)
{
    if (d->defining && (!was_complete(d, number) || may_have_stand_ins(d, f))) {
        put_off(d, f);
        return TAKEN;
    }
    luas__decode_class_set_complete(d);
    int rc = unpack(d, (int)f->limit);
    if (rc == TAKEN)
        luas__decoder_bind(d, f->number);
    return rc;
}

/* ---- where stand-ins are ---- */

/* Pushes the places of the value at this index and returns 1, if it is a stand-in. */
static int push_places(luas__decoder *d, int index)
{
    lua_State *L = d->L;
    if (!lua_istable(L, index))
        return 0;
    lua_pushvalue(L, index);
    if (lua_rawget(L, d->held + HELD_STAND_INS) == LUA_TTABLE)
        return 1;
    lua_pop(L, 1);
    return 0;
}

/* If the value at `index` is a stand-in, notes this place of it; its key is at the top. */
static void note_place(luas__decoder *d, int holder, int kind, int index)
{
    lua_State *L = d->L;
    int key = lua_gettop(L);
    if (!push_places(d, index))
        return;
    lua_Integer n = (lua_Integer)lua_rawlen(L, -1);
    lua_pushvalue(L, holder);
    lua_rawseti(L, -2, n + 1);
    lua_pushinteger(L, kind);
    lua_rawseti(L, -2, n + 2);
    lua_pushvalue(L, key);
    lua_rawseti(L, -2, n + 3);
    lua_pop(L, 1);
}

/* Looks for stand-ins in the table or function at the top. */
static void look_into(luas__decoder *d)
{
    lua_State *L = d->L;
    int at = lua_gettop(L);
    for (int i = 1; lua_isfunction(L, at) && lua_getupvalue(L, at, i) != NULL; i++) {
        lua_pushinteger(L, i);
        note_place(d, at, IS_UPVALUE, at + 1);
        lua_settop(L, at);
    }
    if (!lua_istable(L, at))
        return;
    if (lua_getmetatable(L, at))
        note_place(d, at, IS_METATABLE, at + 1);
    lua_settop(L, at);
    for (lua_pushnil(L); lua_next(L, at) != 0; lua_settop(L, at + 1)) {
        lua_pushvalue(L, at + 1);
        note_place(d, at, IS_KEY, at + 1); /* first: then the value has its key */
        note_place(d, at, IS_VALUE, at + 2);
    }
}

/* Looks into all that the message has defined. */
static void find_places(luas__decoder *d)
{
    lua_State *L = d->L;
    for (uint32_t i = d->space->known; i < d->space->count; i++) {
        lua_rawgeti(L, d->held + HELD_OBJECTS, (lua_Integer)i + 1);
        look_into(d);
        lua_pop(L, 1);
    }
    lua_getiuservalue(L, d->space_index, SPACE_ENVIRONMENT);
    if (!lua_istable(L, -1)) { /* a fork uses its own globals */
        lua_pop(L, 1);
        lua_pushglobaltable(L);
    }
    look_into(d);
    lua_pop(L, 1);
}

/* ---- the objects take their places ---- */

static bool is_key(lua_State *L, int index)
{
    lua_Number n = lua_tonumber(L, index);
    return lua_type(L, index) != LUA_TNUMBER || n == n;
}

/* Expects [object, holder, key], `object` its index. A value whose key was a stand-in as well may
   have moved by now. */
static void fill_value(luas__decoder *d, int object)
{
    lua_State *L = d->L;
    lua_pushvalue(L, -1);
    lua_rawget(L, d->held + HELD_MADE);
    lua_remove(L, lua_isnil(L, -1) ? -1 : -2);
    lua_pushvalue(L, object);
    lua_rawset(L, -3);
}

static int fill_key(luas__decoder *d, int object)
{
    lua_State *L = d->L;
    if (!is_key(L, object))
        return luas__decoder_refuse(d, "NaN as a key");
    lua_pushvalue(L, object);
    lua_pushvalue(L, -2);
    lua_rawget(L, -4);          /* [holder, stand-in, object, value] */
    lua_rawset(L, -4);
    lua_pushnil(L);
    lua_rawset(L, -3);
    return 0;
}

/* Puts the object into the place [holder, key] at the top, and pops the key. */
static int fill(luas__decoder *d, int object, int kind)
{
    lua_State *L = d->L;
    switch (kind) {
    case IS_VALUE: fill_value(d, object); return 0;
    case IS_KEY: return fill_key(d, object);
    case IS_UPVALUE:
        lua_pushvalue(L, object);
        lua_setupvalue(L, -3, (int)lua_tointeger(L, -2));
        break;
    default:
        if (!lua_istable(L, object))
            return luas__decoder_refuse(d, "metatable that is no table");
        lua_pushvalue(L, object);
        lua_setmetatable(L, -3);
    }
    lua_pop(L, 1);
    return 0;
}

/* Puts the object at `object` into all places of a stand-in, which are at the top. */
static int fill_places(luas__decoder *d, int object)
{
    lua_State *L = d->L;
    int places = lua_gettop(L), rc = 0;
    lua_Integer n = (lua_Integer)lua_rawlen(L, places);
    for (lua_Integer i = 1; rc == 0 && i <= n; i += PLACE) {
        lua_rawgeti(L, places, i);
        lua_rawgeti(L, places, i + 1);
        int kind = (int)lua_tointeger(L, -1);
        lua_pop(L, 1);
        lua_rawgeti(L, places, i + 2);
        rc = fill(d, object, kind);
        if (rc == 0)
            lua_settop(L, places);
    }
    return rc;
}

static lua_Integer field(lua_State *L, int stand_in, const char *name)
{
    lua_getfield(L, stand_in, name);
    lua_Integer value = lua_tointeger(L, -1);
    lua_pop(L, 1);
    return value;
}

/* Makes the object of the stand-in at the top, and pushes it. */
static int make(luas__decoder *d)
{
    lua_State *L = d->L;
    int stand_in = lua_gettop(L), n = (int)field(L, stand_in, COUNT);
    if (!lua_checkstack(L, n + SLOTS))
        return luas__decoder_fail(d, LUAS_ETOOBIG);
    push_places(d, stand_in);
    for (int i = 1; i <= n + 1; i++)
        lua_rawgeti(L, stand_in, i);
    int rc = unpack(d, n);
    if (rc < 0)
        return rc;
    luas__decoder_bind(d, (uint32_t)field(L, stand_in, NUMBER));
    lua_pushvalue(L, stand_in);
    lua_pushvalue(L, -2);
    lua_rawset(L, d->held + HELD_MADE);
    lua_insert(L, stand_in + 1);
    rc = fill_places(d, stand_in + 1);
    if (rc == 0)
        lua_settop(L, stand_in + 1);
    return rc;
}

int luas__decode_unpack_rest(luas__decoder *d)
{
    lua_State *L = d->L;
    int root = lua_gettop(L), stand_ins = d->held + HELD_STAND_INS, rc = 0;
    if (lua_isnil(L, stand_ins))
        return 0;
    lua_newtable(L);
    lua_replace(L, d->held + HELD_MADE);
    find_places(d);
    lua_Integer n = (lua_Integer)lua_rawlen(L, stand_ins);
    for (lua_Integer i = 1; rc == 0 && i <= n; i++) {
        lua_rawgeti(L, stand_ins, i);
        rc = make(d);
        if (rc < 0)
            return rc;
        if (lua_rawequal(L, root, root + 1))
            lua_replace(L, root);
        lua_settop(L, root);
    }
    return 0;
}
