/* Registration: the embedded modules, the globals, luaopen_luas. */
#define _GNU_SOURCE
#include <lauxlib.h>
#include <lualib.h>
#include <string.h>

#include "keeper.h"
#include "luas.h"
#include "modules.h"
#include "names.h"
#include "core.h"
#include "pipe.h"

LUAS_API int luaopen_luas(lua_State *L);

static int load_embedded(lua_State *L)
{
    const luas__module *m = lua_touserdata(L, lua_upvalueindex(1));
    lua_settop(L, 1);
    lua_pushfstring(L, "@%s.lua", luaL_gsub(L, m->name, ".", "/"));
    if (luaL_loadbufferx(L, m->bytes, m->size, lua_tostring(L, -1), "t") != LUA_OK)
        return lua_error(L);
    lua_pushvalue(L, 1);
    lua_call(L, 1, 1);
    return 1;
}

static void preload(lua_State *L, const char *name, lua_CFunction open, void *upvalue)
{
    luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
    lua_pushlightuserdata(L, upvalue);
    lua_pushcclosure(L, open, 1);
    lua_setfield(L, -2, name);
    lua_pop(L, 1);
}

/* What is standard is noted now, before user code can have replaced it. */
int luaopen_luas(lua_State *L)
{
    luas__keeper_open(L);
    luas__names_push(L);
    lua_pop(L, 1);
    preload(L, "luas.core", luas__core_open, NULL);
    preload(L, "luas.channel", luas__pipe_open, NULL);
    const luas__module *main = NULL;
    for (const luas__module *m = luas__modules; m->name != NULL; m++) {
        if (strcmp(m->name, "luas") == 0)
            main = m;
        else
            preload(L, m->name, load_embedded, (void *)m);
    }
    lua_pushlightuserdata(L, (void *)main);
    lua_pushcclosure(L, load_embedded, 1);
    lua_pushliteral(L, "luas");
    lua_call(L, 1, 1);
    return 1;
}

void luas_openlibs(lua_State *L)
{
    static const char *const globals[] = {"pool", "process"};
    luaL_requiref(L, "luas", luaopen_luas, 0);
    for (size_t i = 0; i < sizeof globals / sizeof *globals; i++) {
        lua_getfield(L, -1, globals[i]);
        lua_setglobal(L, globals[i]);
    }
    lua_pop(L, 1);
}
