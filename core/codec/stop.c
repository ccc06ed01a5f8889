/* Telling what a signal's hook raised from other errors. */
#include "stop.h"

#include <string.h>

static bool ends_with(const char *text, size_t len, const char *end)
{
    size_t n = strlen(end);
    return len >= n && memcmp(text + len - n, end, n) == 0;
}

/* Is the text at the top one? Pops it. */
static bool is_text(lua_State *L)
{
    size_t len;
    const char *text = lua_tolstring(L, -1, &len);
    int mark = lua_getfield(L, LUA_REGISTRYINDEX, LUAS__STOPPED_KEY);
    bool is = mark == LUA_TSTRING ? strstr(text, lua_tostring(L, -1)) != NULL
                                  : mark == LUA_TNIL && ends_with(text, len, "interrupted!");
    lua_pop(L, 2);
    return is;
}

/* Outcomes of calls within calls have each other as their values. */
enum { DEEPEST = 8 };

bool luas__stop_is(lua_State *L, int index)
{
    if (!lua_checkstack(L, 4))
        return false;
    lua_pushvalue(L, index);
    for (int depth = 0; lua_istable(L, -1) && depth < DEEPEST; depth++) {
        lua_pushliteral(L, "value");
        lua_rawget(L, -2);
        lua_remove(L, -2);
    }
    if (lua_type(L, -1) == LUA_TSTRING)
        return is_text(L);
    lua_pop(L, 1);
    return false;
}
