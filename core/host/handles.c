/* Classes of userdata, and the errors of pools. */
#include "handles.h"

#include "clock.h"
#include "error.h"
#include "fail.h"
#include "keeper.h"

const char luas__handles_pool_class[] = "luas.core.pool", luas__handles_job_class[] = "luas.core.job";

int luas__handles_raise(lua_State *L, luas__pool *p, int rc)
{
    if (rc == LUAS_EBROKEN && p->health.why.len > 0)
        lua_pushstring(L, luas__buffer_bytes(&p->health.why));
    else if (luas__error_is_shortage(rc) && rc != LUAS_ENOMEM)
        return luas__fail(L, "a worker could not be forked: %s", luas_strerror(rc));
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

void luas__handles_add_methods(lua_State *L, const char *name, const luaL_Reg *methods)
{
    luaL_getmetatable(L, name);
    lua_getfield(L, -1, "__index");
    luaL_setfuncs(L, methods, 0);
    lua_pop(L, 2);
}

void luas__handles_keep(lua_State *L)
{
    if (!luas__keeper_add(L))
        luas__fail(L, "the Lua state is closing");
}

void *luas__handles_check(lua_State *L, int index, const char *name)
{
    const char **object = lua_touserdata(L, index);
    if (object != NULL && lua_rawlen(L, index) >= sizeof *object && *object == name)
        return object;
    return luaL_checkudata(L, index, name);
}

luas__handle *luas__handles_pool(lua_State *L, int index)
{
    luas__handle *h = luas__handles_check(L, index, LUAS__POOL_CLASS);
    if (h->pool == NULL)
        luas__fail(L, "pool is closed");
    return h;
}

/* After the key and value of lua_next in the pools at the top: the pool, if it is one of
   this process, or NULL. */
static luas__pool *own_pool(lua_State *L)
{
    luas__pool *p = ((luas__handle *)lua_touserdata(L, -2))->pool;
    return p != NULL && luas__fork_detect_is_here(&p->fork_detect) ? p : NULL;
}

bool luas__handles_step(lua_State *L)
{
    bool busy = false;
    lua_getfield(L, LUA_REGISTRYINDEX, LUAS__POOLS_KEY);
    for (lua_pushnil(L); lua_next(L, -2) != 0; lua_pop(L, 1)) {
        luas__pool *p = own_pool(L);
        if (p == NULL)
            continue;
        luas__fork_point at = {.L = L, .pool = lua_gettop(L) - 1};
        luas__pool_step(p, 0, &at); /* what fails is told to who waits for its jobs */
        if (luas__state_lock(p) < 0)
            continue;
        busy = busy || p->jobs.first != NULL;
        luas__state_unlock(p);
    }
    lua_pop(L, 1);
    return busy;
}

int64_t luas__handles_oldest_job(lua_State *L)
{
    int64_t oldest = luas__now_coarse();
    lua_getfield(L, LUA_REGISTRYINDEX, LUAS__POOLS_KEY);
    for (lua_pushnil(L); lua_next(L, -2) != 0; lua_pop(L, 1)) {
        luas__pool *p = own_pool(L);
        int64_t since = p != NULL ? luas__pool_oldest_job(p) : oldest;
        oldest = since < oldest ? since : oldest;
    }
    lua_pop(L, 1);
    return oldest;
}
