/* Tasks called in the host itself: their deadline, exit and tracebacks. */
#define _GNU_SOURCE
#include "inline_call.h"

#include <lauxlib.h>
#include <lualib.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "codec.h"
#include "describe.h"
#include "error.h"
#include "inline_hook.h"
#include "own_code.h"
#include "serving.h"
#include "share.h"
#include "stop.h"
#include "tell.h"
#include "traceback.h"
#include "user_calls.h"

/* The time from the first error to the end, the same as for workers. */
#define GRACE (LUAS__SECOND / 2)

/* How many instructions run between two checks of the clock. */
enum { STRIDE = 100 };

/* Stack of luas__inline_call. From WORK on: the protected call, its results. */
enum { AT_TOKEN = 1, AT_SECONDS, AT_DISCARD, AT_OS, AT_EXIT, AT_HANDLER, AT_WORK };

typedef struct guard {
    struct guard *outer;    /* the guard of the call around this one, or NULL */
    lua_State *L;
    const void *token;
    int levels;             /* how deep the stack is at luas__inline_call */
    int64_t began;
    int64_t deadline;       /* INT64_MAX: none */
    int64_t stopped_at;     /* when the first error was raised; 0: not yet */
    bool discard, killed, exited;
    bool keeps_hook;        /* what it sets is there for the tasks that come next */
    luas__inline_hook hook; /* before it */
    int status;             /* of os.exit */
    int leeway;             /* how much the library did after it was due (own_code.h) */
} guard;

/* Registry: the innermost guard; the traceback of the last error. */
static const char guard_key = 'g', traceback_key = 't';

static guard *innermost(lua_State *L)
{
    lua_rawgetp(L, LUA_REGISTRYINDEX, &guard_key);
    guard *g = lua_touserdata(L, -1);
    lua_pop(L, 1);
    return g;
}

static void set_innermost(lua_State *L, guard *g)
{
    lua_pushlightuserdata(L, g);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &guard_key);
}

/* ---- stopping ---- */

static void on_count(lua_State *L, lua_Debug *ar);

/* Sets our hook, unless another one is set. 0 removes ours. Signals are blocked meanwhile, because
   a handler may set a hook, as that of Ctrl-C does. */
static void set_hook(lua_State *L, int stride)
{
    sigset_t all, before;
    if (stride == 0 && lua_gethook(L) != on_count)
        return;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    lua_Hook now = lua_gethook(L);
    if (stride > 0 && (now == NULL || now == on_count))
        lua_sethook(L, on_count, LUA_MASKCOUNT, stride);
    else if (stride == 0 && now == on_count)
        lua_sethook(L, NULL, 0, 0);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

/* How often a thread inside `g` must check the clock to keep all deadlines. */
static int stride_of(const guard *g)
{
    int stride = 0;
    for (; g != NULL; g = g->outer) {
        if (g->killed || g->exited)
            return 1;
        if (g->deadline < INT64_MAX)
            stride = STRIDE;
    }
    return stride;
}

static int64_t limit(const guard *g)
{
    return g->stopped_at > 0 ? g->stopped_at + GRACE : g->deadline;
}

static bool is_due(const guard *g, int64_t now)
{
    return g->killed || g->exited || now >= limit(g);
}

/* From now on every instruction raises an error, in each known thread. */
static void end(lua_State *L, guard *g)
{
    guard *inner = innermost(L);
    g->killed = true;
    set_hook(L, 1);
    for (; inner != g->outer; inner = inner->outer)
        set_hook(inner->L, 1);
}

/* The outermost call whose time is over, or NULL. All calls inside it end, too. */
static guard *find_due(guard *g, int64_t now)
{
    guard *due = NULL;
    for (; g != NULL; g = g->outer)
        if (is_due(g, now))
            due = g;
    return due;
}

/* Notes that the call is stopped now; returns the message of the error. */
static const char *note_stop(lua_State *L, guard *due, int64_t now)
{
    due->leeway = 0;
    if (due->stopped_at > 0 || due->exited) {
        end(L, due);
        return "killed by the pool";
    }
    due->stopped_at = now;
    return "stopped by the pool";
}

static void on_count(lua_State *L, lua_Debug *ar)
{
    (void)ar;
    guard *g = innermost(L);
    int64_t now = luas__now();
    if (stride_of(g) == 0) /* a coroutine that has outlived its task */
        set_hook(L, 0);
    guard *due = find_due(g, now);
    if (due == NULL)
        return;
    if (due->leeway < LUAS__LEEWAY && luas__own_code_runs(L)) {
        due->leeway++;
        set_hook(L, 1);
        return;
    }
    luaL_error(L, "%s", note_stop(L, due, now));
}

int64_t luas__inline_call_limit(lua_State *L, int64_t timeout)
{
    luas__serving_look_for_stop(L);
    guard *g = innermost(L);
    if (g == NULL)
        return timeout;
    int64_t now = luas__now();
    guard *due = find_due(g, now);
    if (due != NULL)
        luaL_error(L, "%s", note_stop(L, due, now));
    for (; g != NULL; g = g->outer)
        if (limit(g) - now < timeout)
            timeout = limit(g) - now;
    return timeout;
}

int luas__inline_call_stop(lua_State *L)
{
    const void *token = lua_topointer(L, 1);
    for (guard *g = innermost(L), *inner = g; g != NULL; g = g->outer) {
        if (g->token != token)
            continue;
        g->deadline = 0;
        set_hook(L, 1);
        for (; inner != g->outer; inner = inner->outer)
            set_hook(inner->L, 1);
    }
    return 0;
}

/* ---- os.exit ---- */

/* Upvalue: the real os.exit, for code that keeps this function beyond its task. */
static int exit_task(lua_State *L)
{
    guard *g = innermost(L);
    if (g == NULL) {
        lua_pushvalue(L, lua_upvalueindex(1));
        lua_insert(L, 1);
        lua_call(L, lua_gettop(L) - 1, LUA_MULTRET);
        return lua_gettop(L);
    }
    int status = lua_isboolean(L, 1) ? (lua_toboolean(L, 1) ? EXIT_SUCCESS : EXIT_FAILURE)
                                     : (int)luaL_optinteger(L, 1, EXIT_SUCCESS);
    g->exited = true;
    g->status = status & 0xff;
    end(L, g);
    return luaL_error(L, "the task called os.exit");
}

/* Pushes the module os and the os.exit for tasks; two nils if there is none to replace. */
static void push_exit(lua_State *L)
{
    luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
    int os = lua_getfield(L, -1, LUA_OSLIBNAME);
    lua_remove(L, -2);
    if (os != LUA_TTABLE || lua_getfield(L, -1, "exit") != LUA_TFUNCTION) {
        lua_settop(L, lua_gettop(L) - (os == LUA_TTABLE ? 2 : 1));
        lua_pushnil(L);
        lua_pushnil(L);
    } else if (lua_tocfunction(L, -1) != exit_task) {
        lua_pushcclosure(L, exit_task, 1);
    }
}

/* Restores os.exit, unless the task has replaced it. */
static void restore_exit(lua_State *L)
{
    bool ours = lua_getfield(L, AT_OS, "exit") == LUA_TFUNCTION
        && lua_tocfunction(L, -1) == exit_task;
    lua_pop(L, 1);
    if (ours && lua_getupvalue(L, AT_EXIT, 1) != NULL)
        lua_setfield(L, AT_OS, "exit");
}

/* ---- tracebacks ---- */

/* Stores the traceback separately, because the raised value can be of any type. Below the task
   are run_task and luas__inline_call. */
static int on_raise(lua_State *L)
{
    const guard *g = innermost(L);
    luas__traceback_push(L, NULL, 1, g->levels + 1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &traceback_key);
    return 1;
}

/* ---- the call ---- */

int luas__inline_call_check_values(lua_State *L, int first, int count, const char *each)
{
    luas__encode_options options = {.each = each};
    luas__buffer scratch = LUAS__BUFFER_INIT;
    int rc = luas__encode(L, first, count, &scratch, &options);
    luas__buffer_release(&scratch);
    return rc == LUAS_EINTR ? lua_error(L) : rc;
}

/* Restores the hook that was there before the task. */
static void restore_hook(lua_State *L, const guard *g)
{
    if (!g->keeps_hook)
        luas__inline_hook_restore(L, &g->hook, on_count);
    set_hook(L, stride_of(g));
}

/* Arguments: the task's function, its arguments. */
static int run_task(lua_State *L)
{
    guard *g = innermost(L);
    lua_call(L, lua_gettop(L) - 1, g->discard ? 0 : LUA_MULTRET);
    restore_hook(L, g);
    int rc = luas__inline_call_check_values(L, 1, lua_gettop(L), "result");
    return rc < 0 ? lua_error(L) : lua_gettop(L);
}

/* Argument: the raised value. Returns it, or nil if it cannot be sent, and a text for it. */
int luas__inline_call_describe(lua_State *L)
{
    lua_settop(L, 1);
    if (!luas__describe_error(L, 1))
        return lua_error(L);
    lua_insert(L, 2);
    lua_settop(L, 2);
    if (luas__inline_call_check_values(L, 1, 1, NULL) < 0) {
        luas__tell_add_reason(L, 2);
        lua_pushnil(L);
        lua_replace(L, 1);
    }
    return 2;
}

/* The raised value is at the top. Pushes the kind of the outcome and its fields. */
static int push_raised(lua_State *L, const char *kind)
{
    int value = lua_gettop(L);
    lua_pushstring(L, kind);
    lua_pushcfunction(L, luas__inline_call_describe);
    lua_pushvalue(L, value);
    if (lua_pcall(L, 1, 2, 0) != LUA_OK) {
        if (luas__stop_is(L, -1))
            return lua_error(L);
        lua_pop(L, 1);
        lua_pushnil(L);
        lua_pushliteral(L, "(the error could not be described)");
        return 3;
    }
    lua_rawgetp(L, LUA_REGISTRYINDEX, &traceback_key);
    lua_pushnil(L);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &traceback_key);
    return 4;
}

/* Is the error meant for more than guarded calls? */
static bool meant_for_all(lua_State *L)
{
    return luas__serving_stopped() || luas__stop_is(L, -1);
}

/* Is the error meant for a call further out? */
static bool meant_for_more(lua_State *L, const guard *g)
{
    for (const guard *outer = g->outer; outer != NULL; outer = outer->outer)
        if (outer->killed || outer->stopped_at > g->began)
            return true;
    return meant_for_all(L);
}

/* Was the value on the top raised to stop any of what runs here? */
static bool is_stop(lua_State *L)
{
    for (const guard *g = innermost(L); g != NULL; g = g->outer)
        if (g->killed || g->exited || g->stopped_at > 0)
            return true;
    return meant_for_all(L);
}

int luas__inline_call_stopped(lua_State *L)
{
    lua_settop(L, 1);
    lua_pushboolean(L, is_stop(L));
    return 1;
}

int luas__inline_call_try(lua_State *L)
{
    int status = lua_pcall(L, lua_gettop(L) - 1, LUA_MULTRET, 0);
    if (status != LUA_OK && is_stop(L))
        return lua_error(L);
    lua_pushboolean(L, status == LUA_OK);
    lua_insert(L, 1);
    return lua_gettop(L);
}

static int push_crash(lua_State *L, const guard *g)
{
    lua_pushliteral(L, "crash");
    lua_pushinteger(L, g->status);
    return 2;
}

static int push_failure(lua_State *L, const guard *g, int64_t now)
{
    if (meant_for_more(L, g)) {
        lua_pushliteral(L, "stopped");
        lua_insert(L, -2);
        return 2;
    } else if (g->exited) {
        return push_crash(L, g);
    } else if (g->killed) {
        lua_pushliteral(L, "timeout");
        return 1;
    }
    return push_raised(L, g->stopped_at > 0 || now >= limit(g) ? "timeout" : "error");
}

/* The results are from AT_WORK on. They do not count if they come too late. */
static int push_value(lua_State *L, const guard *g, int64_t now)
{
    if (!is_due(g, now)) {
        lua_pushliteral(L, "value");
        lua_insert(L, AT_WORK);
        return lua_gettop(L) - AT_WORK + 1;
    }
    if (g->exited)
        return push_crash(L, g);
    lua_pushliteral(L, "timeout");
    return 1;
}

/* Calls the function at AT_WORK. Afterwards hook, os.exit and guard are as before. */
static int call_guarded(lua_State *L, guard *g)
{
    bool replaced = lua_getupvalue(L, AT_EXIT, 1) != NULL;
    luas__inline_hook_note(L, &g->hook);
    if (g->hook.f != NULL && g->hook.f != on_count)
        g->deadline = INT64_MAX; /* another hook is set, a debugger's for example: no deadline */
    set_innermost(L, g);
    if (replaced && lua_rawequal(L, -1, AT_WORK + 1))
        lua_copy(L, AT_EXIT, AT_WORK + 1); /* os.exit itself is the task */
    lua_settop(L, lua_gettop(L) - replaced);
    replaced = replaced && g->outer == NULL;
    if (replaced) {
        lua_pushvalue(L, AT_EXIT);
        lua_setfield(L, AT_OS, "exit");
    }
    set_hook(L, stride_of(g));
    int rc = lua_pcall(L, lua_gettop(L) - AT_WORK, LUA_MULTRET, AT_HANDLER);
    set_innermost(L, g->outer);
    if (!g->keeps_hook)
        luas__inline_hook_restore(L, &g->hook, on_count);
    luas__inline_hook_forget(L, &g->hook);
    set_hook(L, stride_of(g->outer));
    if (replaced)
        restore_exit(L);
    return rc;
}

int luas__inline_call(lua_State *L)
{
    int64_t now = luas__now();
    guard g = {.outer = innermost(L), .L = L, .token = lua_topointer(L, AT_TOKEN), .began = now,
               .levels = luas__traceback_levels(L), .discard = lua_toboolean(L, AT_DISCARD),
               .keeps_hook = lua_type(L, AT_DISCARD) == LUA_TSTRING};
    guard *due = find_due(g.outer, now);
    if (due != NULL) {
        lua_pushliteral(L, "stopped");
        lua_pushstring(L, note_stop(L, due, now));
        return 2;
    }
    double seconds = luaL_optnumber(L, AT_SECONDS, 0);
    g.deadline = seconds > 0 ? now + luas__seconds(seconds) : INT64_MAX;
    luaL_checkstack(L, LUA_MINSTACK, "too many arguments");
    luas__user_calls_note(L);
    push_exit(L);
    lua_pushcfunction(L, on_raise);
    lua_pushcfunction(L, run_task);
    lua_rotate(L, AT_OS, 4);
    uint32_t held = luas__share_begin_task(L, AT_TOKEN);
    int rc = call_guarded(L, &g);
    luas__share_end_task(L, held);
    now = luas__now();
    if (rc != LUA_OK)
        return push_failure(L, &g, now);
    return push_value(L, &g, now);
}
