/* Stops the running task politely, and notices forks. */
#define _GNU_SOURCE
#include "serving.h"

#include <lauxlib.h>
#include <pthread.h>

#include "orphan.h"
#include "own_code.h"

luas__serving_task luas__serving;

uint32_t luas__serving_seq(void)
{
    return luas__serving.busy ? luas__serving.seq : 0;
}

bool luas__serving_stopped(void)
{
    return luas__serving.busy
        && (atomic_load(&luas__serving.scoreboard->stop) == luas__serving.seq || luas__orphan_is());
}

static void raise_if_meant(lua_State *L)
{
    luas__kept_hook_set(L);
    if (luas__serving_stopped())
        luaL_error(L, "stopped by the pool");
}

static void on_stop_hook(lua_State *L, lua_Debug *ar)
{
    (void)ar;
    if (luas__serving.leeway > 0 && luas__serving_stopped() && luas__own_code_runs(L))
        luas__serving.leeway--;
    else
        raise_if_meant(L);
}

void luas__serving_look_for_stop(lua_State *L)
{
    if (lua_gethook(L) == on_stop_hook)
        raise_if_meant(L);
}

static void on_stop_signal(int signal)
{
    (void)signal;
    if (luas__serving.L == NULL)
        return;
    luas__serving.leeway = LUAS__LEEWAY;
    lua_sethook(luas__serving.L, on_stop_hook,
                LUA_MASKCALL | LUA_MASKRET | LUA_MASKLINE | LUA_MASKCOUNT, 1);
}

void luas__serving_replace_hook(lua_State *L)
{
    if (lua_gethook(L) == on_stop_hook)
        return;
    luas__kept_hook_set(L);
    if (luas__serving_stopped())
        on_stop_signal(0);
}

/* ---- forks ---- */

static void note_fork(void)
{
    luas__serving.is_fork = true;
}

static void watch_forks(void)
{
    pthread_atfork(NULL, NULL, note_fork); /* without memory forks are not noticed */
}

void luas__serving_watch_forks(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, watch_forks);
}

void luas__serving_catch_stop(lua_State *L, luas__scoreboard *scoreboard)
{
    luas__serving.L = L;
    luas__serving.scoreboard = scoreboard;
    luas__serving.is_fork = false;
    luas__serving_watch_forks();
    struct sigaction action = {.sa_handler = on_stop_signal};
    sigaction(SIGUSR1, &action, NULL);
}
