/* Jobs as userdata: functions carried, inputs encoded, outcomes decoded. */
#define _GNU_SOURCE
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "error.h"
#include "lua_codec.h"
#include "lua_fail.h"
#include "lua_handles.h"
#include "lua_outcome.h"
#include "lua_recall.h"
#include "lua_serve.h"
#include "lua_space.h"

#define JOB "luas.core.job"
#define POLICY "luas.core.policy"

/* User values of a job. Printed: a table, index -> what the task printed.
   Memo: of the function (lua_recall.h), or nil. */
enum { JOB_POOL = 1, JOB_SPACE, JOB_PRINTED, JOB_MEMO };

/* Where the methods have them, after check_job. */
enum { AT_JOB = 1 };

/* More bytes than this are cheaper to inherit than to send to each worker. */
enum { SHIP_LIMIT = 256 << 10 };

/* Values looked at to find the classes of an inherited function. */
enum { SURVEY = 20000 };

/* The size in front of a task's arguments: a uint 32, filled in afterwards. */
enum { SIZE_HEAD = 5 };

/* In one call. */
enum { MOST_ARGUMENTS = 200000 };

typedef struct job_handle {
    luas__job *job;         /* NULL once dropped */
    luas__handle *pool;
    luas__buffer bytes;     /* tasks being encoded */
    luas__buffer defines;   /* what they need defined before them */
    size_t *ends;
    uint32_t count, cap;
} job_handle;

/* ---- handles ---- */

static job_handle *to_job(lua_State *L)
{
    return luaL_checkudata(L, AT_JOB, JOB);
}

/* The job and its pool are there, and this process is their host. */
static void check_alive(lua_State *L, const job_handle *h)
{
    if (h->job == NULL || h->pool->pool == NULL)
        luaL_error(L, "job is over");
}

static job_handle *check_job(lua_State *L)
{
    job_handle *h = to_job(L);
    check_alive(L, h);
    return h;
}

static int check(lua_State *L, job_handle *h, int rc)
{
    return rc < 0 ? luas__raise(L, h->pool->pool, rc) : rc;
}

/* Pushes the pool's cache of carried functions. */
static int push_recalled(lua_State *L)
{
    lua_getiuservalue(L, AT_JOB, JOB_POOL);
    lua_getiuservalue(L, -1, LUAS__POOL_RECALLED);
    lua_remove(L, -2);
    return lua_gettop(L);
}

/* The job's memo can serve another one. */
static void return_memo(lua_State *L)
{
    int cache = push_recalled(L);
    if (lua_getiuservalue(L, AT_JOB, JOB_MEMO) == LUA_TTABLE)
        luas__recall_keep(L, cache);
    else
        lua_pop(L, 1);
    lua_pop(L, 1);
}

static void release_scratch(job_handle *h)
{
    luas__buffer_release(&h->bytes);
    luas__buffer_release(&h->defines);
    free(h->ends);
    h->ends = NULL;
    h->count = h->cap = 0;
}

static void forget_carried(lua_State *L, const luas__job *job)
{
    if (!(job->policy.flags & LUAS__JOB_INHERIT))
        return;
    lua_getfield(L, LUA_REGISTRYINDEX, LUAS__CARRIED_KEY);
    lua_pushnil(L);
    lua_rawseti(L, -2, job->id);
    lua_pop(L, 1);
}

static int job_drop(lua_State *L)
{
    job_handle *h = to_job(L);
    luas__job *job = h->job;
    h->job = NULL;
    release_scratch(h);
    if (job != NULL && h->pool->pool != NULL && h->pool->owner == getpid()) {
        forget_carried(L, job);
        return_memo(L);
        luas__pool_drop(h->pool->pool, job);
    }
    return 0;
}

static double number_field(lua_State *L, const char *name, double standard)
{
    lua_getfield(L, 2, name);
    double value = luaL_optnumber(L, -1, standard);
    lua_pop(L, 1);
    return value;
}

static int flag_field(lua_State *L, const char *name, int flag)
{
    lua_getfield(L, 2, name);
    int value = lua_toboolean(L, -1) ? flag : 0;
    lua_pop(L, 1);
    return value;
}

static int64_t seed_field(lua_State *L, int *flags)
{
    int64_t seed = 0;
    if (lua_getfield(L, 2, "seed") != LUA_TNIL) {
        *flags |= LUAS__JOB_SEEDED;
        seed = luaL_checkinteger(L, -1);
    }
    lua_pop(L, 1);
    return seed;
}

static luas__policy read_policy(lua_State *L)
{
    const luas__policy *ready = luaL_testudata(L, 2, POLICY);
    if (ready != NULL)
        return *ready;
    luaL_checktype(L, 2, LUA_TTABLE);
    luas__policy p = {
        .timeout = luas__seconds(number_field(L, "timeout", 0)),
        .grace = luas__seconds(number_field(L, "grace", 0.5)),
        .retries = (int32_t)number_field(L, "retries", 0),
        .chunk = (uint32_t)number_field(L, "chunk", 0),
        .halt = (uint32_t)number_field(L, "halt", 0),
        .priority = (int32_t)number_field(L, "priority", 0),
        .room = (size_t)number_field(L, "room", 0),
    };
    p.flags = flag_field(L, "process", LUAS__JOB_PROCESS) | flag_field(L, "star", LUAS__JOB_STAR)
        | flag_field(L, "discard", LUAS__JOB_DISCARD) | flag_field(L, "each", LUAS__JOB_EACH);
    p.seed = seed_field(L, &p.flags);
    if (p.timeout > 0)
        p.flags |= LUAS__JOB_TIMED;
    return p;
}

int luas__core_policy(lua_State *L)
{
    lua_settop(L, 1);
    lua_pushvalue(L, 1); /* to 2, where P:job has it */
    luas__policy policy = read_policy(L);
    luas__policy *p = lua_newuserdatauv(L, sizeof *p, 0);
    *p = policy;
    luaL_setmetatable(L, POLICY);
    return 1;
}

int luas__pool_job(lua_State *L)
{
    luas__handle *pool = luas__check_pool(L, 1);
    luas__policy policy = read_policy(L);
    job_handle *h = lua_newuserdatauv(L, sizeof *h, 4);
    *h = (job_handle){.pool = pool};
    luaL_setmetatable(L, JOB);
    lua_pushvalue(L, 1);
    lua_setiuservalue(L, -2, JOB_POOL);
    luas__job *job = luas__job_new(&policy);
    int rc = job == NULL ? LUAS_ENOMEM : luas__pool_start(pool->pool, job);
    if (rc < 0) {
        luas__job_free(job);
        return luas__raise(L, pool->pool, rc);
    }
    h->job = job;
    return 1;
}

/* ---- the function ---- */

static int push_space(lua_State *L)
{
    if (lua_getiuservalue(L, AT_JOB, JOB_SPACE) == LUA_TNIL) {
        lua_pop(L, 1);
        luas__space_new(L, 0);
        lua_pushvalue(L, -1);
        lua_setiuservalue(L, AT_JOB, JOB_SPACE);
    }
    return lua_gettop(L);
}

/* Defines all messages in the buffer, each after its length. */
static void flush_defines(lua_State *L, job_handle *h)
{
    if (h->defines.len == 0)
        return;
    luas__mp_reader r = {(const unsigned char *)luas__buffer_bytes(&h->defines), NULL};
    r.end = r.at + h->defines.len;
    while (r.at < r.end) {
        const unsigned char *from = r.at;
        check(L, h, luas__mp_skip(&r));
        check(L, h, luas__pool_define(h->pool->pool, h->job, (const char *)from,
                                      (size_t)(r.at - from)));
    }
    luas__buffer_truncate(&h->defines, 0);
}

static int refuse(lua_State *L)
{
    lua_pushnil(L);
    lua_insert(L, -2);
    return 2;
}

/* The function at 2 was carried before and has not changed: its memo is on
   the top. */
static int carry_again(lua_State *L, job_handle *h)
{
    size_t len;
    int memo = lua_gettop(L);
    lua_pushvalue(L, memo);
    lua_setiuservalue(L, AT_JOB, JOB_MEMO);
    lua_rawgeti(L, memo, MEMO_SPACE);
    lua_setiuservalue(L, AT_JOB, JOB_SPACE);
    lua_rawgeti(L, memo, MEMO_MESSAGE);
    const char *message = lua_tolstring(L, -1, &len);
    check(L, h, luas__pool_define(h->pool->pool, h->job, message, len));
    lua_pushboolean(L, 1);
    lua_rawgeti(L, memo, MEMO_MODULES);
    return 2;
}

/* Arguments: job, function, whether it must be shipped. Gives true and the
   modules it needs, or nil and why not. */
static int job_carry(lua_State *L)
{
    job_handle *h = check_job(L);
    luaL_checkany(L, 2);
    bool forced = lua_toboolean(L, 3);
    int cache = push_recalled(L);
    if (luas__recall_take(L, cache, 2))
        return carry_again(L, h);
    int space = push_space(L);
    luas__carried carried;
    luas__buffer_truncate(&h->bytes, 0);
    int rc = luas__carry(L, 2, space, &h->bytes, forced ? 0 : SHIP_LIMIT, &carried);
    if (rc < 0)
        return refuse(L);
    if (carried.dynamic && !forced) {
        luas__buffer_truncate(&h->bytes, 0);
        lua_pushnil(L); /* as if nothing had been carried */
        lua_setiuservalue(L, AT_JOB, JOB_SPACE);
        lua_pushliteral(L, "it may use any global");
        return refuse(L);
    }
    rc = luas__pool_define(h->pool->pool, h->job, luas__buffer_bytes(&h->bytes), h->bytes.len);
    check(L, h, rc);
    int modules = lua_gettop(L);
    luas__recall_libraries(L, space, modules);
    if (luas__recall_make(L, 2, space, modules, luas__buffer_bytes(&h->bytes), h->bytes.len))
        lua_setiuservalue(L, AT_JOB, JOB_MEMO);
    luas__buffer_truncate(&h->bytes, 0);
    lua_pushboolean(L, 1);
    lua_insert(L, -2);
    return 2;
}

/* Arguments: job, function, inputs or nil, workers. */
static int job_inherit(lua_State *L)
{
    job_handle *h = check_job(L);
    int workers = (int)luaL_checkinteger(L, 4);
    lua_settop(L, 4);
    int space = push_space(L);
    luas__space_survey(L, 2, space, SURVEY);
    h->job->policy.flags |= LUAS__JOB_INHERIT;
    lua_getfield(L, LUA_REGISTRYINDEX, LUAS__CARRIED_KEY);
    lua_createtable(L, 3, 0);
    const int values[] = {2, space, 3};
    for (int i = 0; i < 3; i++) {
        lua_pushvalue(L, values[i]);
        lua_rawseti(L, -2, i + 1);
    }
    lua_rawseti(L, -2, h->job->id);
    lua_getiuservalue(L, AT_JOB, JOB_POOL);
    luas__fork_point at = {.L = L, .pool = lua_gettop(L)};
    check(L, h, luas__pool_inherit(h->pool->pool, h->job, workers, &at));
    return 0;
}

/* ---- inputs ---- */

static int reserve_ends(job_handle *h, uint32_t extra)
{
    if (h->cap - h->count >= extra)
        return 0;
    uint32_t cap = h->count + extra;
    cap = cap > 2 * h->cap ? cap : 2 * h->cap;
    size_t *ends = realloc(h->ends, cap * sizeof *ends);
    if (ends == NULL)
        return LUAS_ENOMEM;
    h->ends = ends;
    h->cap = cap;
    return 0;
}

static void begin_batch(lua_State *L, job_handle *h, uint32_t expected)
{
    h->count = 0;
    luas__buffer_truncate(&h->bytes, 0);
    luas__buffer_truncate(&h->defines, 0);
    check(L, h, reserve_ends(h, expected));
}

static void store_size(char *head, size_t size)
{
    for (int i = 0; i < 4; i++)
        head[1 + i] = (char)(size >> (24 - 8 * i));
}

/* Encodes the `n` values from `first` as one task; a message is pushed where
   that fails. */
static int encode_task(lua_State *L, job_handle *h, int first, int n, int space)
{
    check_job(L);
    luas__encode_options options = {.space = space, .defines = &h->defines};
    size_t mark = h->bytes.len;
    check(L, h, luas__buffer_append(&h->bytes, "\xce\0\0\0\0", SIZE_HEAD));
    int rc = luas__encode(L, first, n, &h->bytes, &options);
    if (rc < 0) {
        luas__buffer_truncate(&h->bytes, mark);
        return rc;
    }
    check(L, h, reserve_ends(h, 1));
    store_size(luas__buffer_bytes(&h->bytes) + mark, h->bytes.len - mark - SIZE_HEAD);
    h->ends[h->count++] = h->bytes.len;
    return 0;
}

static void end_batch(lua_State *L, job_handle *h)
{
    check_job(L); /* what ran meanwhile may have ended the pool */
    flush_defines(L, h);
    if (h->count == 0)
        return;
    check(L, h, luas__pool_feed(h->pool->pool, h->job, &h->bytes, h->ends, h->count));
    h->ends = NULL; /* the job's now */
    h->count = h->cap = 0;
}

/* The codec's message on the top says where inside the item. */
static void push_item_message(lua_State *L, lua_Integer index)
{
    const char *where = lua_tostring(L, -1);
    lua_pushfstring(L, "item %I%s%s", (LUAI_UACINT)index,
                    strstr(where, ": ") != NULL ? ", " : ": ", where);
}

static void check_list(lua_State *L, int item, lua_Integer index)
{
    if (!lua_istable(L, item))
        luas__fail(L, "item %I: a table of arguments expected, got %s", (LUAI_UACINT)index,
                   luaL_typename(L, item));
}

/* The length of a list of arguments: its field n, or its border. */
static lua_Integer count_arguments(lua_State *L, int item, lua_Integer index)
{
    lua_Integer n = lua_getfield(L, item, "n") == LUA_TNIL ? luaL_len(L, item) : -1;
    if (lua_isinteger(L, -1))
        n = lua_tointeger(L, -1);
    lua_pop(L, 1);
    if (n < 0 || n > MOST_ARGUMENTS)
        luas__fail(L, "item %I: its length, or field 'n', must be a whole number from 0 to %d",
                   (LUAI_UACINT)index, MOST_ARGUMENTS);
    return n;
}

static int push_arguments(lua_State *L, int item, lua_Integer index)
{
    int n = (int)count_arguments(L, item, index);
    luaL_checkstack(L, n, "too many arguments");
    for (int i = 1; i <= n; i++)
        lua_geti(L, item, i);
    return n;
}

/* Arguments: job, items, first and last index, star, most bytes. */
static int job_feed(lua_State *L)
{
    job_handle *h = check_job(L);
    lua_Integer from = luaL_checkinteger(L, 3), to = luaL_checkinteger(L, 4);
    bool star = lua_toboolean(L, 5);
    size_t limit = (size_t)luaL_optinteger(L, 6, LUA_MAXINTEGER);
    lua_settop(L, 2);
    int space = push_space(L);
    begin_batch(L, h, to >= from ? (uint32_t)(to - from + 1) : 0);
    for (lua_Integer i = from; i <= to; i++) {
        int n = 1, item = space + 1;
        lua_geti(L, 2, i);
        if (star) {
            check_list(L, item, i);
            n = push_arguments(L, item, i);
        }
        int rc = encode_task(L, h, star ? item + 1 : item, n, space);
        if (rc == 0 && h->bytes.len > limit) {
            lua_pushliteral(L, "the inputs are large");
            return refuse(L);
        }
        if (rc < 0) {
            push_item_message(L, i);
            return refuse(L);
        }
        lua_settop(L, space);
    }
    end_batch(L, h);
    lua_pushboolean(L, 1);
    return 1;
}

/* Arguments: job, source function, the most tasks, index of the first one,
   star. Gives their number, and whether the source may have more. */
static int job_pull(lua_State *L)
{
    job_handle *h = check_job(L);
    lua_Integer most = luaL_checkinteger(L, 3), before = luaL_checkinteger(L, 4);
    bool star = lua_toboolean(L, 5), more = true;
    lua_settop(L, 2);
    int space = push_space(L);
    begin_batch(L, h, 0);
    while ((lua_Integer)h->count < most && more) {
        int first = space + 1;
        lua_pushvalue(L, 2);
        lua_call(L, 0, LUA_MULTRET);
        more = !lua_isnoneornil(L, first);
        if (!more)
            break;
        int n = lua_gettop(L) - space;
        if (star) {
            lua_Integer index = before + h->count + 1;
            check_list(L, first, index);
            lua_settop(L, first);
            n = push_arguments(L, first++, index);
        }
        if (encode_task(L, h, first, n, space) < 0)
            return push_item_message(L, before + h->count + 1), lua_error(L);
        lua_settop(L, space);
    }
    lua_Integer count = h->count;
    end_batch(L, h);
    lua_pushinteger(L, count);
    lua_pushboolean(L, more);
    return 2;
}

static int job_call(lua_State *L)
{
    job_handle *h = check_job(L);
    int n = lua_gettop(L) - 1;
    int space = push_space(L);
    begin_batch(L, h, 1);
    if (encode_task(L, h, 2, n, space) < 0)
        return refuse(L);
    end_batch(L, h);
    lua_pushboolean(L, 1);
    return 1;
}

static int job_feed_inherited(lua_State *L)
{
    job_handle *h = check_job(L);
    check(L, h, luas__pool_feed_inherited(h->pool->pool, h->job,
                                          (uint64_t)luaL_checkinteger(L, 2)));
    return 0;
}

static int job_seal(lua_State *L)
{
    job_handle *h = check_job(L);
    luas__pool_seal(h->pool->pool, h->job);
    return 0;
}

static int job_pump(lua_State *L)
{
    job_handle *h = check_job(L);
    check(L, h, luas__pool_pump(h->pool->pool, h->job));
    return 0;
}

/* ---- outcomes ---- */

static void push_printed(lua_State *L)
{
    if (lua_getiuservalue(L, AT_JOB, JOB_PRINTED) == LUA_TNIL) {
        lua_pop(L, 1);
        lua_newtable(L);
        lua_pushvalue(L, -1);
        lua_setiuservalue(L, AT_JOB, JOB_PRINTED);
    }
}

static void keep_printed(lua_State *L, const luas__outcome *o, const char *payload)
{
    push_printed(L);
    lua_pushlstring(L, payload + o->len, o->printed);
    lua_rawseti(L, -2, (lua_Integer)o->index);
    lua_pop(L, 1);
}

static const luas__outcome *next_outcome(lua_State *L, job_handle *h, const char **payload)
{
    check_alive(L, h); /* reading the last one may have run anything */
    const luas__outcome *o = luas__pool_take(h->pool->pool, h->job)
        ? luas__job_next(h->job, payload) : NULL;
    if (o != NULL && o->printed > 0)
        keep_printed(L, o, *payload);
    return o;
}

static int job_printed(lua_State *L)
{
    to_job(L);
    push_printed(L);
    return 1;
}

/* Decodes the results; what they run (__luas_unpack) may end the pool. */
static int read_values(lua_State *L, job_handle *h, uint32_t len, const char *payload,
                       int space)
{
    h->pool->readers++;
    int n = luas__decode(L, payload, len, space, LUAS__FUNCTIONS);
    h->pool->readers--;
    return n;
}

/* The first of a task's results, or nil, into the table at 2: 0; where they
   cannot be read a message is pushed. */
static int keep_value(lua_State *L, job_handle *h, uint64_t index, uint32_t len,
                      const char *payload, int space)
{
    int n = read_values(L, h, len, payload, space);
    if (n < 0)
        return n;
    if (n != 1)
        lua_settop(L, space + 1);
    lua_rawseti(L, 2, (lua_Integer)index);
    return 0;
}

/* The values that were settled together with *o, up to one that cannot be
   read: *o is then that one's outcome. */
static int keep_run(lua_State *L, job_handle *h, int space, luas__outcome *o,
                    lua_Integer *taken)
{
    const char *payload;
    uint32_t len;
    while ((payload = luas__job_next_value(h->job, &o->index, &len)) != NULL) {
        ++*taken;
        if (keep_value(L, h, o->index, len, payload, space) < 0)
            return -1;
        check_alive(L, h);
    }
    return 0;
}

static int give_taken(lua_State *L, int space, lua_Integer taken)
{
    lua_pushinteger(L, taken);
    lua_insert(L, space + 1);
    return lua_gettop(L) - space;
}

static int job_collect(lua_State *L)
{
    job_handle *h = check_job(L);
    const luas__outcome *next;
    const char *payload;
    lua_Integer taken = 0;
    lua_settop(L, 2);
    int space = push_space(L);
    while ((next = next_outcome(L, h, &payload)) != NULL) {
        luas__outcome o = *next; /* reading it may run anything */
        taken += (lua_Integer)o.count;
        if (o.kind != LUAS__KIND_VALUE) {
            luas__push_outcome(L, &o, payload, space);
            break;
        }
        if (keep_value(L, h, o.index, o.len, payload, space) < 0
            || keep_run(L, h, space, &o, &taken) < 0) {
            luas__push_unreadable(L, &o, space);
            break;
        }
    }
    return give_taken(L, space, taken);
}

static int job_next(lua_State *L)
{
    job_handle *h = check_job(L);
    const char *payload;
    int space = push_space(L);
    const luas__outcome *o = next_outcome(L, h, &payload);
    if (o == NULL)
        return 0;
    lua_pushinteger(L, (lua_Integer)o->index);
    if (o->kind != LUAS__KIND_VALUE) {
        luas__push_outcome(L, o, payload, space);
        return 2;
    }
    lua_pushnil(L);
    int n = read_values(L, h, o->len, payload, space);
    if (n >= 0)
        return n + 2;
    luas__push_unreadable(L, o, space);
    lua_remove(L, -2);
    return 2;
}

static int job_cancel(lua_State *L)
{
    job_handle *h = check_job(L);
    lua_Integer from = luaL_optinteger(L, 2, 0), to = luaL_optinteger(L, 3, LUA_MAXINTEGER);
    check(L, h, luas__pool_cancel(h->pool->pool, h->job, (uint64_t)from, (uint64_t)to));
    return 0;
}

static int job_done(lua_State *L)
{
    job_handle *h = to_job(L);
    lua_pushboolean(L, h->job == NULL || h->pool->pool == NULL || h->job->done);
    return 1;
}

static int job_settled(lua_State *L)
{
    job_handle *h = check_job(L);
    pthread_mutex_lock(&h->pool->pool->lock);
    lua_Integer settled = (lua_Integer)h->job->settled;
    pthread_mutex_unlock(&h->pool->pool->lock);
    lua_pushinteger(L, settled);
    return 1;
}

/* ---- the one worker of a process ---- */

static int job_process(lua_State *L)
{
    job_handle *h = check_job(L);
    pid_t pid = luas__pool_process(h->pool->pool, h->job);
    int status = h->job->process_status;
    bool gone = h->job->process_gone;
    lua_pushinteger(L, pid);
    lua_pushboolean(L, gone);
    if (gone && status != -1 && WIFEXITED(status))
        lua_pushinteger(L, WEXITSTATUS(status));
    else
        lua_pushnil(L);
    if (gone && status != -1 && WIFSIGNALED(status))
        lua_pushinteger(L, WTERMSIG(status));
    else
        lua_pushnil(L);
    return 4;
}

static int job_signal(lua_State *L)
{
    job_handle *h = check_job(L);
    luas__pool_signal_process(h->pool->pool, h->job, (int)luaL_checkinteger(L, 2));
    return 0;
}

static const luaL_Reg methods[] = {
    {"carry", job_carry}, {"inherit", job_inherit}, {"feed", job_feed}, {"pull", job_pull},
    {"call", job_call}, {"feed_inherited", job_feed_inherited}, {"seal", job_seal},
    {"pump", job_pump}, {"collect", job_collect}, {"next", job_next}, {"cancel", job_cancel},
    {"drop", job_drop}, {"done", job_done}, {"printed", job_printed}, {"settled", job_settled},
    {"process", job_process}, {"signal", job_signal}, {NULL, NULL},
};

static const luaL_Reg meta[] = {
    {"__gc", job_drop}, {"__close", job_drop}, {NULL, NULL},
};

void luas__job_class(lua_State *L)
{
    luas__new_class(L, JOB, methods, meta);
    luaL_newmetatable(L, POLICY);
    lua_pop(L, 1);
}
