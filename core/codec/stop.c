/* Telling what a signal's hook raised from other errors. */
#include "stop.h"

#include <string.h>

static bool ends_with(const char *text, size_t len, const char *end)
{
    size_t n = strlen(end);
    return len >= n && memcmp(text + len - n, end, n) == 0;
}

bool luas__stop_is(lua_State *L, int index)
{
    size_t len;
    if (lua_type(L, index) != LUA_TSTRING)
        return false;
    const char *text = lua_tolstring(L, index, &len);
    int mark = lua_getfield(L, LUA_REGISTRYINDEX, LUAS__STOPPED_KEY);
    bool is = mark == LUA_TSTRING ? strstr(text, lua_tostring(L, -1)) != NULL
                                  : mark == LUA_TNIL && ends_with(text, len, "interrupted!");
    lua_pop(L, 1);
    return is;
}
