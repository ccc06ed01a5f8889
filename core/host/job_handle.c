/* Jobs as userdata: makes them, carries their functions, cancels and drops them. */
#define _GNU_SOURCE
#include "job_handle.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "cpus.h"
#include "error.h"
#include "codec.h"
#include "fail.h"
#include "gc_hold.h"
#include "ship_cache.h"
#include "serve.h"
#include "space.h"

#define POLICY "luas.core.policy"

/*
 * A function is also inherited if shipping it takes longer, as far as is known. Shipping: the host
 * encodes it, and each worker decodes it in twice that time. Inheriting: what it has taken lately until
 * all workers were at work, and a fifth of that for their end. Where nothing is known encoding has
 * this many ns: inheriting once makes it known.
 */
#define UNKNOWN_BUDGET (LUAS__MS / 10)
enum { DECODING = 2 };
#define WITH_ENDS 1.2

/* So often the same function is inherited before it is encoded again. */
enum { TRY_AGAIN = 4 };

/* ---- handles ---- */

luas__job_handle *luas__job_handle_of(lua_State *L)
{
    return luas__handles_check(L, AT_JOB, LUAS__JOB_CLASS);
}

luas__job_handle *luas__job_handle_check(lua_State *L)
{
    luas__job_handle *h = luas__job_handle_of(L);
    luas__job_handle_check_alive(L, h);
    return h;
}

/* Pushes the pool's cache of carried functions. */
static int push_recalled(lua_State *L)
{
    lua_getiuservalue(L, AT_JOB, JOB_POOL);
    lua_getiuservalue(L, -1, LUAS__POOL_RECALLED);
    lua_remove(L, -2);
    return lua_gettop(L);
}

void luas__job_handle_return_memo(lua_State *L, const luas__job_handle *h)
{
    if (h->forgotten != h->pool->forgotten)
        return;
    int cache = push_recalled(L);
    if (lua_getiuservalue(L, AT_JOB, JOB_MEMO) == LUA_TTABLE)
        luas__ship_cache_keep(L, cache);
    else
        lua_pop(L, 1);
    lua_pop(L, 1);
    lua_pushnil(L);
    lua_setiuservalue(L, AT_JOB, JOB_MEMO);
}

static void release_scratch(luas__job_handle *h)
{
    luas__buffer_release(&h->bytes);
    luas__buffer_release(&h->defines);
    free(h->ends);
    h->ends = NULL;
    h->count = h->cap = 0;
}

static void forget_carried(lua_State *L, int64_t id)
{
    lua_getfield(L, LUA_REGISTRYINDEX, LUAS__CARRIED_KEY);
    lua_pushnil(L);
    lua_rawseti(L, -2, id);
    lua_pop(L, 1);
}

/* Drops the job of the engine first: later steps need memory and may raise. */
static int job_drop(lua_State *L)
{
    luas__job_handle *h = luas__job_handle_of(L);
    luas__job *job = h->job;
    if (h->reading && job != NULL)
        return luas__fail(L, "the results of this job are being read");
    h->job = NULL;
    release_scratch(h);
    if (job != NULL && h->pool->pool != NULL && luas__fork_detect_is_here(&h->pool->pool->fork_detect)) {
        bool inherits = job->policy.flags & LUAS__JOB_INHERIT;
        int64_t id = job->id;
        luas__pool_drop(h->pool->pool, job);
        if (inherits)
            forget_carried(L, id);
        luas__job_handle_return_memo(L, h);
    }
    return 0;
}

static int collect_job(lua_State *L)
{
    luas__job_handle_of(L)->collected = true;
    return job_drop(L);
}

static double number_field(lua_State *L, const char *name, double standard)
{
    lua_getfield(L, 2, name);
    double value = luaL_optnumber(L, -1, standard);
    lua_pop(L, 1);
    return value;
}

/* A count. One that is too large to fit becomes the largest. */
static uint32_t count_field(lua_State *L, const char *name)
{
    double n = number_field(L, name, 0);
    return n < UINT32_MAX ? (uint32_t)n : UINT32_MAX;
}

static int flag_field(lua_State *L, const char *name, int flag)
{
    lua_getfield(L, 2, name);
    int value = lua_toboolean(L, -1) ? flag : 0;
    lua_pop(L, 1);
    return value;
}

static int64_t seed_field(lua_State *L, int *flags)
{
    int64_t seed = 0;
    if (lua_getfield(L, 2, "seed") != LUA_TNIL) {
        *flags |= LUAS__JOB_SEEDED;
        seed = luaL_checkinteger(L, -1);
    }
    lua_pop(L, 1);
    return seed;
}

static luas__policy read_policy(lua_State *L)
{
    const luas__policy *ready = luaL_testudata(L, 2, POLICY);
    if (ready != NULL)
        return *ready;
    luaL_checktype(L, 2, LUA_TTABLE);
    luas__policy p = {
        .timeout = luas__seconds(number_field(L, "timeout", 0)),
        .grace = luas__seconds(number_field(L, "grace", 0.5)),
        .deadline = luas__seconds(number_field(L, "deadline", 0)),
        .limit = {
            .n = (uint32_t)number_field(L, "limit_n", 0),
            .interval = luas__seconds(number_field(L, "limit_interval", 0)),
        },
        .retries = (int32_t)number_field(L, "retries", 0),
        .retry = {
            .on = (enum luas__retry_on)number_field(L, "retry_on", LUAS__RETRY_CRASHES),
            .delay = luas__seconds(number_field(L, "retry_delay", 0)),
            .max = luas__seconds(number_field(L, "retry_max", 0)),
            .factor = number_field(L, "retry_factor", 1),
        },
        .chunk = (uint32_t)number_field(L, "chunk", 0),
        .halt = {.n = count_field(L, "halt"), .percent = number_field(L, "halt_percent", 0)},
        .priority = (int32_t)number_field(L, "priority", 0),
        .room = (size_t)number_field(L, "room", 0),
    };
    p.flags = flag_field(L, "process", LUAS__JOB_PROCESS) | flag_field(L, "star", LUAS__JOB_STAR)
        | flag_field(L, "discard", LUAS__JOB_DISCARD) | flag_field(L, "each", LUAS__JOB_EACH)
        | flag_field(L, "async", LUAS__JOB_ASYNC) | flag_field(L, "stamped", LUAS__JOB_STAMPED)
        | flag_field(L, "names", LUAS__JOB_NAMES) | flag_field(L, "bare", LUAS__JOB_BARE);
    p.halt.now = flag_field(L, "halt_now", 1);
    p.seed = seed_field(L, &p.flags);
    if (p.timeout > 0)
        p.flags |= LUAS__JOB_TIMED;
    return p;
}

int luas__job_handle_policy(lua_State *L)
{
    lua_settop(L, 1);
    lua_pushvalue(L, 1); /* at 2, where P:job has it, too */
    luas__policy policy = read_policy(L);
    luas__policy *p = lua_newuserdatauv(L, sizeof *p, 0);
    *p = policy;
    luaL_setmetatable(L, POLICY);
    return 1;
}

int luas__job_handle_new(lua_State *L)
{
    luas__handle *pool = luas__handles_pool(L, 1);
    luas__policy policy = read_policy(L);
    luas__job_handle *h = lua_newuserdatauv(L, sizeof *h, 5);
    *h = (luas__job_handle){.class = LUAS__JOB_CLASS, .pool = pool};
    luaL_setmetatable(L, LUAS__JOB_CLASS);
    luas__handles_keep(L);
    lua_pushvalue(L, 1);
    lua_setiuservalue(L, -2, JOB_POOL);
    luas__job *job = luas__job_new(&policy);
    int rc = job == NULL ? LUAS_ENOMEM : luas__pool_start(pool->pool, job);
    if (rc < 0) {
        luas__job_free(job);
        return luas__handles_raise(L, pool->pool, rc);
    }
    h->job = job;
    return 1;
}

/* ---- the function ---- */

int luas__job_handle_space(lua_State *L)
{
    if (lua_getiuservalue(L, AT_JOB, JOB_SPACE) == LUA_TNIL) {
        lua_pop(L, 1);
        luas__space_new(L, 0);
        lua_pushvalue(L, -1);
        lua_setiuservalue(L, AT_JOB, JOB_SPACE);
    }
    return lua_gettop(L);
}

int luas__job_handle_refuse(lua_State *L)
{
    lua_pushnil(L);
    lua_insert(L, -2);
    return 2;
}

/* Carries the function at 2 by its memo, which is at the top: it was carried before and has not
   changed. */
static int carry_again(lua_State *L, luas__job_handle *h)
{
    size_t len;
    int memo = lua_gettop(L);
    lua_pushvalue(L, memo);
    lua_setiuservalue(L, AT_JOB, JOB_MEMO);
    lua_rawgeti(L, memo, MEMO_SPACE);
    lua_setiuservalue(L, AT_JOB, JOB_SPACE);
    lua_rawgeti(L, memo, MEMO_MESSAGE);
    const char *message = lua_tolstring(L, -1, &len);
    luas__job_handle_try(L, h, luas__pool_define(h->pool->pool, h->job, message, len));
    lua_pushboolean(L, 1);
    lua_rawgeti(L, memo, MEMO_MODULES);
    return 2;
}

/* The ns that encoding may take for a job of so many workers; 0: any. The state of workers that `init`
   has set up is theirs alone, so then time does not decide. */
static int64_t encoding_budget(luas__pool *p, double workers)
{
    if (p->options.has_init)
        return 0;
    double cost = (double)luas__pool_inherit_cost(p), in_turn = workers / luas__state_cpus(p);
    int64_t budget = (int64_t)(cost * WITH_ENDS / (1 + DECODING * (in_turn > 1 ? in_turn : 1)));
    return budget > UNKNOWN_BUDGET ? budget : UNKNOWN_BUDGET;
}

/* Was the function at 2 too costly to ship, a few calls ago? */
static bool was_costly(lua_State *L, int cache)
{
    lua_pushvalue(L, 2);
    lua_Integer left = lua_rawget(L, cache) == LUA_TNUMBER ? lua_tointeger(L, -1) : 0;
    lua_pop(L, 1);
    if (left == 0)
        return false;
    lua_pushvalue(L, 2);
    left > 1 ? lua_pushinteger(L, left - 1) : lua_pushnil(L);
    lua_rawset(L, cache);
    return true;
}

static void note_costly(lua_State *L)
{
    int cache = push_recalled(L);
    lua_pushvalue(L, 2);
    lua_pushinteger(L, TRY_AGAIN);
    lua_rawset(L, cache);
    lua_pop(L, 1);
}

/* Arguments as below, and the result of luas__gc_hold. */
static int carry_anew(lua_State *L)
{
    luas__job_handle *h = luas__job_handle_check(L);
    bool forced = lua_toboolean(L, 3);
    luas__carried carried = {.held = lua_touserdata(L, 5)};
    if (!forced)
        carried.budget = encoding_budget(h->pool->pool, lua_tonumber(L, 4));
    int space = luas__job_handle_space(L);
    luas__buffer_truncate(&h->bytes, 0);
    int rc = luas__encode_definition(L, 2, space, &h->bytes, forced ? 0 : LUAS__SHIP_LIMIT, &carried);
    if (rc == LUAS_ETOOBIG && carried.budget != UNKNOWN_BUDGET)
        note_costly(L);
    if (rc < 0)
        return rc == LUAS_EINTR ? lua_error(L) : luas__job_handle_refuse(L);
    if (carried.dynamic && !forced) {
        luas__buffer_truncate(&h->bytes, 0);
        lua_pushnil(L); /* forget what was carried */
        lua_setiuservalue(L, AT_JOB, JOB_SPACE);
        lua_pushliteral(L, "it may use any global");
        return luas__job_handle_refuse(L);
    }
    rc = luas__pool_define(h->pool->pool, h->job, luas__buffer_bytes(&h->bytes), h->bytes.len);
    luas__job_handle_try(L, h, rc);
    int modules = lua_gettop(L);
    luas__ship_cache_libraries(L, space, modules);
    if (luas__ship_cache_make(L, 2, space, modules, luas__buffer_bytes(&h->bytes), h->bytes.len))
        lua_setiuservalue(L, AT_JOB, JOB_MEMO);
    luas__buffer_truncate(&h->bytes, 0);
    lua_pushboolean(L, 1);
    lua_insert(L, -2);
    return 2;
}

/* Arguments: job, function, whether it must be shipped, for how many workers. Gives true and the
   modules it needs, or nil and why not. No finalizer changes what the function
   has between its message and the memo of that. */
static int job_carry(lua_State *L)
{
    luas__job_handle *h = luas__job_handle_check(L);
    luaL_checkany(L, 2);
    lua_settop(L, 4);
    h->forgotten = h->pool->forgotten;
    int cache = push_recalled(L);
    if (luas__ship_cache_take(L, cache, 2))
        return carry_again(L, h);
    if (!lua_toboolean(L, 3) && was_costly(L, cache)) {
        lua_pushliteral(L, "it takes too long");
        return luas__job_handle_refuse(L);
    }
    lua_settop(L, 4);
    bool held = luas__gc_hold(L);
    lua_pushcfunction(L, carry_anew);
    lua_insert(L, 1);
    lua_pushlightuserdata(L, &held);
    int status = lua_pcall(L, 5, 2, 0);
    luas__gc_hold_end(L, held);
    return status == LUA_OK ? 2 : lua_error(L);
}

/* Forks `now` of the job's own workers. If the host goes on while they work, also forks a
   zygote for others. Returns false if there is no room for them and the caller `waits` for it:
   idle workers are told to end then. */
static bool fork_own(lua_State *L, luas__job_handle *h, int workers, int now, bool goes_on, bool waits)
{
    luas__pool *p = h->pool->pool;
    lua_getiuservalue(L, AT_JOB, JOB_POOL);
    luas__fork_point at = {.L = L, .pool = lua_gettop(L)};
    int rc = luas__pool_inherit(p, h->job, workers, now, &at);
    if (waits && luas__error_is_shortage(rc) && rc != LUAS_ENOMEM) {
        (void)luas__pool_make_room(p);
        return false;
    }
    luas__job_handle_try(L, h, rc);
    if (goes_on)
        luas__pool_snapshot(p, h->job, &at);
    return true;
}

/* How many workers to fork at once. None if the host waits: it forks them when it steps. Some
   if it goes on, in case that there will be no zygote. All if it may never step. */
static int count_now(const luas__job *job, int workers, bool goes_on)
{
    if (job->policy.flags & (LUAS__JOB_ASYNC | LUAS__JOB_PROCESS))
        return workers;
    return goes_on ? luas__cpus_count() : 0;
}

/* Removes the globals that the job's functions assign to from the set: they expect them to be nil. */
static void forget_written(lua_State *L, int space, int set)
{
    int written = lua_gettop(L) + 1, name = written + 1;
    if (lua_getiuservalue(L, space, SPACE_WRITTEN) == LUA_TTABLE)
        for (lua_pushnil(L); lua_next(L, written) != 0; lua_settop(L, name)) {
            lua_pushvalue(L, name);
            lua_pushnil(L);
            lua_rawset(L, set);
        }
    lua_settop(L, written - 1);
}

/* Arguments: job, function, inputs or nil, workers, whether the host goes on, whether it waits
   for room: then nil if there is none, else true; whether they keep all descriptors; nil, or a set of
   globals that the workers lack, and others have made. */
static int job_inherit(lua_State *L)
{
    luas__job_handle *h = luas__job_handle_check(L);
    int workers = (int)luaL_checkinteger(L, 4);
    lua_settop(L, 8);
    int space = luas__job_handle_space(L);
    luas__fd_set *captured = &h->job->captured;
    luas__class_scan(L, 2, space, LUAS__SURVEY, captured);
    if (lua_istable(L, 3))
        luas__class_scan(L, 3, space, LUAS__SURVEY, captured);
    captured->is_partial |= lua_toboolean(L, 7);
    luas__space_at(L, space)->inherited = 1;
    h->job->policy.flags |= LUAS__JOB_INHERIT;
    lua_getfield(L, LUA_REGISTRYINDEX, LUAS__CARRIED_KEY);
    lua_createtable(L, 4, 0);
    if (lua_istable(L, 8))
        forget_written(L, space, 8);
    const int values[] = {2, space, 3, 8};
    for (int i = 0; i < 4; i++) {
        lua_pushvalue(L, values[i]);
        lua_rawseti(L, -2, i + 1);
    }
    lua_rawseti(L, -2, h->job->id);
    bool goes_on = lua_toboolean(L, 5);
    if (!fork_own(L, h, workers, count_now(h->job, workers, goes_on), goes_on, lua_toboolean(L, 6)))
        return 0;
    lua_pushboolean(L, 1);
    return 1;
}

/* Arguments: job, workers, whether the host goes on, whether it waits for room: then nil if there
   is none. Forks these workers now; they alone do the job. Returns true when the pool has no
   others. */
static int job_renew(lua_State *L)
{
    luas__job_handle *h = luas__job_handle_check(L);
    int workers = (int)luaL_checkinteger(L, 2);
    if (!fork_own(L, h, workers, workers, lua_toboolean(L, 3), lua_toboolean(L, 4)))
        return 0;
    lua_pushboolean(L, luas__pool_is_only(h->pool->pool, h->job));
    return 1;
}

/* ---- what becomes of it ---- */

/* Arguments: job, numbers of keys, from 1 on or 0. */
static int job_keys(lua_State *L)
{
    luas__job_handle *h = luas__job_handle_check(L);
    size_t n = lua_rawlen(L, 2);
    uint32_t *numbers = lua_newuserdatauv(L, n * sizeof *numbers, 0);
    for (size_t i = 0; i < n; i++) {
        lua_rawgeti(L, 2, (lua_Integer)i + 1);
        numbers[i] = (uint32_t)lua_tointeger(L, -1);
        lua_pop(L, 1);
    }
    luas__job_handle_try(L, h, luas__pool_add_keys(h->pool->pool, h->job, numbers, n));
    return 0;
}

/* Arguments: job, how many numbers there are. */
static int job_spare_keys(lua_State *L)
{
    luas__job_handle *h = luas__job_handle_check(L);
    size_t n = (size_t)luaL_checkinteger(L, 2);
    uint32_t *numbers = lua_newuserdatauv(L, n * sizeof *numbers, 0);
    luas__job_handle_try(L, h, luas__pool_spare_keys(h->pool->pool, h->job, numbers, &n));
    lua_createtable(L, (int)n, 0);
    for (size_t i = 0; i < n; i++) {
        lua_pushinteger(L, numbers[i]);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    return 1;
}

static int job_pump(lua_State *L)
{
    luas__job_handle *h = luas__job_handle_check(L);
    luas__job_handle_try(L, h, luas__pool_pump(h->pool->pool, h->job));
    return 0;
}

static int job_cancel(lua_State *L)
{
    luas__job_handle *h = luas__job_handle_check(L);
    lua_Integer from = luaL_optinteger(L, 2, 0), to = luaL_optinteger(L, 3, LUA_MAXINTEGER);
    luas__job_handle_try(L, h, luas__pool_cancel(h->pool->pool, h->job, (uint64_t)from,
                         (uint64_t)to));
    return 0;
}

static int job_start_no_more(lua_State *L)
{
    luas__job_handle *h = luas__job_handle_check(L);
    luas__job_handle_try(L, h, luas__pool_start_no_more(h->pool->pool, h->job));
    return 0;
}

static int job_done(lua_State *L)
{
    luas__job_handle *h = luas__job_handle_of(L);
    lua_pushboolean(L, h->job == NULL || h->pool->pool == NULL || h->job->done);
    return 1;
}

static int job_watch(lua_State *L)
{
    luas__job_handle *h = luas__job_handle_check(L);
    int64_t id = luas__pool_watch(h->pool->pool, h->job);
    luas__job_handle_try(L, h, (int)(id < 0 ? id : 0));
    lua_pushinteger(L, id);
    return 1;
}

/* Has every task that was fed its outcome, or must the rest wait for the consumer? */
static int job_rests(lua_State *L)
{
    luas__job_handle *h = luas__job_handle_check(L);
    luas__pool *p = h->pool->pool;
    luas__job_handle_try(L, h, luas__state_lock(p));
    bool rests = h->job->output.settled == h->job->input.fed || luas__job_full(h->job);
    luas__state_unlock(p);
    lua_pushboolean(L, rests);
    return 1;
}

/* ---- the one worker of a process ---- */

static int job_process(lua_State *L)
{
    luas__job_handle *h = luas__job_handle_check(L);
    pid_t pid = luas__pool_process(h->pool->pool, h->job);
    bool gone = h->job->process_gone;
    int status = h->job->process_status;
    lua_pushinteger(L, pid);
    lua_pushboolean(L, gone);
    if (gone && status != -1 && WIFEXITED(status))
        lua_pushinteger(L, WEXITSTATUS(status));
    else
        lua_pushnil(L);
    if (gone && status != -1 && WIFSIGNALED(status))
        lua_pushinteger(L, WTERMSIG(status));
    else
        lua_pushnil(L);
    return 4;
}

static int job_signal(lua_State *L)
{
    luas__job_handle *h = luas__job_handle_check(L);
    int signal = (int)luaL_checkinteger(L, 2);
    luas__job_handle_try(L, h, luas__pool_signal_process(h->pool->pool, h->job, signal));
    return 0;
}

static const luaL_Reg methods[] = {
    {"carry", job_carry}, {"inherit", job_inherit}, {"renew", job_renew},
    {"keys", job_keys}, {"spare_keys", job_spare_keys},
    {"pump", job_pump}, {"cancel", job_cancel}, {"start_no_more", job_start_no_more}, {"drop", job_drop}, {"done", job_done},
    {"watch", job_watch}, {"rests", job_rests}, {"process", job_process}, {"signal", job_signal}, {NULL, NULL},
};

static const luaL_Reg meta[] = {
    {"__gc", collect_job}, {"__close", job_drop}, {NULL, NULL},
};

void luas__job_handle_class(lua_State *L)
{
    luas__handles_new_class(L, LUAS__JOB_CLASS, methods, meta);
    luaL_newmetatable(L, POLICY);
    lua_pop(L, 1);
}
