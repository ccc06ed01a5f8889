/* Decodes define messages into a worker's side of a space. */
#include <stdbool.h>

#include "error.h"
#include "codec.h"
#include "decoder.h"

/* Stack indices of the tables that a define message changes. */
typedef struct target {
    luas__decoder *d;
    int names, environment;
} target;

static int take_count(luas__decoder *d, luas__mp_type type, uint32_t *count)
{
    luas__mp_token t;
    *count = 0;
    if (luas__mp_read(&d->in, &t) != 1 || t.type != type)
        return luas__decoder_refuse(d, "not a define message");
    *count = t.len;
    return 0;
}

/* Takes the next name and pushes it. */
static int take_name(luas__decoder *d)
{
    luas__mp_token t;
    if (luas__mp_read(&d->in, &t) != 1 || (t.type != MP_STR && t.type != MP_BIN))
        return luas__decoder_refuse(d, "name that is no string");
    lua_pushlstring(d->L, t.bytes, t.len);
    return 0;
}

/* Records what became of the name at the top, and pops it. */
static void set_state(const target *to, int state)
{
    lua_pushinteger(to->d->L, state);
    lua_rawset(to->d->L, to->names);
}

static int take_globals(const target *to)
{
    lua_State *L = to->d->L;
    uint32_t count;
    int rc = take_count(to->d, MP_MAP, &count);
    for (uint32_t i = 0; rc == 0 && i < count; i++) {
        rc = take_name(to->d);
        if (rc == 0)
            rc = luas__decode_take_whole(to->d);
        if (rc < 0)
            return rc;
        lua_pushvalue(L, -2);
        lua_insert(L, -2);
        lua_rawset(L, to->environment);
        set_state(to, NAME_CARRIED);
    }
    return rc;
}

static int take_absent(const target *to)
{
    uint32_t count;
    int rc = take_count(to->d, MP_ARRAY, &count);
    for (uint32_t i = 0; rc == 0 && i < count; i++) {
        rc = take_name(to->d);
        if (rc == 0)
            set_state(to, NAME_ABSENT);
    }
    return rc;
}

/* Makes standard functions fields of the environment, where they are found at once. */
static int take_standard(const target *to)
{
    lua_State *L = to->d->L;
    uint32_t count;
    int rc = take_count(to->d, MP_ARRAY, &count);
    for (uint32_t i = 0; rc == 0 && i < count; i++) {
        rc = take_name(to->d);
        if (rc < 0)
            return rc;
        lua_pushvalue(L, -1);
        lua_pushglobaltable(L);
        lua_pushvalue(L, -2);
        lua_rawget(L, -2);
        lua_remove(L, -2);
        lua_rawset(L, to->environment);
        set_state(to, NAME_CARRIED);
    }
    return rc;
}

/* The root, at the top, is a table of settings: it becomes that of the space, and is replaced by
   nil. */
static int take_settings(luas__decoder *d)
{
    lua_State *L = d->L;
    luas__mp_token t;
    if (luas__mp_read(&d->in, &t) != 1 || t.type != MP_BOOL || t.as.i == 0 || !lua_istable(L, -1))
        return luas__decoder_refuse(d, "not a table of settings");
    d->space->settings = lua_topointer(L, -1);
    lua_setiuservalue(L, d->space_index, SPACE_SETTINGS);
    lua_pushnil(L);
    return 0;
}

/* Leaves the root at the top. */
static int take_message(luas__decoder *d)
{
    lua_State *L = d->L;
    target to = {d, lua_gettop(L) + 1, lua_gettop(L) + 2};
    uint32_t count;
    lua_getiuservalue(L, d->space_index, SPACE_NAMES);
    lua_getiuservalue(L, d->space_index, SPACE_ENVIRONMENT);
    if (!d->space->worker) { /* inherited by a fork, like all globals */
        lua_pop(L, 1);
        lua_pushglobaltable(L);
    }
    if (!lua_istable(L, -1) || !lua_istable(L, -2))
        return luas__decoder_refuse(d, "a definition where there is nothing to be defined");
    int rc = take_count(d, MP_ARRAY, &count);
    bool has_settings = count == 5;
    if (rc == 0 && count != 4 && !has_settings)
        return luas__decoder_refuse(d, "not a define message");
    if (rc == 0)
        rc = luas__decode_take_whole(d);
    if (rc == 0)
        rc = take_globals(&to);
    if (rc == 0)
        rc = take_absent(&to);
    if (rc == 0)
        rc = take_standard(&to);
    if (rc == 0 && has_settings)
        rc = take_settings(d);
    if (rc == 0 && d->in.at != d->in.end)
        rc = luas__decoder_refuse(d, "bytes left over");
    return rc;
}

int luas__decode_define(lua_State *L, int space, const char *bytes, size_t len)
{
    luas__decoder d;
    int top = lua_gettop(L);
    luas__decoder_prepare(&d, L, bytes, len, LUAS__FUNCTIONS);
    d.defining = 1;
    int rc = luas__decoder_enter(&d, L, space);
    if (rc < 0)
        return luas__decoder_keep_message(L, top, rc);
    lua_getiuservalue(L, space, SPACE_OBJECTS);
    lua_replace(L, d.held + HELD_OBJECTS);
    rc = take_message(&d);
    if (rc < 0)
        return luas__decoder_keep_message(L, top, rc);
    luas__decode_class_set_complete(&d);
    rc = luas__decode_unpack_rest(&d);
    if (rc < 0)
        return luas__decoder_keep_message(L, top, rc);
    luas__space_commit(d.space);
    lua_insert(L, top + 1);
    lua_settop(L, top + 1);
    return 0;
}
