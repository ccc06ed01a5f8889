/* Calls tasks in a worker, and sends their outcomes. */
#define _GNU_SOURCE
#include "task.h"

#include <lauxlib.h>
#include <limits.h>
#include <stdio.h>
#include <stdio_ext.h>
#include <stdlib.h>
#include <unistd.h>

#include "clock.h"
#include "procfs.h"
#include "error.h"
#include "codec.h"
#include "encoder.h"
#include "holds.h"
#include "kept_hook.h"
#include "list.h"
#include "made_globals.h"
#include "names_scan.h"
#include "serving.h"
#include "tell.h"
#include "traceback.h"

/* Stack of run_tasks: what a chunk's tasks share. */
enum { TASK_SERVER = 1, TASK_FUNCTION, TASK_SPACE, TASK_INPUTS, TASK_RANDOMSEED, TASK_BASE };

static const char traceback_key = 't', inputs_key = 'i'; /* in the registry */

/* ---- what tasks share ---- */

void luas__task_use(luas__arena *arena)
{
    luas__serving.arena = arena;
    luas__serving.held = 0;
}

bool luas__task_look(luas__task_view *v)
{
    if (!luas__serving.busy || luas__serving.is_fork)
        return false;
    const luas__mp_reader *input = &luas__serving.input;
    bool is_sent = !luas__serving.chunk->inherited && !luas__serving.chunk->is_text;
    *v = (luas__task_view){.serial = (uint64_t)luas__serving.seq + 1, .index = luas__serving.chunk->index,
                           .input = is_sent ? (const char *)input->at : NULL,
                           .len = is_sent ? (size_t)(input->end - input->at) : 0};
    return true;
}

/* Returns false, and pushes nothing, if it cannot be read. */
static bool push_record(lua_State *L, const luas__chunk_run *s)
{
    if (s->records.record == NULL)
        return false;
    lua_pushlstring(L, s->records.record, s->records.len);
    return true;
}

bool luas__task_push_input(lua_State *L)
{
    if (luas__serving.busy && luas__serving.chunk->is_text)
        return push_record(L, luas__serving.chunk);
    if (!luas__serving.busy || lua_rawgetp(L, LUA_REGISTRYINDEX, &inputs_key) != LUA_TTABLE)
        return false;
    lua_rawgeti(L, -1, luas__serving.chunk->index);
    lua_remove(L, -2);
    return true;
}

/* Gives back the locks that the task holds, before its outcome is sent. */
LUAS__INLINE void give_back(void)
{
    if (luas__serving.arena != NULL && luas__holds_count(luas__serving.arena) > luas__serving.held)
        luas__holds_end_task(luas__serving.arena, luas__serving.held);
}

/* ---- running tasks ---- */

/* In a child that a task has forked, the task is over: the child ends. Only the worker answers
   tasks; if both did, they would overwrite each other. */
static void leave_fork(int status)
{
    if (!luas__serving.is_fork)
        return;
    fflush(stdout);
    _exit(status);
}

/* Levels below a task: run_tasks and what calls it. */
enum { BELOW = 2 };

/* Stores the traceback separately, because the raised value can be of any type. */
static int on_raise(lua_State *L)
{
    luas__traceback_push(L, NULL, 1, BELOW);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &traceback_key);
    return 1;
}

/* A sandbox may have no random numbers. */
static void seed_random(lua_State *L, const luas__chunk_run *s)
{
    if (lua_isnil(L, TASK_RANDOMSEED))
        return;
    lua_pushvalue(L, TASK_RANDOMSEED);
    lua_pushinteger(L, s->seed);
    lua_pushinteger(L, s->index);
    lua_call(L, 2, 0);
}

static int push_unpacked(lua_State *L)
{
    int list = lua_gettop(L);
    lua_Integer n = luas__list_length(L, list);
    if (n < 0)
        return luaL_error(L, "a list of arguments: %s", lua_tostring(L, -1));
    if (n > LUAS__LIST_MOST_ARGUMENTS)
        return luaL_error(L, "a list of %I arguments is too long", (LUAI_UACINT)n);
    luas__list_unpack(L, list, (int)n);
    lua_remove(L, list);
    return (int)n;
}

static int push_inherited(lua_State *L, const luas__chunk_run *s)
{
    lua_geti(L, TASK_INPUTS, s->index);
    return s->flags & LUAS__JOB_STAR ? push_unpacked(L) : 1;
}

/* The place is in the outcome. */
static int push_text(lua_State *L, const luas__chunk_run *s)
{
    if (s->flags & LUAS__JOB_BARE && s->records.record != NULL)
        return 0;
    if (!push_record(L, s))
        return luaL_error(L, "its text is not there any more: %s", s->records.failed < 0
                          ? luas_strerror(s->records.failed) : "the file was changed meanwhile");
    return 1;
}

static int push_arguments(lua_State *L, const char *bytes, size_t len)
{
    if (luas__decode_number(L, bytes, len))
        return 1;
    int n = luas__decode(L, bytes, len, TASK_SPACE, LUAS__FUNCTIONS);
    return n < 0 ? lua_error(L) : n;
}

/* Is it the last task that the worker has, as far as it knows? Then files are flushed before
   the outcome is sent. So when a job is over all that its tasks wrote is in the files, whatever
   happens to the worker. */
LUAS__INLINE bool is_last(const luas__chunk_run *s)
{
    return s->left == 0 && (const char *)s->body.end == luas__buffer_end(&s->channel->requests);
}

LUAS__INLINE int64_t now(luas__chunk_run *s)
{
    return s->flags & LUAS__JOB_STAMPED ? luas__ticks_now(&s->ticks) : luas__now();
}

LUAS__INLINE void account(lua_State *L, luas__chunk_run *s)
{
    if (s->most < INT_MAX && lua_gc(L, LUA_GCCOUNT) > s->most)
        atomic_store(&s->channel->scoreboard->over_gc_budget, 1);
    if (s->left == 0) {
        s->ended = now(s);
        atomic_fetch_add(&s->channel->scoreboard->busy, s->ended - s->since);
    }
    if (is_last(s))
        fflush(NULL);
    else if (__fpending(stdout) > 0)
        fflush(stdout); /* what a task prints must arrive before its outcome */
}

/* Writes the stamp of a task; its end is the start of the next one. Returns where the stamp
   ends. */
static unsigned char *put_stamp(luas__chunk_run *s, unsigned char *p)
{
    if (s->left > 0)
        s->ended = luas__ticks_now(&s->ticks);
    luas__mp_put_8(p, (uint64_t)s->stamp);
    luas__mp_put_8(p + 8, (uint64_t)s->ended);
    s->stamp = s->ended;
    return p + LUAS__STAMP;
}

static void append_stamp(lua_State *L, luas__chunk_run *s)
{
    luas__buffer *reply = &s->channel->reply;
    if (!(s->flags & LUAS__JOB_STAMPED))
        return;
    luas__tell_check(L, luas__buffer_reserve(reply, LUAS__STAMP));
    put_stamp(s, (unsigned char *)luas__buffer_end(reply));
    reply->len += LUAS__STAMP;
}

/* Sends a single short scalar, which most tasks return. Returns false if it is none: then
   nothing was done. */
static bool reply_scalar(lua_State *L, luas__chunk_run *s)
{
    unsigned char *p = (unsigned char *)luas__channel_room(s->channel), *end = NULL;
    if (p != NULL && lua_gettop(L) == TASK_BASE)
        end = luas__scalar_put_alone(L, TASK_BASE, p, p + s->room);
    if (end == NULL)
        return false;
    luas__serving.busy = 0;
    account(L, s);
    if (s->flags & LUAS__JOB_STAMPED)
        end = put_stamp(s, end);
    luas__tell_check(L, luas__channel_reply_short(s->channel, s->current, (char *)p,
                                                (size_t)(end - p)));
    return true;
}

/* Sends a single long string: copies it once, to where the host reads it. Returns false like
   the one above. */
static bool reply_long_string(lua_State *L, luas__chunk_run *s)
{
    size_t len;
    if (lua_gettop(L) != TASK_BASE || lua_type(L, TASK_BASE) != LUA_TSTRING)
        return false;
    const char *bytes = lua_tolstring(L, TASK_BASE, &len);
    unsigned char *p = len <= LUAS__LARGE_VALUE ? NULL
        : (unsigned char *)luas__channel_large_room(s->channel, s->current,
                                                     1 + LUAS__MP_HEAD + len + LUAS__STAMP);
    if (p == NULL)
        return false;
    *p = LUAS__MP_ALONE;
    unsigned char *end = luas__mp_put_string(p + 1, bytes, len);
    luas__serving.busy = 0;
    account(L, s);
    if (s->flags & LUAS__JOB_STAMPED)
        end = put_stamp(s, end);
    luas__tell_check(L, luas__channel_reply_large(s->channel, (size_t)(end - p)));
    return true;
}

static void reply_value(lua_State *L, luas__chunk_run *s)
{
    luas__encode_options options = {.space = TASK_SPACE, .each = "result",
                                    .plain = s->flags & LUAS__JOB_CALL};
    luas__buffer *reply = &s->channel->reply;
    size_t mark;
    if (!s->has_looked && !options.plain && lua_istable(L, TASK_BASE)) {
        luas__names_scan_for(L, TASK_BASE);
        s->has_looked = true;
    }
    luas__tell_check(L, luas__channel_begin(s->channel, LUAS__MSG_VALUE, s->current, &mark));
    int rc = luas__encode(L, TASK_BASE, lua_gettop(L) - TASK_BASE + 1, reply, &options);
    if (rc < 0)
        lua_error(L);
    leave_fork(EXIT_SUCCESS); /* __luas_pack may have forked, too */
    luas__serving.busy = 0;
    account(L, s);
    append_stamp(L, s);
    luas__tell_check(L, luas__channel_reply(s->channel, mark));
}

/* Stores the start time, before the claim: the host relies on that order (scoreboard.h). For an
   untimed task that is the time of the last reply, by the coarse clock, or of the chunk's start. */
static void note_start(const luas__chunk_run *s)
{
    int64_t start = s->begun > s->since ? s->begun : s->since;
    if (s->flags & (LUAS__JOB_TIMED | LUAS__JOB_STAMPED))
        start = s->flags & LUAS__JOB_STAMPED ? s->stamp : luas__now();
    atomic_store_explicit(&s->channel->scoreboard->since, start, memory_order_relaxed);
}

/* In a worker of an inherited job the globals are the tasks' own, so all of them are looked at. */
static __attribute__((noinline)) void look_for_made(lua_State *L, luas__chunk_run *s)
{
    if (s->flags & LUAS__JOB_INHERIT && is_last(s))
        luas__made_globals_look(L);
    if (*s->made != s->told)
        luas__tell_made(L, s);
}

/* The same for what the task has made, before its outcome is sent: so who waits for that knows it. */
LUAS__INLINE void tell_made(lua_State *L, luas__chunk_run *s)
{
    if (s->left == 0 || *s->made != s->told)
        look_for_made(L, s);
}

/* Takes the next task off the chunk and claims it, before any code of the task runs. */
static bool next_task(lua_State *L, luas__chunk_run *s)
{
    int64_t size = 0;
    s->current = s->seq++;
    s->left--;
    s->index++;
    if (s->is_text) {
        luas__records_next(&s->records);
    } else if (!s->inherited) {
        if (luas__mp_read_int(&s->body, &size) < 0 || size < 0
            || size > s->body.end - s->body.at)
            luas__tell_check(L, LUAS_EPROTO);
        luas__serving.input.at = s->body.at;
        s->body.at += size;
        luas__serving.input.end = s->body.at;
    }
    s->begun = s->channel->clock;
    note_start(s);
    luas__serving.seq = s->current;
    if (luas__serving.arena != NULL)
        luas__serving.held = luas__holds_count(luas__serving.arena);
    luas__serving.busy = 1;
    return luas__scoreboard_claim(s->channel->scoreboard, s->current);
}

/* Makes the stack end with the function, at TASK_BASE. Mostly it replaces the single result of
   the task before: that takes half the time of a pop and a push. */
static void place_function(lua_State *L)
{
    if (lua_gettop(L) == TASK_BASE) {
        lua_copy(L, TASK_FUNCTION, TASK_BASE);
    } else {
        lua_settop(L, TASK_BASE - 1);
        lua_pushvalue(L, TASK_FUNCTION);
    }
}

static int run_tasks(lua_State *L)
{
    luas__chunk_run *s = lua_touserdata(L, TASK_SERVER);
    while (s->left > 0) {
        if (!next_task(L, s))
            continue;
        if (s->flags & LUAS__JOB_SEEDED)
            seed_random(L, s);
        place_function(L);
        int n = s->is_text ? push_text(L, s) : s->inherited ? push_inherited(L, s)
            : push_arguments(L, (const char *)luas__serving.input.at,
                             (size_t)(luas__serving.input.end - luas__serving.input.at));
        lua_call(L, n, s->flags & LUAS__JOB_DISCARD ? 0 : LUA_MULTRET);
        luas__serving_restore_hook(L);
        leave_fork(EXIT_SUCCESS);
        tell_made(L, s);
        give_back();
        if (!reply_scalar(L, s) && !reply_long_string(L, s))
            reply_value(L, s);
    }
    return 0;
}

/* ---- a task that raised ---- */

/* Ends the subprocesses of a task that was stopped. */
static void end_subprocesses(const luas__chunk_run *s)
{
    if (atomic_load(&s->channel->scoreboard->stop) == s->current)
        luas__procfs_kill_tree(s->begun);
}

/* Sends the outcome of a task that raised. The raised value is at the top. */
static void reply_raised(lua_State *L, luas__chunk_run *s, int space)
{
    size_t mark;
    int value = lua_gettop(L);
    leave_fork(EXIT_FAILURE);
    give_back();
    luas__serving.busy = 0;
    luas__kept_hook_set(L);
    end_subprocesses(s);
    luas__buffer_truncate(&s->channel->reply, 0);
    tell_made(L, s);
    luas__tell_check(L, luas__channel_begin(s->channel, LUAS__MSG_ERROR, s->current, &mark));
    lua_pushvalue(L, space);
    lua_pushvalue(L, value);
    lua_rawgetp(L, LUA_REGISTRYINDEX, &traceback_key);
    luas__tell_raised(L, s);
    leave_fork(EXIT_FAILURE);
    account(L, s);
    append_stamp(L, s);
    luas__tell_check(L, luas__channel_reply(s->channel, mark));
    lua_pushnil(L);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &traceback_key);
}

/* ---- a chunk ---- */

luas__chunk_run *luas__task_running(void)
{
    return luas__serving.busy && !luas__serving.is_fork ? luas__serving.chunk : NULL;
}

/* An error ends only the task that raised it. The chunk goes on with the next task. */
void luas__task_run(lua_State *L, luas__chunk_run *s)
{
    int base = lua_gettop(L) - 3;
    int space = base + 2;
    luas__serving.chunk = s;
    lua_pushcfunction(L, on_raise);
    if (s->inherited) {
        lua_pushvalue(L, base + 3);
        lua_rawsetp(L, LUA_REGISTRYINDEX, &inputs_key);
    }
    while (s->left > 0) {
        lua_pushcfunction(L, run_tasks);
        lua_pushlightuserdata(L, s);
        for (int i = 1; i <= 3; i++)
            lua_pushvalue(L, base + i);
        lua_getfield(L, LUA_REGISTRYINDEX, LUAS__RANDOMSEED_KEY);
        if (lua_pcall(L, 5, 0, base + 4) != LUA_OK)
            reply_raised(L, s, space);
        lua_settop(L, base + 4);
    }
    lua_settop(L, base);
    atomic_store(&s->channel->scoreboard->passed, s->seq - 1);
}
