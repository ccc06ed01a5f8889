/* Objects that workers have kept (settings.h), in a table of settings: they are sent by number. */
#include <lauxlib.h>
#include <lualib.h>

#include "encoder.h"
#include "names.h"
#include "value_format.h"

int luas__encode_kept_put(luas__encoder *e)
{
    unsigned char bytes[8];
    lua_pushvalue(e->L, -1);
    int type = lua_rawget(e->L, SLOT_KEPT);
    uint64_t number = (uint64_t)lua_tointeger(e->L, -1);
    lua_pop(e->L, 1);
    if (type == LUA_TNIL)
        return 0;
    luas__mp_put_8(bytes, number);
    int rc = luas__mp_write_ext(e->out, WIRE_KEPT, sizeof bytes);
    if (rc == 0)
        rc = luas__buffer_append(e->out, bytes, sizeof bytes);
    lua_pop(e->L, 1);
    return rc < 0 ? rc : 1;
}

int luas__encode_kept_is_lacked(luas__encoder *e)
{
    size_t len, name_len;
    const char *payload = lua_tolstring(e->L, -1, &len);
    const char *name = luas__names_module(payload, len, &name_len);
    return luas__names_is_inside(payload, len)
        || (name != NULL && name_len == strlen(LUA_LOADLIBNAME)
            && memcmp(name, LUA_LOADLIBNAME, name_len) == 0);
}
