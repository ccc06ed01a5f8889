/* Events, conditions and barriers. */
#include <errno.h>
#include <lauxlib.h>

#include "clock.h"
#include "error.h"
#include "fail.h"
#include "share.h"
#include "share_argument.h"
#include "share_wait.h"
#include "shared_barrier.h"
#include "shared_condition.h"
#include "shared_event.h"
#include "shared_lock.h"

/* ---- events ---- */

static const luas__object *event_self(lua_State *L)
{
    return luas__share_self(L, LUAS__SHARED_EVENT);
}

static int make_event(luas__arena *a, luas__object *o, void *none)
{
    (void)none;
    return luas__shared_event_new(a, o);
}

int luas__share_meet_event(lua_State *L)
{
    luas__share_argument_check_call(L, "event");
    return luas__share_make(L, LUAS__SHARED_EVENT, make_event, NULL);
}

static int event_set(lua_State *L)
{
    luas__shared_event_set(event_self(L));
    return 0;
}

static int event_clear(lua_State *L)
{
    luas__shared_event_clear(event_self(L));
    return 0;
}

static int event_is_set(lua_State *L)
{
    lua_pushboolean(L, luas__shared_event_is_set(event_self(L)));
    return 1;
}

static int event_wait(lua_State *L)
{
    const luas__object *o = event_self(L);
    luas__share_wait w = luas__share_wait_begin(L, o, 2, "wait for the event");
    while (!luas__shared_event_is_set(o)) {
        int rc = luas__shared_event_await(o, luas__share_wait_slice(&w));
        if (luas__shared_event_is_set(o))
            break;
        if (!luas__share_wait_on(&w, rc))
            return lua_pushboolean(L, 0), 1;
    }
    lua_pushboolean(L, 1);
    return 1;
}

/* ---- conditions ---- */

static luas__share *condition_self(lua_State *L)
{
    return luas__share_at(L, 1, LUAS__SHARED_CONDITION);
}

static int make_condition(luas__arena *a, luas__object *o, void *lock)
{
    return luas__shared_condition_new(a, *(uint64_t *)lock, o);
}

int luas__share_meet_condition(lua_State *L)
{
    uint64_t lock = 0;
    luas__share_argument_check_call(L, "condition");
    if (!lua_isnoneornil(L, 1)) {
        const luas__share *l = luaL_testudata(L, 1, luas__share_names[LUAS__SHARED_LOCK]);
        if (l == NULL)
            return luas__fail_argument(L, 1, "condition", "a shared lock expected");
        lock = luas__share_at(L, 1, LUAS__SHARED_LOCK)->object.id;
    }
    luas__share_make(L, LUAS__SHARED_CONDITION, make_condition, &lock);
    luas__share_find_lock(L, lua_touserdata(L, -1));
    return 1;
}

/* Stops waiting. If a notice came meanwhile it is passed to another process. */
static void give_up(const luas__object *o)
{
    if (luas__shared_condition_leave(o) == 1)
        luas__shared_condition_notify(o, 1);
}

/* A value for `<close>`: cleans up if an error ends the wait. */
typedef struct waiting {
    luas__object condition;
    bool is_there;
} waiting;

static int waiting_close(lua_State *L)
{
    waiting *w = lua_touserdata(L, 1);
    if (w->is_there && luas__fork_detect_is_here(&w->condition.arena->here))
        give_up(&w->condition);
    w->is_there = false;
    return 0;
}

static waiting *push_waiting(lua_State *L, const luas__object *o)
{
    waiting *w = lua_newuserdatauv(L, sizeof *w, 1);
    *w = (waiting){.condition = *o};
    lua_pushvalue(L, 1);
    lua_setiuservalue(L, -2, 1);
    if (luaL_newmetatable(L, "shared.waiting")) {
        lua_pushcfunction(L, waiting_close);
        lua_setfield(L, -2, "__close");
    }
    lua_setmetatable(L, -2);
    lua_toclose(L, -1);
    return w;
}

/* Releases the lock and waits for a notice. Returns true when it came. */
static bool await_notice(lua_State *L, const luas__object *o, luas__share_wait *w)
{
    int rc;
    waiting *there = push_waiting(L, o);
    luas__share_check(L, o->arena, luas__shared_condition_enter(o));
    there->is_there = true;
    const luas__share *s = lua_touserdata(L, 1);
    if (s->lock.at != NULL)
        luas__shared_lock_leave(&s->lock);
    do {
        rc = luas__shared_condition_await(o, luas__share_wait_slice(w));
    } while (rc != 1 && luas__share_wait_on(w, rc));
    there->is_there = false;
    if (rc != 1)
        rc = luas__shared_condition_leave(o);
    lua_closeslot(L, lua_gettop(L));
    lua_pop(L, 1);
    return rc == 1;
}

/* Takes the lock again, however long that takes. Returns 0 or LUAS__DIED. */
static int retake(lua_State *L, const luas__share *s, uint32_t depth, luas__death *death)
{
    int rc = 0;
    lua_pushnil(L);
    luas__share_wait w = luas__share_wait_begin(L, &s->lock, lua_gettop(L), "wait for the lock");
    luas__share_sign(L, s->lock.arena);
    while ((rc = luas__shared_lock_retake(&s->lock, depth, LUAS__SLICE, death)) < 0)
        luas__share_wait_on(&w, rc);
    lua_pop(L, 1);
    return rc;
}

/* Waits once. Returns whether this process was notified; *rc is the result of taking the lock
   again. */
static bool wait_once(lua_State *L, luas__share_wait *w, int *rc, luas__death *death)
{
    luas__share *s = condition_self(L);
    uint32_t depth = s->lock.at != NULL ? luas__shared_lock_depth(&s->lock) : 0;
    if (s->lock.at != NULL && depth == 0)
        luas__fail(L, "this process does not hold the condition's lock");
    bool notified = await_notice(L, &s->object, w);
    *rc = depth > 0 ? retake(L, s, depth, death) : 0;
    return notified;
}

static int push_result(lua_State *L, bool result, int rc, const luas__death *death)
{
    lua_pushboolean(L, result);
    if (rc != LUAS__DIED)
        return 1;
    luas__share_lock_push_death(L, death);
    return 2;
}

static int condition_wait(lua_State *L)
{
    int rc;
    luas__death death;
    lua_settop(L, 2);
    luas__share_wait w = luas__share_wait_begin(L, &condition_self(L)->object, 2,
                                                "wait for a notice");
    bool notified = wait_once(L, &w, &rc, &death);
    return push_result(L, notified, rc, &death);
}

/* Calls the function at 2, and leaves its first result at the top. */
static bool holds_now(lua_State *L)
{
    lua_settop(L, 3);
    lua_pushvalue(L, 2);
    lua_call(L, 0, 1);
    return lua_toboolean(L, -1);
}

/* Checks the function at each notice, and also now and then: the process that should notify may
   have died. */
static int condition_wait_for(lua_State *L)
{
    int rc = 0, last;
    luas__death death;
    luas__share *s = condition_self(L);
    luas__share_argument_check_callable(L, 2, "wait_for");
    lua_settop(L, 3);
    luas__share_wait w = luas__share_wait_begin(L, &s->object, 3, "wait for a notice");
    while (!holds_now(L)) {
        luas__share_wait once = w;
        int64_t slice = luas__share_wait_slice(&w);
        if (w.deadline != INT64_MAX && slice <= 0)
            break;
        once.deadline = luas__now() + slice;
        if (!wait_once(L, &once, &last, &death) && w.deadline == INT64_MAX)
            luas__share_wait_on(&w, 0);
        rc = last == LUAS__DIED ? last : rc;
    }
    bool holds = lua_toboolean(L, -1);
    return push_result(L, holds, rc, &death);
}

static int condition_notify(lua_State *L)
{
    luas__share *s = condition_self(L);
    lua_Integer n = luaL_optinteger(L, 2, 1);
    luaL_argcheck(L, n >= 1 && n <= INT32_MAX, 2, "a whole number of at least 1 expected");
    return luas__share_check(L, s->object.arena,
                             luas__shared_condition_notify(&s->object, (uint32_t)n));
}

static int condition_notify_all(lua_State *L)
{
    luas__share *s = condition_self(L);
    return luas__share_check(L, s->object.arena,
                             luas__shared_condition_notify(&s->object, UINT32_MAX));
}

/* ---- barriers ---- */

static const luas__object *barrier_self(lua_State *L)
{
    return luas__share_self(L, LUAS__SHARED_BARRIER);
}

static int make_barrier(luas__arena *a, luas__object *o, void *n)
{
    return luas__shared_barrier_new(a, *(uint32_t *)n, o);
}

int luas__share_meet_barrier(lua_State *L)
{
    luas__share_argument_check_call(L, "barrier");
    uint32_t parties = (uint32_t)luas__share_argument_whole(L, 1, "barrier", 1, LUAS__SEATS);
    return luas__share_make(L, LUAS__SHARED_BARRIER, make_barrier, &parties);
}

static int broken_tostring(lua_State *L)
{
    lua_pushliteral(L, "the barrier is broken");
    if (lua_getfield(L, 1, "pid") == LUA_TNUMBER) {
        lua_pushfstring(L, " by process %d", (int)lua_tointeger(L, -1));
        lua_remove(L, -2);
        lua_concat(L, 2);
    } else {
        lua_pop(L, 1);
    }
    return 1;
}

static int raise_broken(lua_State *L, const luas__barrier_visit *v)
{
    lua_createtable(L, 0, 3);
    lua_pushboolean(L, 1);
    lua_setfield(L, -2, "broken");
    if (v->pid != 0) {
        lua_pushinteger(L, v->pid);
        lua_setfield(L, -2, "pid");
    }
    if (v->worker != 0) {
        lua_pushinteger(L, v->worker);
        lua_setfield(L, -2, "worker");
    }
    luaL_setmetatable(L, "shared.broken");
    return lua_error(L);
}

/* A value for `<close>`: breaks the barrier if the wait ends for whatever reason. */
typedef struct visit {
    luas__object barrier;
    luas__barrier_visit visit;
    bool is_there;
} visit;

static int visit_close(lua_State *L)
{
    visit *v = lua_touserdata(L, 1);
    if (v->is_there && luas__fork_detect_is_here(&v->barrier.arena->here))
        luas__shared_barrier_leave(&v->barrier, &v->visit);
    v->is_there = false;
    return 0;
}

static visit *push_visit(lua_State *L, const luas__object *o)
{
    visit *v = lua_newuserdatauv(L, sizeof *v, 1);
    *v = (visit){.barrier = *o};
    lua_pushvalue(L, 1);
    lua_setiuservalue(L, -2, 1);
    luaL_setmetatable(L, "shared.visit");
    lua_toclose(L, -1);
    return v;
}

static int barrier_wait(lua_State *L)
{
    const luas__object *o = barrier_self(L);
    lua_settop(L, 2);
    luas__share_wait w = luas__share_wait_begin(L, o, 2, "wait at the barrier");
    visit *v = push_visit(L, o);
    int rc = luas__shared_barrier_enter(o, &v->visit);
    v->is_there = rc == 0;
    while (rc == 0 || rc == LUAS_EINTR) {
        rc = luas__shared_barrier_await(o, &v->visit, luas__share_wait_slice(&w));
        if ((rc == 0 || rc == LUAS_EINTR) && !luas__share_wait_on(&w, rc))
            rc = luas__shared_barrier_leave(o, &v->visit);
    }
    v->is_there = false;
    if (rc == -EPIPE)
        return raise_broken(L, &v->visit);
    luas__share_check(L, o->arena, rc);
    lua_pushinteger(L, v->visit.place);
    return 1;
}

static int barrier_reset(lua_State *L)
{
    const luas__object *o = barrier_self(L);
    return luas__share_check(L, o->arena, luas__shared_barrier_reset(o));
}

/* ---- registration ---- */

static void set_meta(lua_State *L, const char *name, const char *field, lua_CFunction f)
{
    luaL_newmetatable(L, name);
    lua_pushcfunction(L, f);
    lua_setfield(L, -2, field);
    lua_pop(L, 1);
}

void luas__share_meet_open(lua_State *L)
{
    static const luaL_Reg event[] = {
        {"set", event_set}, {"clear", event_clear}, {"is_set", event_is_set},
        {"wait", event_wait}, {NULL, NULL},
    };
    static const luaL_Reg condition[] = {
        {"wait", condition_wait}, {"wait_for", condition_wait_for}, {"notify", condition_notify},
        {"notify_all", condition_notify_all}, {NULL, NULL},
    };
    static const luaL_Reg barrier[] = {
        {"wait", barrier_wait}, {"reset", barrier_reset}, {NULL, NULL},
    };
    static const luaL_Reg none[] = {{NULL, NULL}};
    luas__share_class(L, LUAS__SHARED_EVENT, event, none);
    luas__share_class(L, LUAS__SHARED_CONDITION, condition, none);
    luas__share_class(L, LUAS__SHARED_BARRIER, barrier, none);
    set_meta(L, "shared.waiting", "__close", waiting_close);
    set_meta(L, "shared.visit", "__close", visit_close);
    set_meta(L, "shared.broken", "__tostring", broken_tostring);
}
