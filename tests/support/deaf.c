/* A Lua module for specs: has its process hear no signals; and other ways not to end. */
#define _GNU_SOURCE
#include <lauxlib.h>
#include <lua.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

static int block(lua_State *L)
{
    sigset_t all;
    (void)L;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
    return 0;
}

static void handle_all(void handler(int))
{
    for (int s = 1; s < NSIG; s++)
        signal(s, handler);
}

static int ignore(lua_State *L)
{
    (void)L;
    handle_all(SIG_IGN);
    return 0;
}

static void on_any(int signo)
{
    (void)signo;
}

static int handle(lua_State *L)
{
    (void)L;
    handle_all(on_any);
    return 0;
}

static int forget(lua_State *L)
{
    (void)L;
    prctl(PR_SET_PDEATHSIG, 0);
    return 0;
}

/* Goes to the group of its host. */
static int join(lua_State *L)
{
    lua_pushboolean(L, setpgid(0, getpgid(getppid())) == 0);
    return 1;
}

static int stop(lua_State *L)
{
    (void)L;
    raise(SIGSTOP);
    return 0;
}

static int spin(lua_State *L)
{
    volatile int on = 1;
    (void)L;
    while (on)
        continue;
    return 0;
}

static int pid(lua_State *L)
{
    lua_pushinteger(L, getpid());
    return 1;
}

/* Gives 0 in the child. */
static int fork_child(lua_State *L)
{
    lua_pushinteger(L, fork());
    return 1;
}

/* Executes a command of the shell. */
static int execute(lua_State *L)
{
    execl("/bin/sh", "sh", "-c", luaL_checkstring(L, 1), (char *)NULL);
    return luaL_error(L, "no shell");
}

int luaopen_deaf(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"block", block}, {"ignore", ignore}, {"handle", handle}, {"forget", forget}, {"join", join},
        {"stop", stop}, {"spin", spin}, {"pid", pid}, {"fork", fork_child}, {"execute", execute},
        {NULL, NULL},
    };
    luaL_newlib(L, functions);
    return 1;
}
