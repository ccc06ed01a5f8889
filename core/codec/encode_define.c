/* Encodes define messages: the root, globals with their values, and names. */
#include <lauxlib.h>

#include "encoder.h"
#include "names.h"
#include "value_format.h"

enum { LAST_STATE = NAME_STANDARD };

void luas__encode_define_push_global(luas__encoder *e)
{
    lua_State *L = e->L;
    int type = LUA_TNIL;
    if (!lua_isnil(L, SLOT_ENVIRONMENT)) {
        lua_pushvalue(L, -1);
        type = lua_rawget(L, SLOT_ENVIRONMENT);
        if (type == LUA_TNIL)
            lua_pop(L, 1);
    }
    if (type == LUA_TNIL) {
        lua_pushglobaltable(L);
        lua_pushvalue(L, -2);
        lua_rawget(L, -2);
        lua_remove(L, -2);
    }
}

/* Expects [name, value]: is it the value that the standard library has under that name? */
static int is_standard(luas__encoder *e)
{
    lua_State *L = e->L;
    int type = lua_type(L, -1);
    if (type != LUA_TTABLE && type != LUA_TFUNCTION)
        return 0;
    type = luas__names_find(L, SLOT_NAMES, -1);
    if (type == 0)
        return 0;
    int same = type == WIRE_STANDARD && lua_rawequal(L, -1, -3);
    lua_pop(L, 1);
    return same;
}

static void set_state(luas__encoder *e, int names, int name, int state)
{
    lua_pushvalue(e->L, name);
    lua_pushinteger(e->L, state);
    lua_rawset(e->L, names);
}

/* Takes the next name and pushes [names, name, value]. Returns what becomes of it. */
static int next_name(luas__encoder *e, luas__container *f)
{
    lua_State *L = e->L;
    lua_getiuservalue(L, SLOT_SPACE, SPACE_NAMES);
    lua_rawgeti(L, -1, ++f->limit);
    luas__encode_define_push_global(e);
    int state = lua_isnil(L, -1) ? NAME_ABSENT
        : e->space->inherited || is_standard(e) ? NAME_STANDARD : NAME_CARRIED;
    set_state(e, f->base + 1, f->base + 2, state);
    return state;
}

static int step_globals(luas__encoder *e, luas__container *f)
{
    lua_State *L = e->L;
    while (f->limit < e->space->names) {
        lua_settop(L, f->base);
        if (next_name(e, f) == NAME_CARRIED) {
            f->count++;
            int rc = luas__scalar_put(L, -2, e->out, e->most);
            return rc < 0 ? rc : ENCODE_ITEM;
        }
    }
    luas__container_map_close(e, f->head, f->count);
    f->phase = PHASE_LISTS;
    return 0;
}

/* Counts the names from number `i` on that have this state, and writes them if `put`. */
static int list_names(luas__encoder *e, int state, uint32_t i, int put)
{
    lua_State *L = e->L;
    int count = 0, rc = 1;
    lua_getiuservalue(L, SLOT_SPACE, SPACE_NAMES);
    for (; rc > 0 && i < e->space->names; i++) {
        lua_rawgeti(L, -1, (lua_Integer)i + 1);
        lua_pushvalue(L, -1);
        lua_rawget(L, -3);
        if (lua_tointeger(L, -1) == state) {
            count++;
            rc = put ? luas__scalar_put(L, -2, e->out, e->most) : 1;
        }
        lua_pop(L, 2);
    }
    lua_pop(L, 1);
    return rc < 0 ? rc : count;
}

static int put_lists(luas__encoder *e)
{
    uint32_t first = e->space->names_defined;
    int rc = 0;
    for (int state = NAME_ABSENT; rc >= 0 && state <= LAST_STATE; state++) {
        rc = luas__mp_write_array(e->out, (uint32_t)list_names(e, state, first, 0));
        if (rc == 0)
            rc = list_names(e, state, first, 1);
    }
    return rc < 0 ? rc : 0;
}

int luas__encode_define_step(luas__encoder *e, luas__container *f)
{
    int rc;
    switch (f->phase) {
    case PHASE_ROOT:
        f->phase = PHASE_MAP;
        f->limit = e->space->names_defined;
        rc = luas__mp_write_array(e->out, e->kept ? 5 : 4);
        lua_pushvalue(e->L, f->base);
        return rc < 0 ? rc : ENCODE_ITEM;
    case PHASE_MAP:
        f->phase = PHASE_GLOBALS;
        return luas__container_map_open(e, &f->head);
    case PHASE_GLOBALS:
        return step_globals(e, f);
    default:
        rc = put_lists(e);
        if (rc == 0 && e->kept)
            rc = luas__mp_write_bool(e->out, 1);
        e->space->names_defined = e->space->names;
        luas__container_close(e);
        return rc;
    }
}
