/* Classes of userdata, and the errors of pools. */
#include "handles.h"

#include "error.h"
#include "fail.h"
#include "keeper.h"

int luas__handles_raise(lua_State *L, luas__pool *p, int rc)
{
    if (rc == LUAS_EBROKEN && p->health.why.len > 0)
        lua_pushstring(L, luas__buffer_bytes(&p->health.why));
    else
        lua_pushfstring(L, "luas: %s", luas_strerror(rc));
    return lua_error(L);
}

void luas__handles_new_class(lua_State *L, const char *name, const luaL_Reg *methods,
                             const luaL_Reg *meta)
{
    luaL_newmetatable(L, name);
    luaL_setfuncs(L, meta, 0);
    lua_newtable(L);
    lua_setfield(L, -2, "__index");
    lua_pop(L, 1);
    luas__handles_add_methods(L, name, methods);
}

/* Each has its class as an upvalue. */
void luas__handles_add_methods(lua_State *L, const char *name, const luaL_Reg *methods)
{
    luaL_getmetatable(L, name);
    lua_getfield(L, -1, "__index");
    lua_insert(L, -2);
    luaL_setfuncs(L, methods, 1);
    lua_pop(L, 1);
}

void luas__handles_keep(lua_State *L)
{
    if (!luas__keeper_add(L))
        luas__fail(L, "the Lua state is closing");
}

void *luas__handles_check(lua_State *L, int index, const char *name)
{
    void *object = lua_touserdata(L, index);
    if (object != NULL && lua_getmetatable(L, index)) {
        bool own = lua_rawequal(L, -1, lua_upvalueindex(1));
        lua_pop(L, 1);
        if (own)
            return object;
    }
    return luaL_checkudata(L, index, name);
}

luas__handle *luas__handles_pool(lua_State *L, int index)
{
    luas__handle *h = luas__handles_check(L, index, LUAS__POOL_CLASS);
    if (h->pool == NULL)
        luas__fail(L, "pool is closed");
    return h;
}
