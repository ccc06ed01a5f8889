/* See inline_hook.h. The registry has the function of a noted hook by the note's address. */
#define _GNU_SOURCE
#include "inline_hook.h"

#include <lauxlib.h>
#include <lualib.h>
#include <signal.h>
#include <stdbool.h>

enum { SLOTS = 10 };

/* In the registry: the functions that debug.sethook has, by thread. */
#define FUNCTIONS "_HOOKKEY"

/* Pushes the table of these, or something else. */
static bool push_functions(lua_State *L)
{
    return lua_getfield(L, LUA_REGISTRYINDEX, FUNCTIONS) == LUA_TTABLE;
}

/* Pushes the function of this thread's hook, or nil. */
static void push_function(lua_State *L)
{
    if (push_functions(L)) {
        lua_pushthread(L);
        lua_rawget(L, -2);
    } else {
        lua_pushnil(L);
    }
    lua_remove(L, -2);
}

void luas__inline_hook_note(lua_State *L, luas__inline_hook *h)
{
    luaL_checkstack(L, SLOTS, NULL);
    *h = (luas__inline_hook){lua_gethook(L), lua_gethookmask(L), lua_gethookcount(L)};
    push_function(L);
    lua_rawsetp(L, LUA_REGISTRYINDEX, h);
}

void luas__inline_hook_forget(lua_State *L, const luas__inline_hook *h)
{
    lua_pushnil(L);
    lua_rawsetp(L, LUA_REGISTRYINDEX, h);
}

/* The hook that debug.sethook sets, as a thread tells for which it is called; or NULL. */
static lua_Hook find_hook_of_lua(lua_State *L)
{
    int top = lua_gettop(L);
    lua_Hook f = NULL;
    luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
    if (lua_getfield(L, -1, LUA_DBLIBNAME) == LUA_TTABLE) {
        lua_getfield(L, -1, "sethook");
        lua_State *thread = lua_newthread(L);
        lua_getfield(L, -3, "gethook"); /* any function */
        lua_pushliteral(L, "c");
        if (lua_pcall(L, 3, 0, 0) == LUA_OK)
            f = lua_gethook(thread);
    }
    lua_settop(L, top);
    return f;
}

/* Is the hook that is set now the noted one, with its function? */
static bool is_there(lua_State *L, const luas__inline_hook *h)
{
    if (lua_gethook(L) != h->f || lua_gethookmask(L) != h->mask || lua_gethookcount(L) != h->count)
        return false;
    push_function(L);
    lua_rawgetp(L, LUA_REGISTRYINDEX, h);
    bool is = lua_rawequal(L, -1, -2);
    lua_pop(L, 2);
    return is;
}

/* Replaces this hook, unless a handler of a signal has set another one meanwhile. */
static void replace(lua_State *L, lua_Hook now, const luas__inline_hook *by)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    if (lua_gethook(L) == now)
        lua_sethook(L, by->f, by->mask, by->count);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

void luas__inline_hook_restore(lua_State *L, const luas__inline_hook *h, lua_Hook own)
{
    const luas__inline_hook none = {NULL, 0, 0};
    const luas__inline_hook now = {lua_gethook(L), lua_gethookmask(L), lua_gethookcount(L)};
    bool is_ours = now.f == NULL || now.f == own;
    if ((is_ours && (h->f == NULL || h->f == own)) || is_there(L, h))
        return;
    luaL_checkstack(L, SLOTS, NULL);
    replace(L, now.f, &none); /* so it sees none of the calls below */
    if (!is_ours && now.f != find_hook_of_lua(L)) {
        replace(L, NULL, &now);
        return;
    }
    if (push_functions(L)) {
        lua_pushthread(L);
        lua_rawgetp(L, LUA_REGISTRYINDEX, h);
        lua_rawset(L, -3);
    }
    lua_pop(L, 1);
    replace(L, NULL, h->f == own ? &none : h);
}
