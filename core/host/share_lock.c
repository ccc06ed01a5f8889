/* Locks and semaphores. */
#include <errno.h>
#include <lauxlib.h>

#include "codec.h"
#include "error.h"
#include "fail.h"
#include "handles.h"
#include "share.h"
#include "share_argument.h"
#include "share_wait.h"
#include "shared_lock.h"
#include "shared_semaphore.h"

#define GUARD "shared.guard"

static const luas__object *lock_self(lua_State *L)
{
    return luas__share_self(L, LUAS__SHARED_LOCK);
}

static const luas__object *semaphore_self(lua_State *L)
{
    return luas__share_self(L, LUAS__SHARED_SEMAPHORE);
}

/* ---- making them ---- */

static int make_lock(luas__arena *a, luas__object *o, void *recursive)
{
    return luas__shared_lock_new(a, *(bool *)recursive, o);
}

int luas__share_lock_new(lua_State *L)
{
    static const char *const options[] = {"recursive", NULL};
    bool recursive = false;
    luas__share_argument_check_call(L, "lock");
    luas__share_argument_check_options(L, 1, "shared.lock", options);
    if (lua_istable(L, 1)) {
        int type = lua_getfield(L, 1, "recursive");
        if (type != LUA_TNIL && type != LUA_TBOOLEAN)
            luas__fail(L, "shared.lock: option 'recursive' must be a boolean, got %s",
                       luaL_typename(L, -1));
        recursive = lua_toboolean(L, -1);
    }
    return luas__share_make(L, LUAS__SHARED_LOCK, make_lock, &recursive);
}

static int make_semaphore(luas__arena *a, luas__object *o, void *permits)
{
    return luas__shared_semaphore_new(a, *(uint32_t *)permits, o);
}

int luas__share_lock_semaphore(lua_State *L)
{
    luas__share_argument_check_call(L, "semaphore");
    uint32_t permits = (uint32_t)luas__share_argument_whole(L, 1, "semaphore", 1, INT32_MAX);
    return luas__share_make(L, LUAS__SHARED_SEMAPHORE, make_semaphore, &permits);
}

/* ---- who had it ---- */

/* Pushes the argument of the task, or a table of several. Pushes nil if they cannot be decoded
   without the space of the job. */
static void push_input(lua_State *L, const luas__death *d)
{
    int top = lua_gettop(L);
    int n = d->len > 0 ? luas__decode(L, d->input, d->len, 0, 0) : 0;
    if (n == 1)
        return;
    if (n <= 0) {
        lua_settop(L, top);
        lua_pushnil(L);
        return;
    }
    lua_createtable(L, n, 0);
    lua_insert(L, top + 1);
    for (int i = n; i > 0; i--)
        lua_rawseti(L, top + 1, i);
}

static void set_number(lua_State *L, const char *name, int64_t n)
{
    if (n != 0) {
        lua_pushinteger(L, n);
        lua_setfield(L, -2, name);
    }
}

void luas__share_lock_push_death(lua_State *L, const luas__death *d)
{
    luaL_checkstack(L, LUA_MINSTACK, NULL);
    lua_createtable(L, 0, 4);
    set_number(L, "pid", d->pid);
    set_number(L, "worker", d->worker);
    set_number(L, "task", d->task);
    push_input(L, d);
    lua_setfield(L, -2, "input");
}

/* ---- locks ---- */

/* Takes the lock. Returns 0 or LUAS__DIED, or LUAS_ETIMEDOUT when the time is over. Raises
   other failures. */
static int take(lua_State *L, const luas__object *o, int seconds, luas__death *death)
{
    luas__share_sign(L, o->arena);
    int rc = luas__shared_lock_take(o, 0, death);
    if (rc >= 0)
        return rc;
    luas__share_wait w = luas__share_wait_begin(L, o, seconds, "wait for the lock");
    while ((rc = luas__shared_lock_take(o, luas__share_wait_slice(&w), death)) < 0) {
        if (rc == -EDEADLK && w.deadline == INT64_MAX)
            luas__fail(L, "this process holds the lock already");
        if (rc == -EDEADLK)
            luas__share_wait_sleep(&w);
        if (!luas__share_wait_on(&w, rc == -EDEADLK ? LUAS_ETIMEDOUT : rc))
            return LUAS_ETIMEDOUT;
    }
    return rc;
}

/* Pushes whether it was taken, and the last holder if that died with it. */
static int push_taken(lua_State *L, int rc, const luas__death *death)
{
    lua_pushboolean(L, rc >= 0);
    if (rc != LUAS__DIED)
        return 1;
    luas__share_lock_push_death(L, death);
    return 2;
}

static int lock_acquire(lua_State *L)
{
    luas__death death;
    int rc = take(L, lock_self(L), 2, &death);
    return push_taken(L, rc, &death);
}

static int lock_release(lua_State *L)
{
    if (luas__shared_lock_release(lock_self(L)) < 0)
        return luas__fail(L, "this process does not hold the lock");
    return 0;
}

/* A guard: a userdata whose user value is the lock, until it is closed. */
static int guard_close(lua_State *L)
{
    luaL_checkudata(L, 1, GUARD);
    if (lua_getiuservalue(L, 1, 1) != LUA_TUSERDATA)
        return 0;
    const luas__share *s = lua_touserdata(L, -1);
    lua_pushnil(L);
    lua_setiuservalue(L, 1, 1);
    if (s->object.at != NULL && luas__arena_enter(s->object.arena) == 0)
        luas__shared_lock_release(&s->object); /* fails if it was released before */
    return 0;
}

static int lock_hold(lua_State *L)
{
    luas__death death;
    const luas__object *o = lock_self(L);
    lua_settop(L, 1);
    lua_newuserdatauv(L, 0, 1);
    luaL_setmetatable(L, GUARD);
    luas__handles_keep(L);
    int rc = take(L, o, 3, &death);
    lua_pushvalue(L, 1);
    lua_setiuservalue(L, 2, 1);
    if (rc != LUAS__DIED)
        return 1;
    luas__share_lock_push_death(L, &death);
    return 2;
}

/* ---- semaphores ---- */

static int semaphore_acquire(lua_State *L)
{
    int rc;
    const luas__object *o = semaphore_self(L);
    luas__share_wait w = luas__share_wait_begin(L, o, 2, "wait for a permit");
    while ((rc = luas__shared_semaphore_take(o)) == LUAS_ETIMEDOUT) {
        rc = luas__shared_semaphore_await(o, luas__share_wait_slice(&w));
        if (!luas__share_wait_on(&w, rc))
            return lua_pushboolean(L, luas__shared_semaphore_take(o) == 0), 1;
    }
    luas__share_check(L, o->arena, rc);
    lua_pushboolean(L, 1);
    return 1;
}

static int semaphore_release(lua_State *L)
{
    const luas__object *o = semaphore_self(L);
    int rc = luas__shared_semaphore_release(o);
    if (rc == -EPERM)
        return luas__fail(L, "this process holds no permit of the semaphore");
    return luas__share_check(L, o->arena, rc);
}

static int semaphore_count(lua_State *L)
{
    lua_pushinteger(L, luas__shared_semaphore_count(semaphore_self(L)));
    return 1;
}

void luas__share_lock_open(lua_State *L)
{
    static const luaL_Reg lock[] = {
        {"acquire", lock_acquire}, {"release", lock_release}, {"hold", lock_hold}, {NULL, NULL},
    };
    static const luaL_Reg semaphore[] = {
        {"acquire", semaphore_acquire}, {"release", semaphore_release},
        {"count", semaphore_count}, {NULL, NULL},
    };
    static const luaL_Reg none[] = {{NULL, NULL}};
    luas__share_class(L, LUAS__SHARED_LOCK, lock, none);
    luas__share_class(L, LUAS__SHARED_SEMAPHORE, semaphore, none);
    luaL_newmetatable(L, GUARD);
    lua_pushcfunction(L, guard_close);
    lua_setfield(L, -2, "__close");
    lua_pushcfunction(L, guard_close);
    lua_setfield(L, -2, "__gc");
    lua_pop(L, 1);
}
