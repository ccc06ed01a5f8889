/* The worker's side of a job: requests in, calls, outcomes out. */
#define _GNU_SOURCE
#include "serve.h"

#include <lauxlib.h>
#include <limits.h>
#include <lualib.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdio_ext.h>
#include <stdlib.h>
#include <unistd.h>

#include "clock.h"
#include "error.h"
#include "codec.h"
#include "describe.h"
#include "alloc_limit.h"
#include "by_name.h"
#include "made_globals.h"
#include "mark.h"
#include "names.h"
#include "orphan.h"
#include "alloc_nursery.h"
#include "serving.h"
#include "settings.h"
#include "space.h"
#include "surroundings_message.h"
#include "kept_hook.h"
#include "task.h"
#include "tell.h"
#include "traceback.h"

/* What the worker knows about a job: the fields of its table. */
enum {
    ENTRY_FUNCTION = 1, ENTRY_SPACE, ENTRY_INPUTS, ENTRY_FLAGS, ENTRY_SEED,
    ENTRY_SHARED    /* the definition whose function and space it has, or nil */
};

/* A definition: its bytes; and if all jobs can share them, its function and space. */
enum { BLOB_BYTES = 1, BLOB_FUNCTION, BLOB_SPACE };

/* In KB. The collector rests until as much was allocated as was inherited, and at least
   LEAST_REST. A worker that has inherited LARGE_HEAP or more should be replaced when it has
   allocated a 16th of that, and at least LEAST_LOAD. */
enum { LEAST_REST = 16 << 10, LARGE_HEAP = 64 << 10, LEAST_LOAD = 32 << 10 };

/* Stack of serve_requests. */
enum { STACK_SERVER = 1, STACK_JOBS, STACK_BLOBS, STACK_EXIT };

typedef struct server {
    luas__chunk_run chunk;
    luas__channel *channel;
    int status;                 /* the exit status from STOP, once `stopped` */
    bool stopped;
    uint32_t again;             /* the attempts from AGAIN, for the next chunk */
    luas__surroundings *own, *around;   /* once init has run; for tasks from now on; NULL: not yet */
    int64_t surrounded;         /* the job whose tasks have had them; 0: none */
    const void *settings;       /* the table of those that were entered; NULL: none */
    luas__hook hook;            /* of the host, until init has run */
} server;

/* ---- requests ---- */

static int64_t read_int(lua_State *L, luas__mp_reader *body)
{
    int64_t value = 0;
    luas__tell_check(L, luas__mp_read_int(body, &value));
    return value;
}

static int push_entry(lua_State *L, int64_t job)
{
    if (lua_rawgeti(L, STACK_JOBS, job) != LUA_TTABLE)
        luas__tell_check(L, LUAS_EPROTO);
    return lua_gettop(L);
}

/* Calls the function that the first argument names. */
static int call_by_name(lua_State *L)
{
    luas__by_name_push(L, luaL_checkstring(L, 1));
    lua_replace(L, 1);
    lua_call(L, lua_gettop(L) - 1, LUA_MULTRET);
    return lua_gettop(L);
}

static void set_inherited(lua_State *L, int64_t job, int entry)
{
    lua_getfield(L, LUA_REGISTRYINDEX, LUAS__CARRIED_KEY);
    if (lua_rawgeti(L, -1, job) != LUA_TTABLE)
        luaL_error(L, "luas worker: job %I was not inherited", (LUAI_UACINT)job);
    for (int i = ENTRY_FUNCTION; i <= ENTRY_INPUTS; i++) {
        lua_rawgeti(L, -1, i);
        lua_rawseti(L, entry, i);
    }
    if (lua_rawgeti(L, -1, ENTRY_INPUTS + 1) == LUA_TTABLE) /* globals that it lacks */
        luas__made_globals_guard(L, lua_gettop(L));
    lua_pop(L, 3);
}

/* Gives the entry a space of its own, if it has none or a shared one. */
static void give_space(lua_State *L, int entry)
{
    bool is_clean = luas__mark_is_clean(L);
    luas__space_new(L, 1);
    if (is_clean)
        luas__mark_renew(L);
    lua_rawseti(L, entry, ENTRY_SPACE);
    lua_pushnil(L);
    lua_rawseti(L, entry, ENTRY_SHARED);
    lua_pushnil(L);
    lua_rawseti(L, entry, ENTRY_FUNCTION);
}

static void on_job(lua_State *L, server *s, luas__mp_reader *body)
{
    (void)s;
    int64_t job = read_int(L, body), flags = read_int(L, body);
    lua_createtable(L, ENTRY_SHARED, 0);
    int entry = lua_gettop(L);
    lua_pushinteger(L, flags);
    lua_rawseti(L, entry, ENTRY_FLAGS);
    lua_pushinteger(L, read_int(L, body));
    lua_rawseti(L, entry, ENTRY_SEED);
    if (flags & LUAS__JOB_INHERIT)
        set_inherited(L, job, entry);
    if (flags & LUAS__JOB_PROCESS) {
        lua_pushboolean(L, 1);
        lua_setfield(L, LUA_REGISTRYINDEX, LUAS__PROCESS_KEY);
    }
    if (flags & LUAS__JOB_CALL) {
        give_space(L, entry);
        lua_pushcfunction(L, call_by_name);
        lua_rawseti(L, entry, ENTRY_FUNCTION);
    }
    lua_rawseti(L, STACK_JOBS, job);
}

static void on_definition(lua_State *L, server *s, luas__mp_reader *body)
{
    (void)s;
    int64_t id = read_int(L, body);
    lua_createtable(L, BLOB_SPACE, 0);
    lua_pushlstring(L, (const char *)body->at, (size_t)(body->end - body->at));
    lua_rawseti(L, -2, BLOB_BYTES);
    lua_rawseti(L, STACK_BLOBS, id);
}

static int raise_upvalue(lua_State *L)
{
    lua_pushvalue(L, lua_upvalueindex(1));
    return lua_error(L);
}

/* Decodes the definition into the entry's space. The first root is the job's function. If
   decoding fails each task of the job fails with that message. */
static bool apply_definition(lua_State *L, int entry, int definition)
{
    size_t len;
    lua_rawgeti(L, entry, ENTRY_SPACE);
    lua_rawgeti(L, definition, BLOB_BYTES);
    const char *bytes = lua_tolstring(L, -1, &len);
    bool defined = luas__decode_define(L, lua_gettop(L) - 1, bytes, len) == 0;
    if (!defined)
        lua_pushcclosure(L, raise_upvalue, 1);
    if (!defined || lua_rawgeti(L, entry, ENTRY_FUNCTION) == LUA_TNIL) {
        lua_settop(L, lua_gettop(L) - defined);
        lua_rawseti(L, entry, ENTRY_FUNCTION);
    }
    lua_settop(L, definition);
    return defined;
}

static void copy_field(lua_State *L, int from, int field, int to, int to_field)
{
    lua_rawgeti(L, from, field);
    lua_rawseti(L, to, to_field);
}

/* A function that no task can change is decoded once for all jobs that have it. */
static bool take_shared(lua_State *L, int entry, int definition)
{
    bool made = lua_rawgeti(L, definition, BLOB_FUNCTION) != LUA_TNIL;
    lua_pop(L, 1);
    if (!made)
        return false;
    copy_field(L, definition, BLOB_FUNCTION, entry, ENTRY_FUNCTION);
    copy_field(L, definition, BLOB_SPACE, entry, ENTRY_SPACE);
    lua_pushvalue(L, definition);
    lua_rawseti(L, entry, ENTRY_SHARED);
    return true;
}

static void share(lua_State *L, int entry, int definition)
{
    lua_rawgeti(L, entry, ENTRY_SPACE);
    if (luas__space_is_pure(L, lua_gettop(L))) {
        copy_field(L, entry, ENTRY_FUNCTION, definition, BLOB_FUNCTION);
        copy_field(L, entry, ENTRY_SPACE, definition, BLOB_SPACE);
        lua_pushvalue(L, definition);
        lua_rawseti(L, entry, ENTRY_SHARED);
    }
}

static void on_define(lua_State *L, server *s, luas__mp_reader *body)
{
    (void)s;
    int entry = push_entry(L, read_int(L, body));
    if (lua_rawgeti(L, STACK_BLOBS, read_int(L, body)) != LUA_TTABLE)
        luas__tell_check(L, LUAS_EPROTO);
    int definition = entry + 1;
    bool first = lua_rawgeti(L, entry, ENTRY_SPACE) == LUA_TNIL;
    bool shared = lua_rawgeti(L, entry, ENTRY_SHARED) == LUA_TTABLE;
    if (first && take_shared(L, entry, definition))
        return;
    if (first || shared)
        give_space(L, entry);
    if (shared) { /* a further definition: the job needs a space of its own */
        int before = definition + 2;
        lua_settop(L, before);
        apply_definition(L, entry, before);
    }
    lua_settop(L, definition);
    if (apply_definition(L, entry, definition) && first)
        share(L, entry, definition);
}

static int64_t entry_integer(lua_State *L, int entry, int field)
{
    lua_rawgeti(L, entry, field);
    int64_t value = lua_tointeger(L, -1);
    lua_pop(L, 1);
    return value;
}

/* ---- what is around tasks ---- */

/* What `init` has changed belongs to the worker: all tasks find it so. */
static void note_own_surroundings(lua_State *L, server *s)
{
    if (s->own != NULL)
        return;
    s->own = luas__surroundings_now(s->channel->around);
    luas__tell_check(L, s->own == NULL ? LUAS_ENOMEM : 0);
    luas__surroundings_adopt(s->own);
    s->around = luas__surroundings_use(s->own);
}

/* Enters them at once: then those from before are in use no longer. */
static void on_around(lua_State *L, server *s, luas__mp_reader *body)
{
    note_own_surroundings(L, s);
    luas__surroundings *before = s->around, *next;
    luas__tell_check(L, luas__surroundings_message_read(&next, s->own, body));
    s->around = next;
    s->surrounded = 0;
    luas__surroundings_enter(next); /* a failure comes again, when there is a task to tell */
    luas__surroundings_release(before);
}

/* Undoes what tasks of another job have changed. An inherited job is the only one that its worker
   has. Replaces the function at the top by one that raises, if that is not possible. */
static void surround(lua_State *L, server *s, int64_t job, int flags)
{
    if (s->surrounded == job || flags & LUAS__JOB_INHERIT)
        return;
    note_own_surroundings(L, s);
    int rc = luas__surroundings_enter(s->around);
    s->surrounded = rc == 0 ? job : 0;
    if (rc == 0)
        return;
    lua_pop(L, 1);
    if (s->around->directory != NULL)
        lua_pushfstring(L, "cannot enter the directory %s: %s", s->around->directory, luas_strerror(rc));
    else
        lua_pushliteral(L, "cannot enter the directory of the call: it was removed");
    lua_pushcclosure(L, raise_upvalue, 1);
}

/* What modules and the state have been set to in the host since this worker was forked. The space of
   the job, whose tasks come next, is at the top; below it is the job's function, which is replaced
   by one that raises if that is not possible. */
static void enter_settings(lua_State *L, server *s)
{
    const luas__space *of_job = lua_touserdata(L, -1);
    if (of_job == NULL || of_job->settings == s->settings)
        return;
    int space = lua_gettop(L), function = space - 1;
    s->settings = of_job->settings;
    lua_getiuservalue(L, space, SPACE_SETTINGS);
    if (luas__settings_enter(L, space + 1)) {
        luas__space_follow_globals(L, space);
    } else {
        lua_pushliteral(L, "a module has changed, and this worker lacks what has changed in it");
        lua_pushcclosure(L, raise_upvalue, 1);
        lua_replace(L, function);
    }
    lua_settop(L, space);
}

static void on_chunk(lua_State *L, server *s, luas__mp_reader *body)
{
    int64_t job = read_int(L, body);
    int entry = push_entry(L, job);
    luas__chunk_run *c = &s->chunk;
    c->channel = s->channel;
    c->seq = (uint32_t)read_int(L, body);
    c->index = read_int(L, body) - 1;
    c->left = (uint32_t)read_int(L, body);
    c->body = *body;
    c->flags = (int)entry_integer(L, entry, ENTRY_FLAGS);
    c->seed = entry_integer(L, entry, ENTRY_SEED);
    c->has_looked = false;
    if (c->is_text)
        luas__tell_check(L, luas__records_begin(&c->records, &c->body));
    c->room = LUAS__SHORT - (c->flags & LUAS__JOB_STAMPED ? LUAS__STAMP : 0);
    c->since = c->stamp = c->flags & LUAS__JOB_STAMPED ? luas__ticks_now(&c->ticks) : luas__now();
    c->attempts = s->again;
    s->again = 0;
    lua_rawgeti(L, entry, ENTRY_FUNCTION);
    surround(L, s, job, c->flags);
    lua_rawgeti(L, entry, ENTRY_SPACE);
    if (!(c->flags & LUAS__JOB_INHERIT))
        enter_settings(L, s);
    lua_rawgeti(L, entry, ENTRY_INPUTS);
    luas__task_run(L, c);
}

static void on_request(lua_State *L, server *s, luas__mp_reader *body)
{
    int64_t code = read_int(L, body);
    switch (code) {
    case LUAS__MSG_DEFINITION: on_definition(L, s, body); break;
    case LUAS__MSG_JOB: on_job(L, s, body); break;
    case LUAS__MSG_DEFINE: on_define(L, s, body); break;
    case LUAS__MSG_RUN:
    case LUAS__MSG_RANGE:
    case LUAS__MSG_RECORDS:
        s->chunk.inherited = code == LUAS__MSG_RANGE;
        s->chunk.is_text = code == LUAS__MSG_RECORDS;
        on_chunk(L, s, body);
        break;
    case LUAS__MSG_AROUND: on_around(L, s, body); break;
    case LUAS__MSG_DROP:
    case LUAS__MSG_FORGET:
        luas__records_end(&s->chunk.records);
        lua_pushnil(L);
        lua_rawseti(L, code == LUAS__MSG_DROP ? STACK_BLOBS : STACK_JOBS, read_int(L, body));
        break;
    case LUAS__MSG_AGAIN:
        s->again = (uint32_t)read_int(L, body);
        break;
    case LUAS__MSG_STOP:
        s->status = (int)read_int(L, body);
        s->stopped = true;
        break;
    default:
        luas__tell_check(L, LUAS_EPROTO);
    }
}

static void announce(lua_State *L, luas__channel *c)
{
    size_t mark;
    luas__tell_check(L, luas__frame_begin(&c->reply, LUAS__MSG_READY, &mark));
    luas__tell_check(L, luas__channel_send(c, mark));
}

/* Arguments: server, init or nil, exit or nil. */
static int serve_requests(lua_State *L)
{
    server *s = lua_touserdata(L, STACK_SERVER);
    luas__kept_hook_set(L);
    lua_pushvalue(L, 3);
    lua_newtable(L);
    lua_replace(L, 3); /* definitions; exit moved above it */
    s->chunk.channel = s->channel;
    s->chunk.made = luas__made_globals_count(L);
    if (lua_isfunction(L, 2)) {
        lua_pushvalue(L, 2);
        lua_call(L, 0, 0);
        luas__made_globals_look(L);
        luas__tell_made(L, &s->chunk);
        announce(L, s->channel);
    }
    luas__kept_hook_keep(L);
    lua_newtable(L);
    lua_replace(L, STACK_JOBS);
    s->status = -1; /* init has run: later errors are not its fault */
    while (!s->stopped) {
        luas__mp_reader body;
        luas__mp_reader *request = &body;
        luas__tell_check(L, luas__channel_next(s->channel, request));
        on_request(L, s, request);
        lua_settop(L, STACK_EXIT);
        luas__frame_drop(&s->channel->requests);
    }
    if (lua_isfunction(L, STACK_EXIT)) {
        lua_pushvalue(L, STACK_EXIT);
        lua_call(L, 0, 0);
    }
    return 0;
}

/* ---- becoming a worker ---- */

/* Replaces os.exit: ends the worker without running what the host does at its end, and without
   moving the read positions of files that both have open. */
static int leave(lua_State *L)
{
    int status = lua_isboolean(L, 1) ? (lua_toboolean(L, 1) ? EXIT_SUCCESS : EXIT_FAILURE)
                                     : (int)luaL_optinteger(L, 1, EXIT_SUCCESS);
    fflush(NULL);
    luas__orphan_exit(status);
}

static void replace_exit(lua_State *L)
{
    if (lua_getglobal(L, "os") == LUA_TTABLE) {
        lua_pushcfunction(L, leave);
        lua_setfield(L, -2, "exit");
    }
    lua_pop(L, 1);
}

/* Without this all workers would draw the same random numbers. */
static void prepare_random(lua_State *L)
{
    luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
    if (lua_getfield(L, -1, LUA_MATHLIBNAME) == LUA_TTABLE
        && lua_getfield(L, -1, "randomseed") == LUA_TFUNCTION) {
        lua_pushvalue(L, -1);
        lua_setfield(L, LUA_REGISTRYINDEX, LUAS__RANDOMSEED_KEY);
        lua_pushinteger(L, luas__now());
        lua_pushinteger(L, getpid());
        lua_call(L, 2, 0);
    }
    lua_settop(L, 1);
}

/*
 * The collector must not traverse the heap that came with the fork, because that would copy
 * every page. So it rests until as much again was allocated. (A negative step raises what may
 * be allocated before the next cycle.)
 */
static void rest_collector(lua_State *L, int inherited)
{
    lua_gc(L, LUA_GCSTEP, -(inherited > LEAST_REST ? inherited : LEAST_REST));
}

/* The size in KB at which the worker should be replaced instead of collecting. INT_MAX: never.
   So for a small heap, which is copied quickly, and with init or exit functions, whose author
   expects few calls. With a memory limit it is early enough not to meet that in the middle of a
   task. */
static int most_for(int inherited, const luas__serve_options *options)
{
    if (inherited < LARGE_HEAP || options->init > 0 || options->exit > 0)
        return INT_MAX;
    int more = inherited / 16 > LEAST_LOAD ? inherited / 16 : LEAST_LOAD;
    if (options->memory > 0 && options->memory / 2048 < (size_t)more)
        more = (int)(options->memory / 2048);
    return inherited + more;
}

/* The host's hook is none of the worker's, unless that was asked for. */
static void take_hook(lua_State *L)
{
    if (lua_getfield(L, LUA_REGISTRYINDEX, LUAS__KEPT_HOOK_ASKED_KEY) == LUA_TNIL)
        lua_sethook(L, NULL, 0, 0);
    lua_pop(L, 1);
    luas__kept_hook_keep(L);
    lua_sethook(L, NULL, 0, 0);
}

/* Returns the thread to serve in. Its stack is empty. So tracebacks begin with the task, and
   not with what the host was doing when it forked. */
static int become_worker(lua_State *L)
{
    server *s = lua_touserdata(L, 1);
    luas__kept_hook_put(L, s->hook);
    take_hook(L);
    lua_pushinteger(L, s->channel->worker);
    lua_setfield(L, LUA_REGISTRYINDEX, LUAS__WORKER_KEY);
    lua_pushnil(L); /* the host may itself be a worker or a process */
    lua_setfield(L, LUA_REGISTRYINDEX, LUAS__PROCESS_KEY);
    luas__names_snapshot(L);
    luas__encode_light_snapshot(L);
    luas__settings_inherit(L);
    replace_exit(L);
    prepare_random(L);
    lua_newthread(L);
    return 1;
}

void luas__serve_fail(luas__channel *c, const char *why)
{
    size_t mark;
    luas__buffer_truncate(&c->reply, 0);
    if (luas__frame_begin(&c->reply, LUAS__MSG_FAILED, &mark) == 0
        && luas__mp_write_string(&c->reply, why, strlen(why)) == 0
        && luas__channel_send(c, mark) == 0)
        luas__channel_flush(c);
}

/* A text on the stack that tells only what type the value 1 has: what is in it, if it is a table
   (lua/luas/outcome.lua). */
static void look_into(lua_State *L)
{
    int text = lua_gettop(L);
    luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
    if (lua_getfield(L, -1, "luas.outcome") == LUA_TTABLE && lua_getfield(L, -1, "in_words") == LUA_TFUNCTION) {
        lua_pushvalue(L, 1);
        lua_pushvalue(L, text);
        if (lua_pcall(L, 2, 1, 0) == LUA_OK && lua_isstring(L, -1))
            lua_replace(L, text);
    }
    lua_settop(L, text);
}

static int describe(lua_State *L)
{
    (void)luas__describe_error(L, 1);
    if (lua_istable(L, 1))
        look_into(L);
    luas__traceback_push(L, lua_tostring(L, -1), 1, 0);
    return 1;
}

static void move_function(lua_State *from, lua_State *to, int index)
{
    index > 0 ? lua_pushvalue(from, index) : lua_pushnil(from);
    lua_xmove(from, to, 1);
}

static int serve_in(lua_State *T, lua_State *L, server *s, const luas__serve_options *options)
{
    luas__serving_catch_stop(T, s->channel->scoreboard);
    lua_pushcfunction(T, describe);
    lua_pushcfunction(T, serve_requests);
    lua_pushlightuserdata(T, s);
    move_function(L, T, options->init);
    move_function(L, T, options->exit);
    int rc = lua_pcall(T, 3, 0, 1);
    if (rc != LUA_OK)
        lua_xmove(T, L, 1);
    return rc;
}

void luas__serve_flush(void)
{
    signal(SIGPIPE, SIG_IGN); /* a pipe that nobody reads must not kill the worker */
    fflush(NULL);
}

int luas__serve(lua_State *L, luas__channel *channel, const luas__serve_options *options)
{
    int inherited = lua_gc(L, LUA_GCCOUNT);
    server s = {.channel = channel, .chunk.most = most_for(inherited, options),
                .chunk.records = LUAS__RECORDS_INIT, .hook = luas__kept_hook_lift(L)};
    rest_collector(L, inherited);
    /* Lines of several workers must not mix, whatever stdout is. */
    setvbuf(stdout, NULL, _IOLBF, BUFSIZ);
    __fpurge(stdin); /* input that the host has buffered belongs to the host */
    luas__alloc_nursery_open(L, !options->is_weighed);
    if (!luas__alloc_limit(L, options->memory) || !lua_checkstack(L, LUA_MINSTACK))
        return -1;
    lua_pushcfunction(L, become_worker);
    lua_pushlightuserdata(L, &s);
    int rc = lua_pcall(L, 1, 1, 0);
    if (rc == LUA_OK)
        rc = serve_in(lua_tothread(L, -1), L, &s, options);
    if (rc != LUA_OK && s.status == 0)
        luas__serve_fail(channel, lua_tostring(L, -1));
    luas__channel_flush(channel);
    luas__serve_flush();
    if (!s.stopped)
        return -1;
    return rc == LUA_OK ? s.status : EXIT_FAILURE;
}
