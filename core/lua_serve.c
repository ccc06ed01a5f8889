/* The worker's side of a job: requests in, calls, outcomes out. */
#define _GNU_SOURCE
#include "lua_serve.h"

#include <errno.h>
#include <lauxlib.h>
#include <lualib.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdio_ext.h>
#include <stdlib.h>
#include <unistd.h>

#include "clock.h"
#include "error.h"
#include "lua_codec.h"
#include "lua_limit.h"
#include "lua_names.h"
#include "lua_space.h"

/* What the worker knows of a job, and where in its table. */
enum { ENTRY_FUNCTION = 1, ENTRY_SPACE, ENTRY_INPUTS, ENTRY_FLAGS, ENTRY_SEED };

/* Stack of serve_requests. */
enum { STACK_SERVER = 1, STACK_JOBS, STACK_BLOBS, STACK_EXIT };

/* Stack of run_tasks: what a chunk's tasks share. */
enum { TASK_SERVER = 1, TASK_FUNCTION, TASK_SPACE, TASK_INPUTS, TASK_RANDOMSEED, TASK_BASE };

typedef struct server {
    luas__channel *channel;
    int status;                 /* STOP's, once `stopped` */
    bool stopped;
    /* the chunk in hand: */
    luas__mp_reader body;       /* its tasks that are left */
    uint32_t seq, left;         /* of the next task; how many are left */
    int64_t index;
    int flags;
    int64_t seed, since;
    uint32_t current;           /* seq of the task that runs */
    bool inherited;
} server;

/*
 * For the signal handler, which has no other way to know: the one state that
 * this process serves with. Set in workers only, never in a host.
 */
static struct {
    lua_State *volatile L;
    luas__page *volatile page;
    volatile uint32_t seq;
} serving;

static const char traceback_key = 't';

/* ---- stopping a task politely ---- */

static void raise_if_meant(lua_State *L, lua_Debug *ar)
{
    (void)ar;
    lua_sethook(L, NULL, 0, 0);
    if (atomic_load(&serving.page->stop) == serving.seq)
        luaL_error(L, "stopped by the pool");
}

static void on_stop_signal(int signal)
{
    (void)signal;
    if (serving.L != NULL)
        lua_sethook(serving.L, raise_if_meant,
                    LUA_MASKCALL | LUA_MASKRET | LUA_MASKLINE | LUA_MASKCOUNT, 1);
}

static void catch_stop_signal(lua_State *L, luas__page *page)
{
    serving.L = L;
    serving.page = page;
    struct sigaction action = {.sa_handler = on_stop_signal};
    sigaction(SIGUSR1, &action, NULL);
}

/* ---- running tasks ---- */

static int check(lua_State *L, int rc)
{
    if (rc == LUAS_ECLOSED || rc == -EPIPE)
        _exit(1); /* the host is gone, and so is the use of it all */
    if (rc < 0)
        luaL_error(L, "luas worker: %s", luas_strerror(rc));
    return rc;
}

/* Keeps the traceback aside, for the raised value can be of any type. */
static int on_raise(lua_State *L)
{
    luaL_traceback(L, L, NULL, 1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &traceback_key);
    return 1;
}

static void seed_random(lua_State *L, const server *s)
{
    lua_pushvalue(L, TASK_RANDOMSEED);
    lua_pushinteger(L, s->seed);
    lua_pushinteger(L, s->index);
    lua_call(L, 2, 0);
}

static int push_unpacked(lua_State *L)
{
    lua_Integer n = lua_getfield(L, -1, "n") == LUA_TNUMBER ? lua_tointeger(L, -1)
                                                            : luaL_len(L, -2);
    lua_pop(L, 1);
    int table = lua_gettop(L);
    if (n < 0 || n > 200000)
        return luaL_error(L, "a list of %I arguments is too long", (LUAI_UACINT)n);
    luaL_checkstack(L, (int)n, "too many arguments");
    for (lua_Integer i = 1; i <= n; i++)
        lua_geti(L, table, i);
    lua_remove(L, table);
    return (int)n;
}

static int push_inherited(lua_State *L, const server *s)
{
    lua_geti(L, TASK_INPUTS, s->index);
    return s->flags & LUAS__JOB_STAR ? push_unpacked(L) : 1;
}

static int push_arguments(lua_State *L, const char *bytes, size_t len)
{
    int n = luas__decode(L, bytes, len, TASK_SPACE, LUAS__FUNCTIONS);
    return n < 0 ? lua_error(L) : n;
}

static void account(server *s)
{
    if (s->left == 0)
        atomic_fetch_add(&s->channel->page->busy, luas__now() - s->since);
    if (__fpending(stdout) > 0)
        fflush(stdout); /* what a task prints is out before its outcome is */
}

static void reply_value(lua_State *L, server *s)
{
    luas__encode_options options = {.space = TASK_SPACE};
    luas__buffer *reply = &s->channel->reply;
    size_t mark;
    check(L, luas__channel_begin(s->channel, LUAS__VALUE, s->current, &mark));
    int rc = luas__encode(L, TASK_BASE, lua_gettop(L) - TASK_BASE + 1, reply, &options);
    if (rc < 0)
        luaL_error(L, strstr(lua_tostring(L, -1), ": ") != NULL ? "result, %s" : "result: %s",
                   lua_tostring(L, -1));
    account(s);
    check(L, luas__channel_reply(s->channel, s->current, mark));
}

/* Takes the next task off the chunk, before anything can raise. */
static bool next_task(lua_State *L, server *s, luas__mp_reader *arguments)
{
    int64_t size = 0;
    s->current = s->seq++;
    s->left--;
    s->index++;
    if (!s->inherited) {
        if (luas__mp_read_int(&s->body, &size) < 0 || size < 0
            || size > s->body.end - s->body.at)
            check(L, LUAS_EPROTO);
        arguments->at = s->body.at;
        s->body.at += size;
        arguments->end = s->body.at;
    }
    if (s->flags & LUAS__JOB_TIMED)
        atomic_store(&s->channel->page->since, luas__now());
    serving.seq = s->current;
    return luas__channel_claim(s->channel, s->current);
}

static int run_tasks(lua_State *L)
{
    server *s = lua_touserdata(L, TASK_SERVER);
    luas__mp_reader arguments = {NULL, NULL};
    while (s->left > 0) {
        if (!next_task(L, s, &arguments))
            continue;
        lua_settop(L, TASK_BASE - 1);
        if (s->flags & LUAS__JOB_SEEDED)
            seed_random(L, s);
        lua_pushvalue(L, TASK_FUNCTION);
        int n = s->inherited ? push_inherited(L, s)
            : push_arguments(L, (const char *)arguments.at,
                             (size_t)(arguments.end - arguments.at));
        lua_call(L, n, s->flags & LUAS__JOB_DISCARD ? 0 : LUA_MULTRET);
        reply_value(L, s);
    }
    return 0;
}

/* ---- a task that raised ---- */

static void encode_or_nil(lua_State *L, int index, luas__buffer *out, int space)
{
    luas__encode_options options = {.space = space};
    if (luas__encode_value(L, index, out, &options) < 0) {
        lua_pop(L, 1);
        check(L, luas__mp_write_nil(out));
    }
}

static void encode_text(lua_State *L, int index, luas__buffer *out)
{
    size_t len;
    const char *text = lua_tolstring(L, index, &len);
    check(L, luas__mp_write_string(out, text != NULL ? text : "", text != NULL ? len : 0));
}

static void push_message(lua_State *L, int value)
{
    if (lua_isstring(L, value) || luaL_getmetafield(L, value, "__tostring") != LUA_TNIL)
        luaL_tolstring(L, value, NULL);
    else
        lua_pushfstring(L, "(error object is a %s value)", luaL_typename(L, value));
}

/* Arguments: server, space, raised value, traceback. */
static int encode_raised(lua_State *L)
{
    server *s = lua_touserdata(L, 1);
    luas__buffer *reply = &s->channel->reply;
    push_message(L, 3);
    int message = lua_gettop(L);
    check(L, luas__mp_write_array(reply, 3));
    encode_or_nil(L, 3, reply, 2);
    encode_text(L, message, reply);
    encode_text(L, 4, reply);
    return 0;
}

/* When even that raised (a bad __tostring, no memory). */
static void encode_bare(lua_State *L, server *s)
{
    static const char text[] = "(the error could not be described)";
    luas__buffer *reply = &s->channel->reply;
    check(L, luas__mp_write_array(reply, 3));
    check(L, luas__mp_write_nil(reply));
    check(L, luas__mp_write_string(reply, text, sizeof text - 1));
    check(L, luas__mp_write_nil(reply));
}

/* The raised value is on the top; gives the task its outcome. */
static void reply_raised(lua_State *L, server *s, int space)
{
    size_t mark;
    int value = lua_gettop(L);
    lua_sethook(L, NULL, 0, 0);
    luas__buffer_truncate(&s->channel->reply, 0);
    check(L, luas__channel_begin(s->channel, LUAS__ERROR, s->current, &mark));
    size_t body = s->channel->reply.len;
    lua_pushcfunction(L, encode_raised);
    lua_pushlightuserdata(L, s);
    lua_pushvalue(L, space);
    lua_pushvalue(L, value);
    lua_rawgetp(L, LUA_REGISTRYINDEX, &traceback_key);
    if (lua_pcall(L, 4, 0, 0) != LUA_OK) {
        luas__buffer_truncate(&s->channel->reply, body);
        encode_bare(L, s);
    }
    account(s);
    check(L, luas__channel_reply(s->channel, s->current, mark));
    lua_pushnil(L);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &traceback_key);
}

/* Whatever a task raises ends that task; the chunk goes on behind it. */
static void run_chunk(lua_State *L, server *s, int entry)
{
    int base = lua_gettop(L);
    lua_pushcfunction(L, on_raise);
    lua_rawgeti(L, entry, ENTRY_SPACE);
    int space = base + 2;
    while (s->left > 0) {
        lua_pushcfunction(L, run_tasks);
        lua_pushlightuserdata(L, s);
        lua_rawgeti(L, entry, ENTRY_FUNCTION);
        lua_pushvalue(L, space);
        lua_rawgeti(L, entry, ENTRY_INPUTS);
        lua_getfield(L, LUA_REGISTRYINDEX, "luas.randomseed");
        if (lua_pcall(L, 5, 0, base + 1) != LUA_OK)
            reply_raised(L, s, space);
        lua_settop(L, space);
    }
    lua_settop(L, base);
}

/* ---- requests ---- */

static int64_t read_int(lua_State *L, luas__mp_reader *body)
{
    int64_t value = 0;
    check(L, luas__mp_read_int(body, &value));
    return value;
}

static int push_entry(lua_State *L, int64_t job)
{
    if (lua_rawgeti(L, STACK_JOBS, job) != LUA_TTABLE)
        check(L, LUAS_EPROTO);
    return lua_gettop(L);
}

/* Calls the global function that the first argument names. */
static int call_by_name(lua_State *L)
{
    const char *name = luaL_checkstring(L, 1);
    if (lua_getglobal(L, name) != LUA_TFUNCTION)
        return luaL_error(L, "no function '%s' in the script", name);
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
    lua_pop(L, 2);
}

static void on_job(lua_State *L, server *s, luas__mp_reader *body)
{
    (void)s;
    int64_t job = read_int(L, body), flags = read_int(L, body);
    lua_createtable(L, 5, 0);
    int entry = lua_gettop(L);
    lua_pushinteger(L, flags);
    lua_rawseti(L, entry, ENTRY_FLAGS);
    lua_pushinteger(L, read_int(L, body));
    lua_rawseti(L, entry, ENTRY_SEED);
    if (flags & LUAS__JOB_INHERIT) {
        set_inherited(L, job, entry);
    } else {
        luas__space_new(L, 1);
        lua_rawseti(L, entry, ENTRY_SPACE);
    }
    if (flags & LUAS__JOB_PROCESS) {
        lua_pushboolean(L, 1);
        lua_setfield(L, LUA_REGISTRYINDEX, LUAS__PROCESS_KEY);
    }
    if (flags & LUAS__JOB_CALL) {
        lua_pushcfunction(L, call_by_name);
        lua_rawseti(L, entry, ENTRY_FUNCTION);
    }
    lua_rawseti(L, STACK_JOBS, job);
}

static void on_blob(lua_State *L, server *s, luas__mp_reader *body)
{
    (void)s;
    int64_t id = read_int(L, body);
    lua_pushlstring(L, (const char *)body->at, (size_t)(body->end - body->at));
    lua_rawseti(L, STACK_BLOBS, id);
}

static int raise_upvalue(lua_State *L)
{
    lua_pushvalue(L, lua_upvalueindex(1));
    return lua_error(L);
}

static void on_define(lua_State *L, server *s, luas__mp_reader *body)
{
    (void)s;
    size_t len;
    int entry = push_entry(L, read_int(L, body));
    lua_rawgeti(L, entry, ENTRY_SPACE);
    lua_rawgeti(L, STACK_BLOBS, read_int(L, body));
    const char *bytes = lua_tolstring(L, -1, &len);
    if (bytes == NULL)
        check(L, LUAS_EPROTO);
    if (luas__define(L, lua_gettop(L) - 1, bytes, len) < 0)
        lua_pushcclosure(L, raise_upvalue, 1); /* each task is to say so */
    else if (lua_rawgeti(L, entry, ENTRY_FUNCTION) == LUA_TNIL)
        lua_pop(L, 1); /* the first root is the job's function */
    else
        return;
    lua_rawseti(L, entry, ENTRY_FUNCTION);
}

static void on_chunk(lua_State *L, server *s, luas__mp_reader *body)
{
    int entry = push_entry(L, read_int(L, body));
    s->seq = (uint32_t)read_int(L, body);
    s->index = read_int(L, body) - 1;
    s->left = (uint32_t)read_int(L, body);
    s->body = *body;
    lua_rawgeti(L, entry, ENTRY_FLAGS);
    s->flags = (int)lua_tointeger(L, -1);
    lua_rawgeti(L, entry, ENTRY_SEED);
    s->seed = lua_tointeger(L, -1);
    s->since = luas__now();
    run_chunk(L, s, entry);
}

static void on_request(lua_State *L, server *s, luas__mp_reader *body)
{
    int64_t code = read_int(L, body);
    switch (code) {
    case LUAS__BLOB: on_blob(L, s, body); break;
    case LUAS__JOB: on_job(L, s, body); break;
    case LUAS__DEFINE: on_define(L, s, body); break;
    case LUAS__RUN:
    case LUAS__RANGE:
        s->inherited = code == LUAS__RANGE;
        on_chunk(L, s, body);
        break;
    case LUAS__DROP:
    case LUAS__FORGET:
        lua_pushnil(L);
        lua_rawseti(L, code == LUAS__DROP ? STACK_BLOBS : STACK_JOBS, read_int(L, body));
        break;
    case LUAS__STOP:
        s->status = (int)read_int(L, body);
        s->stopped = true;
        break;
    default:
        check(L, LUAS_EPROTO);
    }
}

static void announce(lua_State *L, luas__channel *c)
{
    size_t mark;
    check(L, luas__frame_begin(&c->reply, LUAS__READY, &mark));
    check(L, luas__channel_send(c, mark));
}

/* Arguments: server, init or nil, exit or nil. */
static int serve_requests(lua_State *L)
{
    server *s = lua_touserdata(L, STACK_SERVER);
    lua_pushvalue(L, 3);
    lua_newtable(L);
    lua_replace(L, 3); /* blobs; exit moved above it */
    if (lua_isfunction(L, 2)) {
        lua_pushvalue(L, 2);
        lua_call(L, 0, 0);
        announce(L, s->channel);
    }
    lua_newtable(L);
    lua_replace(L, STACK_JOBS);
    s->status = -1; /* from here on nothing is init's fault */
    while (!s->stopped) {
        luas__mp_reader body;
        luas__mp_reader *request = &body;
        check(L, luas__channel_next(s->channel, request));
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

/* In place of os.exit: ends the worker without what the host would do at its
   end, and without moving the read positions of files that both have open. */
static int leave(lua_State *L)
{
    int status = lua_isboolean(L, 1) ? (lua_toboolean(L, 1) ? EXIT_SUCCESS : EXIT_FAILURE)
                                     : (int)luaL_optinteger(L, 1, EXIT_SUCCESS);
    fflush(NULL);
    _exit(status);
}

static void replace_exit(lua_State *L)
{
    if (lua_getglobal(L, "os") == LUA_TTABLE) {
        lua_pushcfunction(L, leave);
        lua_setfield(L, -2, "exit");
    }
    lua_pop(L, 1);
}

/* Workers forked in one moment would all draw the same random numbers. */
static void prepare_random(lua_State *L)
{
    luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
    if (lua_getfield(L, -1, LUA_MATHLIBNAME) == LUA_TTABLE
        && lua_getfield(L, -1, "randomseed") == LUA_TFUNCTION) {
        lua_pushvalue(L, -1);
        lua_setfield(L, LUA_REGISTRYINDEX, "luas.randomseed");
        lua_pushinteger(L, luas__now());
        lua_pushinteger(L, getpid());
        lua_call(L, 2, 0);
    }
    lua_settop(L, 1);
}

/*
 * The collector must not walk, and so copy, the heap that came with the fork:
 * it owes nothing until as much again was allocated. (A negative step adds to
 * what may still be allocated before the next cycle.)
 */
static void rest_collector(lua_State *L)
{
    int inherited = lua_gc(L, LUA_GCCOUNT);
    lua_gc(L, LUA_GCSTEP, -(inherited > 16384 ? inherited : 16384));
}

/* Gives the thread to serve in: its stack, and so every traceback, begins with
   the task and not with what the host was doing when it forked. */
static int become_worker(lua_State *L)
{
    server *s = lua_touserdata(L, 1);
    lua_pushinteger(L, s->channel->worker);
    lua_setfield(L, LUA_REGISTRYINDEX, LUAS__WORKER_KEY);
    luas__names_snapshot(L);
    replace_exit(L);
    prepare_random(L);
    lua_newthread(L);
    return 1;
}

void luas__serve_fail(luas__channel *c, const char *why)
{
    size_t mark;
    luas__buffer_truncate(&c->reply, 0);
    if (luas__frame_begin(&c->reply, LUAS__FAILED, &mark) == 0
        && luas__mp_write_string(&c->reply, why, strlen(why)) == 0
        && luas__channel_send(c, mark) == 0)
        luas__channel_flush(c);
}

static int describe(lua_State *L)
{
    push_message(L, 1);
    luaL_traceback(L, L, lua_tostring(L, -1), 1);
    return 1;
}

static void move_function(lua_State *from, lua_State *to, int index)
{
    index > 0 ? lua_pushvalue(from, index) : lua_pushnil(from);
    lua_xmove(from, to, 1);
}

static int serve_in(lua_State *T, lua_State *L, server *s, const luas__serve_options *options)
{
    catch_stop_signal(T, s->channel->page);
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

int luas__serve(lua_State *L, luas__channel *channel, const luas__serve_options *options)
{
    server s = {.channel = channel};
    lua_sethook(L, NULL, 0, 0);
    rest_collector(L);
    /* Lines of several workers must not mix, whatever stdout is. */
    setvbuf(stdout, NULL, _IOLBF, BUFSIZ);
    if (!luas__limit_memory(L, options->memory) || !lua_checkstack(L, LUA_MINSTACK))
        return EXIT_FAILURE;
    lua_pushcfunction(L, become_worker);
    lua_pushlightuserdata(L, &s);
    int rc = lua_pcall(L, 1, 1, 0);
    if (rc == LUA_OK)
        rc = serve_in(lua_tothread(L, -1), L, &s, options);
    if (rc != LUA_OK && s.status == 0)
        luas__serve_fail(channel, lua_tostring(L, -1));
    luas__channel_flush(channel);
    fflush(NULL);
    return rc == LUA_OK ? s.status : EXIT_FAILURE;
}
