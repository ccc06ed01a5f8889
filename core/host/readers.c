/* Readers of events as userdata, and methods by which pools and jobs describe themselves. */
#define _GNU_SOURCE
#include "readers.h"

#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "error.h"
#include "figures.h"
#include "fail.h"
#include "job_handle.h"
#include "job_inputs.h"
#include "mp_text.h"
#include "item_text.h"
#include "joblog.h"
#include "pool.h"
#include "trace.h"

#define READER "luas.core.reader"

typedef struct handle {
    luas__reader *reader;   /* NULL once closed */
    luas__tally *tally;     /* the same, if it is one */
    int (*finish)(luas__reader *);  /* for one that writes a file */
} handle;

static handle *new_handle(lua_State *L)
{
    handle *h = lua_newuserdatauv(L, sizeof *h, 0);
    *h = (handle){.reader = NULL};
    luaL_setmetatable(L, READER);
    luas__handles_keep(L);
    return h;
}

static handle *check_handle(lua_State *L, int index)
{
    handle *h = luaL_checkudata(L, index, READER);
    luaL_argcheck(L, h->reader != NULL, index, "reader is closed");
    return h;
}

luas__reader *luas__readers_check(lua_State *L, int index)
{
    return check_handle(L, index)->reader;
}

luas__reader **luas__readers_new(lua_State *L, int (*finish)(luas__reader *))
{
    handle *h = new_handle(L);
    h->finish = finish;
    return &h->reader;
}

static int core_tally(lua_State *L)
{
    lua_Integer only = luaL_optinteger(L, 1, 0);
    handle *h = new_handle(L);
    h->tally = luas__tally_new(only);
    if (h->tally == NULL)
        return luas__fail(L, "luas: %s", luas_strerror(LUAS_ENOMEM));
    h->reader = &h->tally->reader;
    return 1;
}

/* Opens a reader that writes a file. On failure pushes nil and the reason. */
static int open_writer(lua_State *L, int (*open)(luas__reader **, const char *),
                       int (*finish)(luas__reader *))
{
    const char *path = luaL_checkstring(L, 1);
    handle *h = new_handle(L);
    int rc = open(&h->reader, path);
    h->finish = finish;
    if (rc == 0)
        return 1;
    lua_pushnil(L);
    lua_pushstring(L, luas_strerror(rc));
    return 2;
}

static int core_trace(lua_State *L)
{
    return open_writer(L, luas__trace_open, luas__trace_finish);
}

static int core_joblog(lua_State *L)
{
    return open_writer(L, luas__joblog_open, luas__joblog_finish);
}

static int reader_finish(lua_State *L)
{
    handle *h = check_handle(L, 1);
    int rc = h->finish != NULL ? h->finish(h->reader) : 0;
    lua_pushboolean(L, rc == 0);
    lua_pushstring(L, rc < 0 ? luas_strerror(rc) : "");
    return 2;
}

static int reader_close(lua_State *L)
{
    handle *h = luaL_checkudata(L, 1, READER);
    luas__events_drop_reader(h->reader);
    *h = (handle){.reader = NULL};
    return 0;
}

static int push_figures(lua_State *L)
{
    luas__figures_push(L, lua_touserdata(L, 1));
    return 1;
}

/* Unlocks the reader even if memory runs out. */
static int reader_figures(lua_State *L)
{
    luas__tally *t = check_handle(L, 1)->tally;
    luaL_argcheck(L, t != NULL, 1, "a tally expected");
    lua_pushcfunction(L, push_figures);
    lua_pushlightuserdata(L, t);
    pthread_mutex_lock(&t->reader.lock);
    int rc = lua_pcall(L, 1, 1, 0);
    pthread_mutex_unlock(&t->reader.lock);
    return rc == LUA_OK ? 1 : lua_error(L);
}

/* ---- tasks that ran in the caller ---- */

static double number_of(lua_State *L, const char *name)
{
    lua_getfield(L, 2, name);
    double value = lua_tonumber(L, -1);
    lua_pop(L, 1);
    return value;
}

/* The string stays on the stack, which keeps it alive. */
static const char *string_of(lua_State *L, const char *name, size_t *len)
{
    lua_getfield(L, 2, name);
    return lua_tolstring(L, -1, len);
}

static enum luas__kind kind_of(lua_State *L)
{
    static const char *const kinds[] = {"value", "error", "timeout", "crash", "cancelled", NULL};
    lua_getfield(L, 2, "kind");
    int kind = luaL_checkoption(L, -1, "value", kinds);
    lua_pop(L, 1);
    return (enum luas__kind)kind;
}

static int reader_ended(lua_State *L)
{
    handle *h = check_handle(L, 1);
    luaL_checktype(L, 2, LUA_TTABLE);
    int64_t start = luas__seconds(number_of(L, "start")), took = luas__seconds(number_of(L, "took"));
    luas__pool_event e = {
        .type = LUAS__EVENT_ENDED, .at = start + took, .start = start, .took = took,
        .index = (uint64_t)number_of(L, "index"), .count = 1, .job = (int64_t)number_of(L, "job"),
        .worker = (int32_t)number_of(L, "worker"), .attempts = (int32_t)number_of(L, "attempts"), .kind = kind_of(L), .status = -1,
        .ends_chunk = true};
    lua_getfield(L, 2, "retried");
    e.retried = lua_toboolean(L, -1);
    e.machine = (int32_t)number_of(L, "machine");
    e.workers = e.machine_name = string_of(L, "machine_name", NULL);
    e.label = string_of(L, "label", NULL);
    e.input = string_of(L, "input", &e.input_len);
    e.raised = string_of(L, "raised", &e.raised_len);
    if (e.label == NULL)
        e.label = "";
    int tag = (int)number_of(L, "tag");
    pthread_mutex_lock(&h->reader->lock);
    if (h->reader->wants & 1u << e.type)
        h->reader->hear(h->reader, tag, &e);
    pthread_mutex_unlock(&h->reader->lock);
    return 0;
}

/* ---- pools ---- */

static int pool_listen(lua_State *L)
{
    luas__pool *p = luas__handles_pool(L, 1)->pool;
    handle *h = check_handle(L, 2);
    int rc = luas__events_listen(p, h->reader, (int)luaL_checkinteger(L, 3), lua_toboolean(L, 4));
    return rc < 0 ? luas__handles_raise(L, p, rc) : 0;
}

static int pool_ignore(lua_State *L)
{
    luas__events_ignore(luas__handles_pool(L, 1)->pool, check_handle(L, 2)->reader);
    return 0;
}

/* ---- what inherited inputs are called ---- */

enum { MOST_TEXT = 200 };

static void name(lua_State *L, luas__notable *list, int n, int pool, int64_t job)
{
    char text[MOST_TEXT];
    bool is_list = lua_toboolean(L, 5);
    for (int i = 0; i < n; i++) {
        if (list[i].job != job || list[i].pool != pool || list[i].input != NULL)
            continue;
        lua_rawgeti(L, 4, (lua_Integer)list[i].index);
        luas__item_text(L, -1, is_list, text, sizeof text);
        lua_pop(L, 1);
        list[i].input = strdup(text); /* NULL without memory */
    }
}

static int name_all(lua_State *L)
{
    luas__tally *t = lua_touserdata(L, 1);
    int pool = (int)luaL_checkinteger(L, 2);
    int64_t job = luaL_checkinteger(L, 3);
    name(L, t->slowest, t->nslowest, pool, job);
    name(L, t->failures, t->nfailures, pool, job);
    return 0;
}

/* Arguments: tally, tag, job's id, items, whether these are lists. */
static int reader_name(lua_State *L)
{
    luas__tally *t = check_handle(L, 1)->tally;
    luaL_argcheck(L, t != NULL, 1, "a tally expected");
    luaL_checktype(L, 4, LUA_TTABLE);
    lua_settop(L, 5);
    lua_pushcfunction(L, name_all);
    lua_pushlightuserdata(L, t);
    for (int i = 2; i <= 5; i++)
        lua_pushvalue(L, i);
    pthread_mutex_lock(&t->reader.lock);
    int rc = lua_pcall(L, 5, 0, 0);
    pthread_mutex_unlock(&t->reader.lock);
    return rc == LUA_OK ? 0 : lua_error(L);
}

/* Writes a name in the form of an input that is fed: a size, and an array of one string. */
static int put_name(luas__buffer *b, const char *text, size_t len)
{
    luas__buffer one = LUAS__BUFFER_INIT;
    int rc = luas__mp_write_array(&one, 1);
    if (rc == 0)
        rc = luas__mp_write_string(&one, text, len);
    if (rc == 0)
        rc = luas__mp_write_int(b, (int64_t)one.len);
    if (rc == 0)
        rc = luas__buffer_append(b, luas__buffer_bytes(&one), one.len);
    luas__buffer_release(&one);
    return rc;
}

static int put_names(lua_State *L, luas__job_handle *h, uint32_t n)
{
    char text[MOST_TEXT];
    int rc = 0;
    luas__buffer_truncate(&h->bytes, 0);
    for (uint32_t i = 0; i < n && rc == 0; i++) {
        lua_rawgeti(L, 2, i + 1);
        size_t len = luas__item_text(L, -1, lua_toboolean(L, 4), text, sizeof text);
        lua_pop(L, 1);
        rc = put_name(&h->bytes, text, len);
        h->ends[i] = h->bytes.len;
    }
    return rc;
}

/* Arguments: job, items, how many, whether these are lists. If memory runs out the job does not
   fail: its inputs have no names then. */
static int job_name(lua_State *L)
{
    luas__job_handle *h = luas__job_handle_check(L);
    uint32_t n = (uint32_t)luaL_checkinteger(L, 3);
    luas__pool *p = h->pool->pool;
    lua_settop(L, 4);
    free(h->ends);
    h->cap = h->count = 0;
    h->ends = malloc((n > 0 ? n : 1) * sizeof *h->ends);
    int rc = h->ends == NULL ? LUAS_ENOMEM : put_names(L, h, n);
    if (rc == 0 && (rc = luas__state_lock(p)) == 0) {
        rc = luas__job_inputs_name(h->job, &h->bytes, h->ends, n);
        luas__state_unlock(p);
    }
    if (rc == 0)
        h->ends = NULL; /* the job has them now */
    return 0;
}

/* ---- jobs ---- */

static int job_id(lua_State *L)
{
    lua_pushinteger(L, luas__job_handle_check(L)->job->id);
    return 1;
}

static int job_label(lua_State *L)
{
    luas__job_handle *h = luas__job_handle_check(L);
    size_t len;
    const char *text = luaL_checklstring(L, 2, &len);
    luas__mp_text_line(text, len, h->job->seen.label, sizeof h->job->seen.label);
    return 0;
}

static void push_seconds(lua_State *L, int64_t ns)
{
    ns > 0 ? lua_pushnumber(L, (double)ns / 1e9) : lua_pushnil(L);
}

static int job_pace(lua_State *L)
{
    luas__job_handle *h = luas__job_handle_check(L);
    luas__pool *p = h->pool->pool;
    luas__job_handle_try(L, h, luas__state_lock(p));
    uint64_t settled = h->job->output.settled, cancelled = h->job->output.cancelled, failures = h->job->output.failures;
    int64_t first = h->job->seen.first_start, last = h->job->seen.last_end;
    int64_t slowest = h->job->seen.slowest;
    luas__state_unlock(p);
    lua_pushinteger(L, (lua_Integer)settled);
    lua_pushinteger(L, (lua_Integer)cancelled);
    lua_pushinteger(L, (lua_Integer)failures);
    push_seconds(L, first);
    push_seconds(L, last);
    push_seconds(L, slowest);
    return 6;
}

typedef struct running {
    uint64_t index;
    int worker;
    int64_t since;
    luas__task_progress progress;
} running;

enum { MOST_RUNNING = 256 };

/* Collects them with the lock; they are pushed without it. */
static int find_running(luas__pool *p, const luas__job *job, running *found)
{
    int n = 0;
    for (int i = 0; i < p->nworkers && n < MOST_RUNNING; i++) {
        luas__worker *w = p->workers[i];
        const luas__chunk *c = w->state >= LUAS__WORKER_REAPED ? NULL : luas__worker_tasks_running(w);
        uint32_t seq = c != NULL ? luas__scoreboard_started(w->scoreboard) : 0;
        if (c == NULL || c->job != job || seq - c->seq >= c->count)
            continue;
        found[n] = (running){.index = c->index + (seq - c->seq), .worker = w->number,
                             .since = atomic_load(&w->scoreboard->since)};
        if (w->seen.progress.seq == seq)
            found[n].progress = w->seen.progress;
        n++;
    }
    return n;
}

static void push_running(lua_State *L, const running *r)
{
    lua_createtable(L, 0, 6);
    lua_pushinteger(L, (lua_Integer)r->index);
    lua_setfield(L, -2, "index");
    lua_pushinteger(L, r->worker);
    lua_setfield(L, -2, "worker");
    if (r->since > 0) {
        lua_pushnumber(L, (double)(luas__now() - r->since) / 1e9);
        lua_setfield(L, -2, "seconds");
    }
    if (r->progress.seq == 0)
        return;
    lua_pushnumber(L, r->progress.done);
    lua_setfield(L, -2, "done");
    lua_pushstring(L, r->progress.note);
    lua_setfield(L, -2, "note");
    if (r->progress.total > 0) {
        lua_pushnumber(L, r->progress.total);
        lua_setfield(L, -2, "total");
    }
}

static int job_running(lua_State *L)
{
    luas__job_handle *h = luas__job_handle_check(L);
    running *found = lua_newuserdatauv(L, MOST_RUNNING * sizeof *found, 0);
    luas__job_handle_try(L, h, luas__state_lock(h->pool->pool));
    int n = find_running(h->pool->pool, h->job, found);
    luas__state_unlock(h->pool->pool);
    lua_createtable(L, n, 0);
    for (int i = 0; i < n; i++) {
        push_running(L, &found[i]);
        lua_rawseti(L, -2, i + 1);
    }
    return 1;
}

/* ---- the classes ---- */

const luaL_Reg luas__readers_core[] = {
    {"tally", core_tally}, {"trace", core_trace}, {"joblog", core_joblog}, {NULL, NULL}};

const luaL_Reg luas__readers_pool[] = {
    {"listen", pool_listen}, {"ignore", pool_ignore}, {NULL, NULL}};

const luaL_Reg luas__readers_job[] = {
    {"id", job_id}, {"label", job_label}, {"name", job_name}, {"pace", job_pace}, {"running", job_running},
    {NULL, NULL}};

static const luaL_Reg methods[] = {
    {"figures", reader_figures}, {"name", reader_name}, {"ended", reader_ended}, {"finish", reader_finish},
    {"close", reader_close}, {NULL, NULL}};

static const luaL_Reg meta[] = {{"__gc", reader_close}, {NULL, NULL}};

void luas__readers_open(lua_State *L)
{
    luas__handles_new_class(L, READER, methods, meta);
}
