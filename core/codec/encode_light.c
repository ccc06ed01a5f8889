/*
 * Light userdata: pointers, which libraries use as marks (cjson.null). NULL is the same everywhere, and
 * what a module has goes by its name. Any other goes as the number that it is, which means the same
 * to this process and its forks only. In a library it goes as the place there: two processes may
 * have loaded it after their fork.
 */
#include "encoder.h"
#include "loaded.h"
#include "names.h"
#include "value_format.h"

static const char loaded_key = 'l'; /* registry: how many libraries the worker has from its host */

void luas__encode_light_snapshot(lua_State *L)
{
    lua_pushinteger(L, luas__loaded_count());
    lua_rawsetp(L, LUA_REGISTRYINDEX, &loaded_key);
}

/* Has this process loaded the library after its fork, so that its host may not have it? */
static int is_own(lua_State *L, const luas__loaded *at)
{
    int own = lua_rawgetp(L, LUA_REGISTRYINDEX, &loaded_key) == LUA_TNUMBER
        && lua_tointeger(L, -1) <= (lua_Integer)at->index;
    lua_pop(L, 1);
    return own;
}

static int put(luas__encoder *e, uint64_t number, const char *path)
{
    unsigned char bytes[2 * LUAS__LIGHT_NUMBER];
    size_t len = strlen(path);
    luas__mp_put_bytes(bytes, luas__loaded_family(), LUAS__LIGHT_NUMBER);
    luas__mp_put_bytes(bytes + LUAS__LIGHT_NUMBER, number, LUAS__LIGHT_NUMBER);
    int rc = luas__mp_write_ext(e->out, WIRE_LIGHT, (uint32_t)(sizeof bytes + len));
    if (rc == 0)
        rc = luas__buffer_append(e->out, bytes, sizeof bytes);
    return rc < 0 ? rc : luas__buffer_append(e->out, path, len);
}

int luas__encode_light_put(luas__encoder *e)
{
    const void *pointer = lua_touserdata(e->L, -1);
    luas__loaded at;
    lua_pop(e->L, 1);
    if (pointer == NULL)
        return luas__mp_write_ext(e->out, WIRE_LIGHT, 0);
    if (e->foreign)
        return luas__encode_path_unsent(e, "light userdata that no loaded module has cannot be sent to "
                                           "other programs");
    if (!luas__loaded_find(pointer, &at))
        return put(e, (uintptr_t)pointer, "");
    if (is_own(e->L, &at))
        return luas__encode_path_unsent(e, "light userdata of a library that only this worker has cannot be sent: "
                                           "%s", at.path);
    int rc = put(e, at.offset, at.path);
    return rc < 0 ? rc : 1;
}
