/* Pools as userdata: reads their options, runs forked workers, and drives pools. */
#define _GNU_SOURCE
#include "pool_handle.h"

#include <lauxlib.h>
#include <stdlib.h>

#include "clock.h"
#include "error.h"
#include "fail.h"
#include "fresh_pool.h"
#include "handles.h"
#include "inline_call.h"
#include "kept_hook.h"
#include "names.h"
#include "pool_options.h"
#include "serve.h"
#include "serving.h"
#include "share.h"
#include "ship_cache.h"
#include "space.h"
#include "user_calls.h"
#include "worker_end.h"

/* ---- the worker, once forked ---- */

/* What a worker reads of its pool's options. */
typedef struct wishes {
    int number;
    size_t memory;
    bool is_weighed;
} wishes;

/* Names the worker and takes over what it has inherited. Arguments: the options, the wishes. Returns init
   and exit, each a function or nil. */
static int prepare(lua_State *L)
{
    wishes *w = lua_touserdata(L, 2);
    lua_settop(L, 1);
    lua_getfield(L, 1, "memory");
    w->memory = (size_t)lua_tointeger(L, -1);
    w->is_weighed = lua_getfield(L, 1, "max_memory") != LUA_TNIL || w->memory > 0;
    const char *name = lua_getfield(L, 1, "name") == LUA_TSTRING ? lua_tostring(L, -1) : "worker";
    lua_pushfstring(L, "%s %d", name, w->number);
    lua_setfield(L, LUA_REGISTRYINDEX, LUAS__WORKER_NAME_KEY);
    luas__share_inherit(L, w->number);
    luas__worker_end_prepare(L);
    lua_getfield(L, 1, "init");
    lua_getfield(L, 1, "exit");
    return 2;
}

static int function_at(lua_State *L, int index)
{
    return lua_isfunction(L, index) ? index : 0;
}

/* From here on this process is a worker. No error may leave this frame, not even one for want of memory:
   below it is the stack of the host, which would go on here a second time. */
static int worker_main(void *host, luas__channel *channel)
{
    luas__fork_point *at = host;
    lua_State *L = at->L;
    wishes w = {.number = channel->worker};
    if (!lua_checkstack(L, LUA_MINSTACK))
        return EXIT_FAILURE;
    luas__hook hook = luas__kept_hook_lift(L);
    lua_pushcfunction(L, prepare);
    lua_getiuservalue(L, at->pool, LUAS__POOL_OPTIONS);
    lua_pushlightuserdata(L, &w);
    int rc = lua_pcall(L, 2, 2, 0);
    luas__kept_hook_put(L, hook);
    if (rc != LUA_OK) {
        luas__serve_fail(channel, lua_tostring(L, -1));
        return EXIT_FAILURE;
    }
    int exit = lua_gettop(L);
    int status = luas__serve(L, channel, &(luas__serve_options){
        .init = function_at(L, exit - 1), .exit = function_at(L, exit),
        .memory = w.memory, .is_weighed = w.is_weighed});
    if (status < 0)
        return EXIT_FAILURE;
    luas__worker_end(L, status);
}

/* Arguments: the options, the set of descriptors. */
static int survey(lua_State *L)
{
    static const char *const names[] = {"init", "exit"};
    for (int i = 0; i < 2; i++) {
        lua_settop(L, 2);
        if (lua_getfield(L, 1, names[i]) != LUA_TFUNCTION)
            continue;
        luas__space_new(L, 0);
        luas__class_scan(L, 3, 4, LUAS__SURVEY, lua_touserdata(L, 2));
    }
    return 0;
}

/* Workers keep what `init` and `exit` have captured. If some of it has descriptors that are not
   known, these are not kept: the workers would keep all that the host ever has open. */
static void keep(void *host, luas__fd_set *kept)
{
    const luas__fork_point *at = host;
    lua_State *L = at->L;
    if (lua_checkstack(L, LUA_MINSTACK)) {
        lua_pushcfunction(L, survey);
        lua_getiuservalue(L, at->pool, LUAS__POOL_OPTIONS);
        lua_pushlightuserdata(L, kept);
        if (lua_pcall(L, 2, 0, 0) != LUA_OK)
            lua_pop(L, 1);
    }
    kept->is_partial = false;
}

/* ---- the handle ---- */

static void try(lua_State *L, luas__pool *p, int rc)
{
    if (rc < 0)
        luas__handles_raise(L, p, rc);
}

/* Locks the pool. Raises in a process that has only a copy of it. */
static luas__pool *check_locked(lua_State *L)
{
    luas__pool *p = luas__handles_pool(L, 1)->pool;
    try(L, p, luas__state_lock(p));
    return p;
}

static bool option_given(lua_State *L, const char *name)
{
    bool given = lua_getfield(L, 1, name) != LUA_TNIL;
    lua_pop(L, 1);
    return given;
}

static luas__pool_options read_options(lua_State *L)
{
    luas__pool_options options = {
        .workers = 1, .main = worker_main, .label = "worker", .keeps = keep,
        .keeping = option_given(L, "keep_files") ? LUAS__KEEP_ALL : LUAS__KEEP_FILES,
        .has_init = option_given(L, "init"),
    };
    luas__pool_options_read(L, 1, &options);
    return options;
}

/* The names are made here, so that workers inherit them. */
int luas__pool_handle_new(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    luas__names_push(L);
    lua_pop(L, 1);
    luas__pool_options options = read_options(L);
    luas__handle *h = lua_newuserdatauv(L, sizeof *h, 2);
    *h = (luas__handle){.class = LUAS__POOL_CLASS};
    luaL_setmetatable(L, LUAS__POOL_CLASS);
    luas__handles_keep(L);
    lua_pushvalue(L, 1);
    lua_setiuservalue(L, -2, LUAS__POOL_OPTIONS);
    luas__ship_cache_new(L);
    lua_setiuservalue(L, -2, LUAS__POOL_RECALLED);
    lua_getfield(L, LUA_REGISTRYINDEX, LUAS__POOLS_KEY);
    lua_pushvalue(L, -2);
    lua_pushboolean(L, 1);
    lua_rawset(L, -3);
    lua_pop(L, 1);
    luas__serving_watch_forks();
    luas__share_prepare(L);
    h->fresh = luas__fresh_pool_new(L, 1, &options);
    int rc = luas__pool_open(&h->pool, &options);
    if (luas__error_is_shortage(rc)) { /* pools that nobody has any more hold descriptors, too */
        lua_gc(L, LUA_GCCOLLECT);
        rc = luas__pool_open(&h->pool, &options);
    }
    return rc < 0 ? luas__fail(L, "cannot open a pool: %s", luas_strerror(rc)) : 1;
}

/* In a worker the pool belongs to the host: the struct stays as it is. A closed pool is removed
   from the list of pools, so later workers need not look at it. */
static int pool_close(lua_State *L)
{
    luas__handle *h = luaL_checkudata(L, 1, LUAS__POOL_CLASS);
    luas__pool *p = h->pool;
    h->pool = NULL;
    luas__buffer_release(&h->notes);
    if (p == NULL || !luas__fork_detect_is_here(&p->fork_detect))
        return 0;
    luas__pool_close(p);
    luas__fresh_pool_free(h->fresh);
    h->fresh = NULL;
    lua_getfield(L, LUA_REGISTRYINDEX, LUAS__POOLS_KEY);
    lua_pushvalue(L, 1);
    lua_pushnil(L);
    lua_rawset(L, -3);
    lua_pushnil(L);
    if (lua_next(L, -2) == 0) /* it was the last pool */
        luas__share_rest(L);
    return 0;
}

/* The method. Reading an outcome can run code of the user that calls this. Then the collector
   closes the pool later. */
static int pool_close_method(lua_State *L)
{
    const luas__handle *h = luaL_checkudata(L, 1, LUAS__POOL_CLASS);
    return h->readers > 0 ? 0 : pool_close(L);
}

/* ---- methods ---- */

/* What went wrong where nobody waits for an answer: reports each note once. */
static void pass_on_notes(lua_State *L, luas__handle *h)
{
    luas__pool *p = check_locked(L);
    if (h->notes.len == 0) {
        luas__buffer notes = h->notes;
        h->notes = p->health.notes;
        p->health.notes = notes;
    }
    luas__state_unlock(p);
    while (h->notes.len > 0) {
        lua_pushcfunction(L, luas__fail_report);
        lua_pushstring(L, luas__buffer_bytes(&h->notes));
        luas__buffer_consume(&h->notes, lua_rawlen(L, -1) + 1);
        lua_call(L, 1, 0);
    }
}

/* Were workers forked since the last call of this? */
static bool has_forked(lua_State *L, luas__handle *h)
{
    uint64_t before = h->forks;
    luas__pool *p = check_locked(L);
    h->forks = p->stats.forks;
    luas__state_unlock(p);
    return h->forks != before;
}

/* Were workers forked whose modules may differ from those of the workers before? `again`: no
   code of the user has run in the owner since the last call. */
static bool has_forked_others(lua_State *L, luas__handle *h, bool again)
{
    uint64_t before = again ? h->calls : 0;
    h->calls = before;
    if (!has_forked(L, h))
        return false;
    h->calls = luas__user_calls_look(L);
    return h->calls != before;
}

/* What nobody has any more may hold what is short. Not for ever, as each try is given time. */
static bool may_help(luas__handle *h)
{
    int64_t now = luas__now();
    bool helps = h->collected == 0 || now - h->collected > 4 * LUAS__PATIENCE;
    h->collected = helps ? now : h->collected;
    return helps;
}

/* Arguments: pool, seconds, again. Gives whether anything happened, and whether
   workers were forked that may have other modules. */
static int pool_step(lua_State *L)
{
    luas__handle *h = luas__handles_pool(L, 1);
    /* Waits no longer than this; callers that need more call again. A signal that came just
       before the wait does not end it, and its hook should not wait for long. */
    int64_t timeout = lua_isnoneornil(L, 2) ? LUAS__SECOND : luas__seconds(luaL_checknumber(L, 2));
    timeout = luas__inline_call_limit(L, timeout);
    bool again = lua_toboolean(L, 3);
    luas__fork_point at = {.L = L, .pool = 1};
    int rc = luas__pool_step(h->pool, timeout, &at);
    if (luas__error_is_shortage(rc) && may_help(h)) {
        lua_gc(L, LUA_GCCOLLECT);
        rc = luas__pool_step(luas__handles_pool(L, 1)->pool, 0, &at);
    }
    if (rc < 0 && rc != LUAS_EINTR)
        return luas__handles_raise(L, h->pool, rc);
    pass_on_notes(L, h);
    lua_pushboolean(L, rc > 0);
    lua_pushboolean(L, has_forked_others(L, h, again));
    return 2;
}

/* Without room for one, pools that nobody has any more are collected. */
static int pool_breed(lua_State *L)
{
    luas__pool *p = luas__handles_pool(L, 1)->pool;
    luas__fork_point at = {.L = L, .pool = 1};
    int rc = luas__pool_mother(p, &at);
    if (luas__error_is_shortage(rc)) {
        lua_gc(L, LUA_GCCOLLECT);
        rc = luas__pool_mother(p, &at);
    }
    try(L, p, rc);
    return 0;
}

static int pool_stop(lua_State *L)
{
    luas__pool *p = luas__handles_pool(L, 1)->pool;
    try(L, p, luas__pool_stop(p));
    return 0;
}

static int pool_terminate(lua_State *L)
{
    luas__pool *p = luas__handles_pool(L, 1)->pool;
    try(L, p, luas__pool_terminate(p));
    return 0;
}

static int pool_resize(lua_State *L)
{
    luas__pool *p = luas__handles_pool(L, 1)->pool;
    try(L, p, luas__pool_resize(p, (int)luaL_checkinteger(L, 2)));
    return 0;
}

static int pool_trim(lua_State *L)
{
    luas__pool *p = luas__handles_pool(L, 1)->pool;
    int n = luas__pool_trim(p);
    try(L, p, n);
    lua_pushinteger(L, n);
    return 1;
}

static int pool_keep_time(lua_State *L)
{
    luas__pool *p = luas__handles_pool(L, 1)->pool;
    try(L, p, luas__pool_keep_time(p, lua_toboolean(L, 2)));
    return 0;
}

static int pool_live(lua_State *L)
{
    luas__pool *p = luas__handles_pool(L, 1)->pool;
    int n = luas__pool_live(p, lua_toboolean(L, 2));
    try(L, p, n);
    lua_pushinteger(L, n);
    return 1;
}

/* Is any job unfinished? */
static int pool_busy(lua_State *L)
{
    luas__pool *p = check_locked(L);
    bool busy = p->jobs.first != NULL;
    luas__state_unlock(p);
    lua_pushboolean(L, busy);
    return 1;
}

static int pool_ended(lua_State *L)
{
    const luas__handle *h = luas__handles_check(L, 1, LUAS__POOL_CLASS);
    int64_t id = h->pool != NULL ? luas__pool_ended(h->pool) : 0;
    if (id == 0)
        return 0;
    lua_pushinteger(L, id);
    return 1;
}

static int pool_stats(lua_State *L)
{
    luas__pool *p = check_locked(L);
    luas__stats s = p->stats;
    luas__state_unlock(p);
    const struct { const char *name; uint64_t value; } fields[] = {
#define FIELD(name) {#name, s.name},
        LUAS__STATS(FIELD)
#undef FIELD
        {"resumed", s.resumed},
    };
    lua_createtable(L, 0, 12);
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        lua_pushinteger(L, (lua_Integer)fields[i].value);
        lua_setfield(L, -2, fields[i].name);
    }
    return 1;
}

static int pool_fileno(lua_State *L)
{
    luas__pool *p = check_locked(L);
    int fd = p->poller.fd;
    p->pumping.is_polled = true;
    luas__state_unlock(p);
    lua_pushinteger(L, fd);
    return 1;
}

static int pool_unwritten(lua_State *L)
{
    luas__pool *p = luas__handles_pool(L, 1)->pool;
    size_t waiting;
    uint64_t written;
    try(L, p, luas__pool_unwritten(p, &waiting, &written));
    lua_pushinteger(L, (lua_Integer)waiting);
    lua_pushinteger(L, (lua_Integer)written);
    return 2;
}

/* Gives a set of the globals that workers have made and that the host lacks; or nil, if there are
   none. */
static int pool_made(lua_State *L)
{
    luas__pool *p = luas__handles_pool(L, 1)->pool;
    size_t len = luas__pool_made(p, NULL, 0), at = 0;
    bool lacks = false;
    if (len == 0)
        return 0;
    char *names = lua_newuserdatauv(L, len, 0);
    if (luas__pool_made(p, names, len) != len) /* there are more by now */
        return pool_made(L);
    lua_newtable(L);
    lua_pushglobaltable(L);
    for (; at < len; at += strlen(names + at) + 1) {
        lua_pushstring(L, names + at);
        bool has = lua_rawget(L, -2) != LUA_TNIL;
        lua_pop(L, 1);
        if (has)
            continue;
        lua_pushboolean(L, 1);
        lua_setfield(L, -3, names + at);
        lacks = true;
    }
    lua_pop(L, 1);
    return lacks;
}

static int pool_wake(lua_State *L)
{
    luas__pool *p = check_locked(L);
    luas__poller_wake(&p->poller);
    luas__state_unlock(p);
    return 0;
}

/* Forgets the functions that were carried, so that they are carried anew. */
static int pool_forget(lua_State *L)
{
    luas__handles_pool(L, 1)->forgotten++;
    luas__ship_cache_new(L);
    lua_setiuservalue(L, 1, LUAS__POOL_RECALLED);
    return 0;
}

static const luaL_Reg methods[] = {
    {"step", pool_step}, {"stop", pool_stop}, {"terminate", pool_terminate},
    {"close", pool_close_method}, {"resize", pool_resize}, {"trim", pool_trim},
    {"keep_time", pool_keep_time}, {"breed", pool_breed}, {"live", pool_live},
    {"busy", pool_busy}, {"ended", pool_ended}, {"stats", pool_stats},
    {"fileno", pool_fileno}, {"wake", pool_wake}, {"forget", pool_forget},
    {"unwritten", pool_unwritten}, {"made", pool_made}, {NULL, NULL},
};

static const luaL_Reg meta[] = {
    {"__gc", pool_close}, {"__close", pool_close}, {NULL, NULL},
};

void luas__pool_handle_class(lua_State *L)
{
    luas__handles_new_class(L, LUAS__POOL_CLASS, methods, meta);
    lua_newtable(L);
    lua_createtable(L, 0, 1);
    lua_pushliteral(L, "k");
    lua_setfield(L, -2, "__mode");
    lua_setmetatable(L, -2);
    lua_setfield(L, LUA_REGISTRYINDEX, LUAS__POOLS_KEY);
}
