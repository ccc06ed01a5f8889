/* Closing a worker's state, as far as it is the worker's. */
#include "worker_end.h"

#include <lauxlib.h>
#include <stdbool.h>
#include <unistd.h>

#include "core.h"
#include "mark.h"
#include "orphan.h"
#include "serve.h"
#include "share.h"

/* KB. To close a state is to walk through it, and so to copy what it inherited: that may
   be too much. */
enum { LARGE_HEAP = 64 << 10 };

/* Registry: metatables with a __close that was put aside -> that. */
static const char aside_key = 'a';

static _Noreturn void leave(lua_State *L, int status)
{
    luas__share_leave(L);
    luas__serve_flush();
    luas__orphan_exit(status);
}

static int leave_at_mark(lua_State *L)
{
    leave(L, luas__mark_status(L));
}

static int begin(lua_State *L)
{
    lua_pushnil(L); /* that is the host's */
    lua_setfield(L, LUA_REGISTRYINDEX, LUAS__AT_END_KEY);
    bool is_in_finalizer = lua_gc(L, LUA_GCISRUNNING) < 0; /* Lua may be closing: no new ones */
    if (!is_in_finalizer && lua_gc(L, LUA_GCCOUNT) < LARGE_HEAP)
        luas__mark_make(L, leave_at_mark);
    return 0;
}

void luas__worker_end_prepare(lua_State *L)
{
    lua_pushcfunction(L, begin);
    if (lua_pcall(L, 0, 0, 0) != LUA_OK)
        lua_pop(L, 1);
}

/* ---- what tasks have submitted and started ---- */

/* As a script does at its end. */
static int finish(lua_State *L)
{
    if (lua_getfield(L, LUA_REGISTRYINDEX, LUAS__AT_END_KEY) == LUA_TFUNCTION) {
        lua_pushboolean(L, true);
        lua_call(L, 1, 0);
    }
    return 0;
}

/* Calls it with the status. What is raised nobody can be told. */
static bool call(lua_State *L, lua_CFunction f, int status)
{
    lua_pushcfunction(L, f);
    lua_pushinteger(L, status);
    return lua_pcall(L, 1, 1, 0) == LUA_OK && lua_toboolean(L, -1);
}

/* ---- variables of the host's that are to be closed ---- */

static int do_nothing(lua_State *L)
{
    (void)L;
    return 0;
}

/* Of the value at the top, which is popped. */
static void put_aside(lua_State *L, int aside)
{
    if (!lua_getmetatable(L, -1)) {
        lua_pop(L, 1);
        return;
    }
    lua_pushliteral(L, "__close");
    if (lua_rawget(L, -2) != LUA_TNIL && lua_tocfunction(L, -1) != do_nothing) {
        lua_pushvalue(L, -2);
        lua_pushvalue(L, -2);
        lua_rawset(L, aside);
        lua_pushliteral(L, "__close");
        lua_pushcfunction(L, do_nothing);
        lua_rawset(L, -4);
    }
    lua_pop(L, 3);
}

/* They are in the frames that the host left in the main thread. */
static void put_all_aside(lua_State *L, int aside)
{
    lua_rawgeti(L, LUA_REGISTRYINDEX, LUA_RIDX_MAINTHREAD);
    lua_State *M = lua_tothread(L, -1);
    lua_Debug ar;
    bool has_room = lua_checkstack(M, 1); /* an error in M would go to the host's frames */
    for (int level = 0; has_room && lua_getstack(M, level, &ar); level++)
        for (int n = 1; lua_getlocal(M, &ar, n) != NULL; n++) {
            lua_xmove(M, L, 1);
            put_aside(L, aside);
        }
    lua_pop(L, 1);
}

/* The finalizer of the youngest object: for all others the classes are as they were. */
static int restore(lua_State *L)
{
    lua_rawgetp(L, LUA_REGISTRYINDEX, &aside_key);
    for (lua_pushnil(L); lua_next(L, -2) != 0; lua_pop(L, 1)) {
        lua_pushliteral(L, "__close");
        lua_pushvalue(L, -2);
        lua_rawset(L, -4);
    }
    return 0;
}

/* Argument: the status. Is there anything to finalize? */
static int get_ready(lua_State *L)
{
    luas__mark_set_status(L, (int)lua_tointeger(L, 1));
    if (!luas__mark_is_there(L) || luas__mark_is_clean(L))
        return 0;
    lua_newtable(L);
    lua_pushvalue(L, -1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &aside_key);
    put_all_aside(L, lua_gettop(L));
    lua_newtable(L);
    lua_createtable(L, 0, 1);
    lua_pushcfunction(L, restore);
    lua_setfield(L, -2, "__gc");
    lua_setmetatable(L, -2);
    lua_pushboolean(L, true);
    return 1;
}

void luas__worker_end(lua_State *L, int status)
{
    if (!lua_checkstack(L, LUA_MINSTACK))
        leave(L, status);
    if (status == 0)
        call(L, finish, status);
    if (!call(L, get_ready, status))
        leave(L, status);
    lua_close(L); /* the mark leaves; if it cannot, what it would give back is found by others */
    luas__serve_flush();
    luas__orphan_exit(status);
}
