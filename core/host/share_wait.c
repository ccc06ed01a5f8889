/* See share_wait.h. */
#define _GNU_SOURCE
#include "share_wait.h"

#include <math.h>
#include <time.h>

#include "clock.h"
#include "error.h"
#include "fail.h"
#include "handles.h"
#include "serving.h"
#include "share.h"

static const char tick_key = 't';

/* The hook of the main thread, if this is another thread; else NULL. */
static lua_Hook main_hook(lua_State *L)
{
    lua_Hook hook = NULL;
    bool is_main = lua_pushthread(L);
    lua_pop(L, 1);
    if (!is_main) {
        lua_rawgeti(L, LUA_REGISTRYINDEX, LUA_RIDX_MAINTHREAD);
        hook = lua_gethook(lua_tothread(L, -1));
        lua_pop(L, 1);
    }
    return hook;
}

luas__share_wait luas__share_wait_begin(lua_State *L, const luas__object *o, int seconds,
                                        const char *what)
{
    luas__share_wait w = {.L = L, .object = o, .what = what, .deadline = INT64_MAX,
                         .hook = main_hook(L)};
    if (lua_isnoneornil(L, seconds))
        return w;
    double s = luaL_checknumber(L, seconds);
    luaL_argcheck(L, !isnan(s), seconds, "a number of seconds expected, got NaN");
    if (s < 1e9)
        w.deadline = s > 0 ? luas__now() + luas__seconds(s) : 0;
    return w;
}

int64_t luas__share_wait_slice(const luas__share_wait *w)
{
    if (w->deadline == INT64_MAX)
        return LUAS__SLICE;
    int64_t left = w->deadline == 0 ? 0 : w->deadline - luas__now();
    return left < LUAS__SLICE ? left : LUAS__SLICE;
}

void luas__share_wait_sleep(const luas__share_wait *w)
{
    int64_t ns = luas__share_wait_slice(w);
    struct timespec t = {.tv_nsec = ns > 0 ? ns : 0};
    nanosleep(&t, NULL);
}

/* Runs some Lua code, so that hooks run, count hooks, too. */
static void tick(lua_State *L)
{
    luaL_checkstack(L, LUA_MINSTACK, NULL);
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, &tick_key) != LUA_TFUNCTION) {
        lua_pop(L, 1);
        static const char code[] = "for _ = 1, 200 do end";
        if (luaL_loadbuffer(L, code, sizeof code - 1, "@luas/shared.lua") != LUA_OK)
            lua_error(L);
        lua_pushvalue(L, -1);
        lua_rawsetp(L, LUA_REGISTRYINDEX, &tick_key);
    }
    lua_call(L, 0, 0);
}

/* A stop sets a hook in the main thread. If this is another thread the hook does not run here,
   so this checks for it. */
static void look_for_stop(const luas__share_wait *w)
{
    tick(w->L);
    if (luas__serving_stopped())
        luaL_error(w->L, "stopped by the pool");
    lua_Hook now = main_hook(w->L);
    if (now != NULL && now != w->hook)
        luaL_error(w->L, "interrupted!");
}

bool luas__share_wait_on(luas__share_wait *w, int rc)
{
    if (rc < 0 && rc != LUAS_EINTR && rc != LUAS_ETIMEDOUT)
        luas__share_check(w->L, w->object->arena, rc);
    if (w->deadline == 0)
        return false; /* a caller that does not wait may ask often: keep it cheap */
    look_for_stop(w);
    bool goes_on = luas__handles_step(w->L), was_alone = w->is_alone;
    w->is_alone = w->deadline == INT64_MAX && !goes_on && !luas__arena_is_shared(w->object);
    if (w->is_alone && was_alone) /* there was one more try after the last other process ended */
        luas__fail(w->L, "this would %s for ever: no other process has it", w->what);
    return w->deadline == INT64_MAX || luas__share_wait_slice(w) > 0;
}
