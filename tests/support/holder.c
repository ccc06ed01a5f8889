/* A Lua module for specs: threads of the host that hold locks while it forks. */
#define _GNU_SOURCE
#include <lauxlib.h>
#include <locale.h>
#include <lua.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_rwlock_t both = PTHREAD_RWLOCK_INITIALIZER;
static _Atomic int held;

static void *hold_for_good(void *unused)
{
    pthread_mutex_lock(&mutex);
    pthread_rwlock_wrlock(&both);
    held = 1;
    for (;;)
        pause();
    return unused;
}

/* What a thread that logs does most of its time. */
static void *log_times(void *unused)
{
    struct tm parts;
    for (;;) {
        time_t now = time(NULL);
        localtime_r(&now, &parts);
    }
    return unused;
}

/* Half of the time the lock is free. */
static void pause_for(int rounds)
{
    for (volatile int i = 0; i < rounds; i++)
        continue;
}

static void *change_locale(void *unused)
{
    for (;;) {
        freelocale(duplocale(LC_GLOBAL_LOCALE));
        pause_for(200);
    }
    return unused;
}

static void *change_environment(void *unused)
{
    for (;;) {
        setenv("LUAS_TEST_BUSY", "1", 1);
        pause_for(200);
    }
    return unused;
}

static int start(lua_State *L)
{
    static const char *const names[] = {"hold", "times", "locale", "environment", NULL};
    static void *(*const bodies[])(void *) = {hold_for_good, log_times, change_locale,
                                              change_environment};
    int which = luaL_checkoption(L, 1, NULL, names);
    pthread_t thread;
    if (pthread_create(&thread, NULL, bodies[which], NULL) != 0)
        return luaL_error(L, "no thread");
    while (which == 0 && !held)
        usleep(1000);
    return 0;
}

static int lock(lua_State *L)
{
    (void)L;
    pthread_mutex_lock(&mutex);
    return 0;
}

static int read_lock(lua_State *L)
{
    (void)L;
    pthread_rwlock_rdlock(&both);
    return 0;
}

static int write_lock(lua_State *L)
{
    (void)L;
    pthread_rwlock_wrlock(&both);
    return 0;
}

/* A thread of its own gives the lock back in the end: no hang. */
static pthread_mutex_t short_one = PTHREAD_MUTEX_INITIALIZER;

static void *hold_shortly(void *unused)
{
    pthread_mutex_lock(&short_one);
    held = 2;
    usleep(1200000);
    pthread_mutex_unlock(&short_one);
    return unused;
}

static int wait_for_own_thread(lua_State *L)
{
    pthread_t thread;
    held = 0;
    if (pthread_create(&thread, NULL, hold_shortly, NULL) != 0)
        return luaL_error(L, "no thread");
    while (held != 2)
        usleep(1000);
    pthread_mutex_lock(&short_one);
    pthread_join(thread, NULL);
    return 0;
}

static int set_variable(lua_State *L)
{
    setenv("LUAS_TEST_SET", luaL_checkstring(L, 1), 1);
    lua_pushstring(L, getenv("LUAS_TEST_SET"));
    return 1;
}

int luaopen_holder(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"start", start}, {"lock", lock}, {"read_lock", read_lock}, {"write_lock", write_lock},
        {"own", wait_for_own_thread}, {"setenv", set_variable}, {NULL, NULL},
    };
    luaL_newlib(L, functions);
    return 1;
}
