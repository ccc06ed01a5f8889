/* Turns the signals that stop a script into errors. */
#include "signals.h"

#include <lauxlib.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "fail.h"
#include "stop.h"
#include "traceback.h"

/* What handlers need to know. It is global, because they have no argument. */
static struct {
    lua_State *L; /* the main thread: the only one that a handler may touch */
    pid_t owner;  /* this process; a forked child has the handlers until it resets them */
    lua_CFunction catchers[2]; /* pcall and xpcall */
    int caught_at; /* depth of the call that catches the error; 0: none does */
    volatile sig_atomic_t signal; /* which one came, or 0 */
    volatile sig_atomic_t raised; /* whether the error was raised */
    volatile sig_atomic_t insists; /* the error is raised again where it is caught */
    time_t since;
    int64_t came_at[2]; /* ns; when SIGINT and SIGTERM came first; 0: not yet */
} stop;

/*
 * A signal that comes again so soon is the same request: timeout(1), for one, sends SIGTERM to
 * the process and then to its group.
 */
#define MOMENT (20 * LUAS__MS)

void luas__signals_open(lua_State *L)
{
    static const char *const names[] = {"pcall", "xpcall"};

    stop.L = L;
    lua_pushboolean(L, 0);
    lua_setfield(L, LUA_REGISTRYINDEX, LUAS__STOPPED_KEY);
    for (int i = 0; i < 2; i++) {
        lua_getglobal(L, names[i]);
        stop.catchers[i] = lua_tocfunction(L, -1);
        lua_pop(L, 1);
    }
}

/* ---- Raising -------------------------------------------------------------- */

/* Pushes the message of the error, and remembers it: it marks a stop. */
static void push_stopped(lua_State *L)
{
    if (stop.signal == SIGTERM) {
        lua_pushliteral(L, "terminated");
    } else {
        luas__fail_push_caller(L);
        lua_pushliteral(L, "interrupted!");
        lua_concat(L, 2);
    }
    lua_pushvalue(L, -1);
    lua_setfield(L, LUA_REGISTRYINDEX, LUAS__STOPPED_KEY);
}

static bool catches(lua_State *L, lua_Debug *ar)
{
    lua_getinfo(L, "f", ar);
    lua_CFunction f = lua_tocfunction(L, -1);
    lua_pop(L, 1);
    return f != NULL && (f == stop.catchers[0] || f == stop.catchers[1]);
}

/*
 * The depth of the innermost call that would catch an error; 0 if there is none. A pcall in
 * which the hook itself runs is just being entered or left, so it does not count.
 */
static int catcher_depth(lua_State *L)
{
    lua_Debug ar;

    for (int level = 1; lua_getstack(L, level, &ar); level++) {
        if (catches(L, &ar)) {
            return luas__traceback_levels(L) - level;
        }
    }
    return 0;
}

static void raise_stopped(lua_State *L, lua_Debug *ar);

static void set_hook(void)
{
    lua_sethook(stop.L, raise_stopped, LUA_MASKCALL | LUA_MASKRET | LUA_MASKLINE | LUA_MASKCOUNT, 1);
}

/*
 * Raises an error that insists again as soon as the pcall that caught it has returned. Until
 * then only closing values run, and these may finish.
 */
static void raise_stopped(lua_State *L, lua_Debug *ar)
{
    (void)ar;
    if (L != stop.L) { /* a coroutine, made when the hook was already set, has the hook, too */
        lua_sethook(L, NULL, 0, 0);
        return;
    }
    if (stop.raised && luas__traceback_levels(L) >= stop.caught_at) {
        return;
    }
    stop.raised = 1;
    stop.caught_at = stop.insists ? catcher_depth(L) : 0;
    if (stop.caught_at == 0) {
        lua_sethook(L, NULL, 0, 0);
    }
    if (!stop.raised) { /* one more signal has come meanwhile */
        set_hook();
    }
    push_stopped(L);
    lua_error(L);
}

/* ---- Handlers ------------------------------------------------------------- */

/* A handler may only set a hook; the hook raises at the next instruction. */
static void request_stop(int signo)
{
    if (getpid() != stop.owner) {
        signal(signo, SIG_DFL);
        raise(signo);
        return;
    }
    if (stop.signal != SIGTERM) {
        stop.signal = signo;
    }
    stop.insists = stop.insists || signo == SIGTERM;
    stop.raised = 0;
    set_hook();
}

/* Lua may not react to the first one, so a second one kills. */
static void request_stop_once(int signo)
{
    int64_t *since = &stop.came_at[signo == SIGTERM], now = luas__now();

    if (getpid() != stop.owner || *since == 0) {
        *since = now;
        request_stop(signo);
    } else if (now - *since > MOMENT) {
        signal(signo, SIG_DFL);
        raise(signo);
    }
}

/*
 * At the prompt a session would be lost. A second Ctrl-C insists, so that a loop that catches
 * errors ends, too. It kills only if Lua has not reacted to the first for more than a second.
 */
static void request_stop_at_prompt(int signo)
{
    time_t now = time(NULL);
    bool again = stop.signal == SIGINT;

    if (again && !stop.raised && now - stop.since > 1) {
        signal(signo, SIG_DFL);
        raise(signo);
    } else {
        stop.insists = again; /* also of a first one that is still to be raised */
        if (!again || stop.raised) {
            stop.since = now;
            request_stop(signo);
        }
    }
}

/* Without SA_RESTART, so that a library call that waits returns to Lua. */
static void handle(int signo, void (*handler)(int), struct sigaction *before)
{
    struct sigaction action = {.sa_handler = handler};

    sigemptyset(&action.sa_mask);
    sigaction(signo, &action, before);
}

/* One that came keeps its handler, as it may come again in this moment. */
static void restore(int signo, const struct sigaction *before)
{
    if (stop.came_at[signo == SIGTERM] == 0) {
        sigaction(signo, before, NULL);
    }
}

static void watch(void)
{
    stop.owner = getpid();
    stop.signal = stop.insists = 0;
}

/* Returns whether a signal came too late for the hook to raise it. */
static bool take_late_stop(lua_State *L)
{
    if (lua_gethook(L) != raise_stopped) {
        return false;
    }
    lua_sethook(L, NULL, 0, 0);
    return true;
}

/* ---- Calls ---------------------------------------------------------------- */

int luas__signals_pcall(lua_State *L, int nargs, int nresults, int handler)
{
    struct sigaction interrupt, terminate;
    int base = lua_gettop(L) - nargs - 1;

    watch();
    handle(SIGINT, request_stop_once, &interrupt);
    handle(SIGTERM, request_stop_once, &terminate);
    int status = lua_pcall(L, nargs, nresults, handler);
    restore(SIGINT, &interrupt);
    restore(SIGTERM, &terminate);
    if (take_late_stop(L) && status == LUA_OK) {
        lua_settop(L, base);
        push_stopped(L);
        status = LUA_ERRRUN;
    }
    return status;
}

int luas__signals_xpcall(lua_State *L)
{
    struct sigaction before;

    luaL_checktype(L, 1, LUA_TFUNCTION);
    luaL_checktype(L, 2, LUA_TFUNCTION);
    lua_settop(L, 2);
    lua_insert(L, 1);
    watch();
    handle(SIGINT, request_stop_at_prompt, &before);
    int status = lua_pcall(L, 0, LUA_MULTRET, 1);
    sigaction(SIGINT, &before, NULL);
    bool late = take_late_stop(L);
    if (stop.signal == SIGTERM) {
        push_stopped(L);
        return lua_error(L);
    }
    if (late && status == LUA_OK) {
        lua_settop(L, 1);
        lua_pushliteral(L, "interrupted!");
        status = LUA_ERRRUN;
    }
    lua_pushboolean(L, status == LUA_OK);
    lua_replace(L, 1);
    return lua_gettop(L);
}

const char *luas__signals_find(lua_State *L, const char *message)
{
    lua_getfield(L, LUA_REGISTRYINDEX, LUAS__STOPPED_KEY);
    const char *mark = lua_tostring(L, -1);
    const char *found = mark == NULL ? NULL : strstr(message, mark);
    lua_pop(L, 1);
    return found == NULL ? NULL : found + strlen(mark);
}

int luas__signals_status(void)
{
    return 128 + (int)stop.signal;
}
