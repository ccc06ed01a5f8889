/* The module "luas.core": functions, and the classes with all their methods. */
#include "core.h"

#include <lauxlib.h>
#include <stdbool.h>
#include <unistd.h>

#include "clock.h"
#include "cluster_handle.h"
#include "cpus.h"
#include "fail.h"
#include "fresh_pool.h"
#include "handles.h"
#include "inline_call.h"
#include "job_handle.h"
#include "journal_handle.h"
#include "keeper.h"
#include "list.h"
#include "loaded.h"
#include "luas.h"
#include "pool_handle.h"
#include "printer.h"
#include "readers.h"
#include "sentinel.h"
#include "serve.h"
#include "serving.h"
#include "share_open.h"
#include "baseline.h"
#include "table_watch.h"
#include "task.h"
#include "tell.h"
#include "terminal.h"
#include "traceback.h"
#include "user_calls.h"

static int core_cpus(lua_State *L)
{
    lua_pushinteger(L, luas__cpus_count());
    return 1;
}

static int core_pid(lua_State *L)
{
    const luas__fork_detect *here = lua_touserdata(L, lua_upvalueindex(1));
    lua_pushinteger(L, luas__fork_detect_is_here(here) ? here->pid : getpid());
    return 1;
}

static int close_fork_detect(lua_State *L)
{
    luas__fork_detect_close(lua_touserdata(L, 1));
    return 0;
}

static void push_pid_function(lua_State *L)
{
    luas__fork_detect *here = lua_newuserdatauv(L, sizeof *here, 0);
    *here = (luas__fork_detect){.pid = getpid()};
    lua_createtable(L, 0, 1);
    lua_pushcfunction(L, close_fork_detect);
    lua_setfield(L, -2, "__gc");
    lua_setmetatable(L, -2);
    if (luas__keeper_add(L))
        luas__fork_detect_open(here);
    lua_pushcclosure(L, core_pid, 1);
}

static int core_parent(lua_State *L)
{
    lua_pushinteger(L, getppid());
    return 1;
}

/* How many libraries in C are loaded. */
static int core_libraries(lua_State *L)
{
    lua_pushinteger(L, luas__loaded_count());
    return 1;
}

/* Of this worker's running task, or 0. */
static int core_task_seq(lua_State *L)
{
    lua_pushinteger(L, luas__serving_seq());
    return 1;
}

/* The number of this worker in its pool, nil in a host; whether it is a process that was
   spawned; and what the worker is called. */
static int core_worker(lua_State *L)
{
    lua_getfield(L, LUA_REGISTRYINDEX, LUAS__WORKER_KEY);
    lua_getfield(L, LUA_REGISTRYINDEX, LUAS__PROCESS_KEY);
    lua_getfield(L, LUA_REGISTRYINDEX, LUAS__WORKER_NAME_KEY);
    return 3;
}

/* What the program was told of a cluster: a table, or nil. */
static int core_cluster(lua_State *L)
{
    lua_getfield(L, LUA_REGISTRYINDEX, "luas.cluster");
    return 1;
}

/* The workers that the program's -j asks for, or nil. */
static int core_workers(lua_State *L)
{
    lua_getfield(L, LUA_REGISTRYINDEX, "luas.workers");
    return 1;
}

/* Can these values be sent? Returns nothing, or a message that says which cannot. */
static int core_check(lua_State *L)
{
    return luas__inline_call_check_values(L, 1, lua_gettop(L), NULL) < 0;
}

/* The length of a list; or nil, what is wrong with it, and whether it has keys only. */
static int core_length(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_Integer n = luas__list_length(L, 1);
    if (n < 0) {
        lua_pushnil(L);
        lua_insert(L, -2);
        lua_pushboolean(L, n == LUAS__LIST_KEYS_ONLY);
        return 3;
    }
    lua_pushinteger(L, n);
    return 1;
}

static int core_traceback(lua_State *L)
{
    luas__traceback_push(L, lua_tostring(L, 1), (int)luaL_optinteger(L, 2, 1), (int)luaL_optinteger(L, 3, 0));
    return 1;
}

/* The levels of the stack, without that of this function. */
static int core_levels(lua_State *L)
{
    lua_pushinteger(L, luas__traceback_levels(L) - 1);
    return 1;
}

/* "file:line: " of the script's line that called into luas, or "". */
static int core_caller(lua_State *L)
{
    luas__fail_push_caller(L);
    return 1;
}

/* Says that the caller has called code of the user. */
static int core_called(lua_State *L)
{
    luas__user_calls_note(L);
    return 0;
}

static int core_isatty(lua_State *L)
{
    lua_pushboolean(L, isatty((int)luaL_checkinteger(L, 1)));
    return 1;
}

/* Returns index, attempt, worker and a unique number of the task that runs here; nothing
   outside of a task. */
static int core_task(lua_State *L)
{
    const luas__chunk_run *s = luas__task_running();
    if (s == NULL || s->flags & LUAS__JOB_PROCESS)
        return 0;
    lua_pushinteger(L, s->index);
    lua_pushinteger(L, (lua_Integer)s->attempts + 1);
    lua_pushinteger(L, s->channel->worker);
    lua_pushinteger(L, s->current);
    return 4;
}

/* Arguments: the task's unique number, done, total, note. Ignored when that task is over. */
static int core_tell(lua_State *L)
{
    luas__chunk_run *s = luas__task_running();
    size_t len;
    const char *note = luaL_optlstring(L, 4, "", &len);
    if (s != NULL && s->current == (uint32_t)luaL_checkinteger(L, 1))
        luas__tell_progress(L, s, luaL_checknumber(L, 2), luaL_checknumber(L, 3), note, len);
    return 0;
}

static int core_now(lua_State *L)
{
    lua_pushnumber(L, (lua_Number)luas__now() / 1e9);
    return 1;
}

static int core_call(lua_State *L)
{
    luaL_checkany(L, 1);
    lua_call(L, lua_gettop(L) - 1, LUA_MULTRET);
    return lua_gettop(L);
}

/* A signal ends it, so that its hook runs. */
static int core_sleep(lua_State *L)
{
    int64_t ns = luas__seconds(luaL_checknumber(L, 1));
    if (ns > 0)
        nanosleep(&(struct timespec){.tv_sec = ns / LUAS__SECOND, .tv_nsec = ns % LUAS__SECOND}, NULL);
    return 0;
}

/* Is nobody told when a script ends in this state but its finalizers? Not so where
   the program or an application opened the library: these know. */
static int core_ends_alone(lua_State *L)
{
    bool is_worker = lua_getfield(L, LUA_REGISTRYINDEX, LUAS__WORKER_KEY) != LUA_TNIL;
    lua_getfield(L, LUA_REGISTRYINDEX, LUAS__OPENED_KEY);
    lua_pushboolean(L, is_worker || !lua_toboolean(L, -1));
    return 1;
}

/* Argument: what the program is to call when a script has ended well. */
static int core_at_end(lua_State *L)
{
    lua_settop(L, 1);
    lua_setfield(L, LUA_REGISTRYINDEX, LUAS__AT_END_KEY);
    return 0;
}

static const luaL_Reg functions[] = {
    {"pool", luas__pool_handle_new}, {"policy", luas__job_handle_policy},
    {"cpus", core_cpus}, {"parent", core_parent}, {"worker", core_worker}, {"task", core_task},
    {"task_seq", core_task_seq}, {"libraries", core_libraries},
    {"workers", core_workers}, {"cluster", core_cluster}, {"now", core_now}, {"sleep", core_sleep}, {"isatty", core_isatty},
    {"guard", luas__inline_call}, {"stop", luas__inline_call_stop},
    {"stopped", luas__inline_call_stopped}, {"describe", luas__inline_call_describe}, {"try", luas__inline_call_try},
    {"traceback", core_traceback},
    {"levels", core_levels},
    {"watch", luas__table_watch}, {"same", luas__table_watch_same},
    {"baseline", luas__baseline_make}, {"baseline_of_state", luas__baseline_of_state},
    {"is_at_baseline", luas__baseline_compare_is_same}, {"note_changes", luas__baseline_compare_note},
    {"tell", core_tell}, {"check", core_check}, {"call", core_call}, {"length", core_length},
    {"check_list", luas__feed_check_list}, {"report", luas__fail_report}, {"caller", core_caller},
    {"ends_alone", core_ends_alone}, {"at_end", core_at_end},
    {"reporter", luas__fail_reporter}, {"called", core_called}, {"fresh_program", luas__fresh_pool_program}, {"text_tools", luas__printer_tools}, {"cluster_tools", luas__cluster_handle_tools},
    {"each_record", luas__printer_each_record}, {"joining", luas__share_joining}, {"journal", luas__journal_handle_tools}, {NULL, NULL},
};

static const luaL_Reg pool_methods[] = {{"job", luas__job_handle_new}, {NULL, NULL}};

int luas__core_open(lua_State *L)
{
    luas__pool_handle_class(L);
    luas__handles_add_methods(L, LUAS__POOL_CLASS, pool_methods);
    luas__handles_add_methods(L, LUAS__POOL_CLASS, luas__readers_pool);
    luas__handles_add_methods(L, LUAS__POOL_CLASS, luas__terminal_pool);
    luas__job_handle_class(L);
    luas__handles_add_methods(L, LUAS__JOB_CLASS, luas__feed_methods);
    luas__handles_add_methods(L, LUAS__JOB_CLASS, luas__collect_methods);
    luas__handles_add_methods(L, LUAS__JOB_CLASS, luas__readers_job);
    luas__readers_open(L);
    luas__terminal_open(L);
    lua_newtable(L);
    lua_setfield(L, LUA_REGISTRYINDEX, LUAS__CARRIED_KEY);
    luaL_newlib(L, functions);
    luaL_setfuncs(L, luas__readers_core, 0);
    luaL_setfuncs(L, luas__terminal_core, 0);
    luaL_setfuncs(L, luas__sentinel_core, 0);
    luas__share_open(L);
    lua_setfield(L, -2, "shared");
    push_pid_function(L);
    lua_setfield(L, -2, "pid");
    lua_pushliteral(L, LUAS_VERSION);
    lua_setfield(L, -2, "version");
    return 1;
}
