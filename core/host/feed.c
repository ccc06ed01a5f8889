/*
 * Feeds the inputs of a job: encodes values into batches of tasks. The message for an item that
 * cannot be encoded begins with the item's place.
 */
#define _GNU_SOURCE
#include <stdlib.h>

#include "array.h"
#include "clock.h"
#include "error.h"
#include "baseline.h"
#include "codec.h"
#include "encoder.h"
#include "fail.h"
#include "job_handle.h"
#include "journal_part.h"
#include "list.h"
#include "luas.h"
#include "names_scan.h"
#include "space.h"
#include "traceback.h"
#include "user_calls.h"

/* The size before a task's arguments: a uint 32, which is filled in afterwards. A size that
   fits into one byte is that byte. */
enum { SIZE_HEAD = 5, MOST_SHORT = 127 };

static int reserve_ends(luas__job_handle *h, uint32_t extra)
{
    return luas__array_reserve(&h->ends, &h->cap, (size_t)h->count + extra, sizeof *h->ends);
}

static void begin_batch(lua_State *L, luas__job_handle *h, uint32_t expected)
{
    h->count = 0;
    luas__buffer_truncate(&h->bytes, 0);
    luas__buffer_truncate(&h->defines, 0);
    luas__job_handle_try(L, h, reserve_ends(h, expected));
}

/* Pushes the job's space, and nil for the modules that inputs name. */
static int push_space(lua_State *L)
{
    int space = luas__job_handle_space(L);
    lua_pushnil(L);
    return space;
}

/* `unchanged`: no code of the user has run since the function was carried. */
static luas__encode_options task_options(luas__job_handle *h, int space, bool unchanged)
{
    return (luas__encode_options){.space = space, .defines = &h->defines, .modules = space + 1,
                                  .unchanged = unchanged};
}

/* Encodes a single short scalar, which most tasks have. Returns false if it is none: then
   nothing was done. */
static inline bool put_short(lua_State *L, luas__buffer *out, int index)
{
    if (luas__buffer_reserve(out, 1 + MOST_SHORT) < 0)
        return false;
    unsigned char *p = (unsigned char *)luas__buffer_end(out);
    unsigned char *end = luas__scalar_put_alone(L, index, p + 1, p + 1 + MOST_SHORT);
    if (end == NULL)
        return false;
    *p = (unsigned char)(end - p - 1);
    out->len += (size_t)(end - p);
    return true;
}

int luas__feed_task(lua_State *L, luas__buffer *out, int first, int n, const luas__encode_options *options)
{
    if (n == 1 && put_short(L, out, first))
        return 0;
    size_t mark = out->len;
    if (luas__buffer_append(out, "\xce\0\0\0\0", SIZE_HEAD) < 0)
        return luas__fail(L, "%s", luas_strerror(LUAS_ENOMEM));
    int rc = luas__encode(L, first, n, out, options);
    if (rc < 0) {
        luas__buffer_truncate(out, mark);
        return rc == LUAS_EINTR ? lua_error(L) : rc;
    }
    luas__mp_put_4((unsigned char *)luas__buffer_bytes(out) + mark + 1,
                   (uint32_t)(out->len - mark - SIZE_HEAD));
    return 0;
}

/* Encodes the `n` values from `first` as one task. On failure a message is pushed. */
static int encode_task(lua_State *L, luas__job_handle *h, int first, int n,
                       const luas__encode_options *options)
{
    luas__job_handle_check_alive(L, h);
    int rc = luas__feed_task(L, &h->bytes, first, n, options);
    if (rc < 0)
        return rc;
    if (h->count == h->cap) /* code that ran meanwhile may have dropped the job */
        luas__job_handle_try(L, h, reserve_ends(h, 1));
    h->ends[h->count++] = h->bytes.len;
    return 0;
}

/* Adds all define messages in the buffer to the job. Each comes after its length. */
static void flush_defines(lua_State *L, luas__job_handle *h)
{
    if (h->defines.len == 0)
        return;
    luas__mp_reader r = {(const unsigned char *)luas__buffer_bytes(&h->defines), NULL};
    r.end = r.at + h->defines.len;
    while (r.at < r.end) {
        const unsigned char *from = r.at;
        luas__job_handle_try(L, h, luas__mp_skip(&r));
        size_t len = (size_t)(r.at - from);
        luas__job_handle_try(L, h, luas__pool_define(h->pool->pool, h->job, (const char *)from,
                             len));
    }
    luas__buffer_truncate(&h->defines, 0);
}

static void submit_batch(lua_State *L, luas__job_handle *h)
{
    luas__job_handle_check_alive(L, h); /* code that ran during encoding may have ended the pool */
    flush_defines(L, h);
    if (h->count == 0)
        return;
    luas__job_handle_try(L, h, luas__pool_feed(h->pool->pool, h->job, &h->bytes, h->ends,
                         h->count));
    h->ends = NULL; /* the job has them now */
    h->count = h->cap = 0;
}

/* Submits the batch. If it refers to modules that is left to the caller, and the set of their
   names is pushed; else nil is pushed. */
static void end_batch(lua_State *L, luas__job_handle *h, int space)
{
    lua_pushvalue(L, space + 1);
    if (lua_isnil(L, -1))
        submit_batch(L, h);
}

static int job_submit(lua_State *L)
{
    submit_batch(L, luas__job_handle_check(L));
    return 0;
}

/* Encodes a table of settings and the table of kept objects above it, and pushes the modules that they
   need. Returns 0; or negative, with the space as before and a message pushed. */
static int encode_settings(lua_State *L, luas__job_handle *h, int settings, bool forced)
{
    int at = luas__job_handle_space(L);
    luas__space *space = luas__space_at(L, at);
    uint32_t known = space->known, names = space->names_known;
    luas__carried carried = {.kept = settings + 1};
    int rc = luas__encode_definition(L, settings, at, &h->defines, LUAS__SHIP_LIMIT, &carried);
    if (rc < 0 || !carried.dynamic || forced)
        return rc;
    luas__buffer_truncate(&h->defines, 0);
    space->known = known;
    space->names_known = names;
    luas__space_rollback(L, at);
    lua_pushliteral(L, "it may use any global");
    return LUAS_EUNSENT;
}

/* Are all objects that the table at `named` has as keys among the kept ones? */
static bool are_kept(lua_State *L, int named, int kept)
{
    int key = lua_gettop(L) + 1;
    for (lua_pushnil(L); lua_next(L, named) != 0; lua_settop(L, key)) {
        if (lua_type(L, key) == LUA_TSTRING)
            continue;
        lua_pushvalue(L, key);
        if (lua_rawget(L, kept) == LUA_TNIL) {
            lua_settop(L, key - 1);
            return false;
        }
    }
    return true;
}

/* Arguments: job, baselines (baseline.h), whether it must be shipped, the modules that it needs. Tasks
   that come next are told what differs from the baselines. */
static int job_settle(lua_State *L)
{
    luas__job_handle *h = luas__job_handle_check(L);
    bool forced = lua_toboolean(L, 3);
    enum { BASELINES = 2, MODULES = 4, SETTINGS, KEPT };
    luaL_checktype(L, BASELINES, LUA_TTABLE);
    luaL_checktype(L, MODULES, LUA_TTABLE);
    lua_settop(L, MODULES);
    flush_defines(L, h);
    if (!luas__baseline_compare_changes(L, BASELINES)) {
        lua_pushliteral(L, "too many fields have changed");
        return luas__job_handle_refuse(L);
    }
    if (!are_kept(L, MODULES, KEPT)) {
        lua_pushliteral(L, "a class of a module is another one now");
        return luas__job_handle_refuse(L);
    }
    int rc = encode_settings(L, h, SETTINGS, forced);
    if (rc < 0)
        return rc == LUAS_EINTR ? lua_error(L) : luas__job_handle_refuse(L);
    flush_defines(L, h);
    lua_pushboolean(L, 1);
    lua_insert(L, -2);
    return 2;
}

/* Adds the place of the item to the codec's message, which names the place inside the item. */
static void push_item_message(lua_State *L, lua_Integer index)
{
    const char *where = lua_tostring(L, -1);
    lua_pushfstring(L, "item %I%s%s", (LUAI_UACINT)index,
                    strstr(where, ": ") != NULL ? ", " : ": ", where);
}

/* The length of a list of arguments. */
static int count_arguments(lua_State *L, int item, lua_Integer index)
{
    if (!lua_istable(L, item))
        luas__fail(L, "item %I: a table of arguments expected, got %s", (LUAI_UACINT)index,
                   luaL_typename(L, item));
    lua_Integer n = luas__list_length(L, item);
    if (n == LUAS__LIST_KEYS_ONLY)
        luas__fail(L, "item %I: %s", (LUAI_UACINT)index, lua_tostring(L, -1));
    if (n < 0 || n > LUAS__LIST_MOST_ARGUMENTS)
        luas__fail(L, "item %I: its length, or field 'n', must be a whole number from 0 to %d",
                   (LUAI_UACINT)index, LUAS__LIST_MOST_ARGUMENTS);
    return (int)n;
}

int luas__feed_check_list(lua_State *L)
{
    lua_settop(L, 2);
    lua_pushinteger(L, count_arguments(L, 1, luaL_checkinteger(L, 2)));
    return 1;
}

int luas__feed_push_list(lua_State *L, int item, lua_Integer index)
{
    int n = count_arguments(L, item, index);
    luas__list_unpack(L, item, n);
    return n;
}

/* Arguments: job, items, first and last index, star, most bytes. Gives true,
   and the modules that the items refer to, if any: their owner has to look
   after these and then to call `submit`; or nil and what cannot be sent. */
static int job_feed(lua_State *L)
{
    luas__job_handle *h = luas__job_handle_check(L);
    lua_Integer from = luaL_checkinteger(L, 3), to = luaL_checkinteger(L, 4);
    bool star = lua_toboolean(L, 5);
    size_t limit = (size_t)luaL_optinteger(L, 6, LUA_MAXINTEGER);
    lua_settop(L, 2);
    int space = push_space(L);
    luas__encode_options options = task_options(h, space, true);
    begin_batch(L, h, to >= from ? (uint32_t)(to - from + 1) : 0);
    for (lua_Integer i = from; i <= to; i++) {
        int n = 1, item = space + 2;
        lua_geti(L, 2, i);
        if (star)
            n = luas__feed_push_list(L, item, i);
        if (i == from)
            luas__names_scan_for(L, item);
        int rc = encode_task(L, h, star ? item + 1 : item, n, &options);
        if (rc == 0 && h->bytes.len > limit) {
            lua_pushliteral(L, "the inputs are large");
            return luas__job_handle_refuse(L);
        }
        if (rc < 0) {
            push_item_message(L, i);
            return luas__job_handle_refuse(L);
        }
        lua_settop(L, space + 1);
    }
    lua_pushboolean(L, 1);
    end_batch(L, h, space);
    return 2;
}

/* Replaces the list at `first` by its arguments; what the source gave after it follows these.
   Returns the number of all arguments. */
static int spread_list(lua_State *L, int first, lua_Integer index)
{
    int behind = lua_gettop(L) - first;
    int n = luas__feed_push_list(L, first, index);
    lua_rotate(L, first + 1, n);
    lua_remove(L, first);
    return n + behind;
}

/* Stack of read_source, which the arguments of job_pull begin. */
enum { PULL_SOURCE = AT_JOB + 1, PULL_MOST, PULL_BEFORE, PULL_STAR, PULL_INDEXED, PULL_SPACE, PULL_MODULES,
       PULLED };

/* A batch of a source that turns out to be slow ends after so long: tasks wait for it. */
#define LONGEST_PULL (5 * LUAS__MS)

/* Registry: where the source raised what it raised last. */
static const char pull_traceback_key = 't';

/* Puts one task's arguments, which lie from PULLED on, into the batch. */
static void put_pulled(lua_State *L, luas__job_handle *h, const luas__encode_options *options)
{
    lua_Integer index = lua_tointeger(L, PULL_BEFORE) + h->count + 1;
    if (lua_toboolean(L, PULL_INDEXED))
        lua_remove(L, PULLED);
    int n = lua_gettop(L) - PULLED + 1;
    if (lua_toboolean(L, PULL_STAR))
        n = spread_list(L, PULLED, index);
    if (h->count == 0)
        luas__names_scan_for(L, PULLED); /* the source may have loaded modules */
    if (h->job != NULL && h->job->seen.journal != NULL)
        luas__journal_part_feed(L, PULLED, n);
    if (encode_task(L, h, PULLED, n, options) < 0) {
        push_item_message(L, index);
        luas__fail(L, "%s", lua_tostring(L, -1));
    }
}

/* Returns whether the source may have more. What was put into the batch stays there if this raises. */
static int read_source(lua_State *L)
{
    luas__job_handle *h = luas__job_handle_check(L);
    lua_Integer most = lua_tointeger(L, PULL_MOST);
    luas__encode_options options = task_options(h, PULL_SPACE, false);
    options.modules = PULL_MODULES;
    int64_t end = luas__now_coarse() + LONGEST_PULL;
    bool more = true;
    while ((lua_Integer)h->count < most && more && (h->count == 0 || luas__now_coarse() < end)) {
        lua_pushvalue(L, PULL_SOURCE);
        h->in_source = true;
        lua_call(L, 0, LUA_MULTRET);
        h->in_source = false;
        more = !lua_isnoneornil(L, PULLED);
        if (more)
            put_pulled(L, h, &options);
        lua_settop(L, PULL_MODULES);
    }
    lua_pushboolean(L, more);
    return 1;
}

/* Its upvalue says how many levels are below the source. */
static int note_traceback(lua_State *L)
{
    luas__traceback_push(L, NULL, 1, (int)lua_tointeger(L, lua_upvalueindex(1)));
    lua_rawsetp(L, LUA_REGISTRYINDEX, &pull_traceback_key);
    return 1;
}

/* Pushes the set of modules at the index, or nil if it is empty: then it submits the batch. */
static void end_pull(lua_State *L, luas__job_handle *h, int modules)
{
    lua_pushnil(L);
    if (lua_next(L, modules) == 0) {
        lua_pushnil(L);
        submit_batch(L, h);
        return;
    }
    lua_pop(L, 2);
    lua_pushvalue(L, modules);
}

/*
 * Arguments: job, source function, the most tasks, the number of tasks before, star, whether an
 * index comes before the arguments. Returns the number of tasks that were read, whether the source
 * may have more, and the modules that they refer to, as `feed` does. If that was raised which ends
 * the reading: also by whom ("source", or "item" for what cannot be sent), the value, the traceback.
 */
static int job_pull(lua_State *L)
{
    luas__job_handle *h = luas__job_handle_check(L);
    lua_settop(L, PULL_INDEXED);
    luas__job_handle_space(L);
    lua_newtable(L);
    begin_batch(L, h, 0);
    luas__user_calls_note(L);
    h->in_source = false;
    lua_pushnil(L);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &pull_traceback_key);
    lua_pushinteger(L, luas__traceback_levels(L) + 1); /* and that of read_source */
    lua_pushcclosure(L, note_traceback, 1);
    lua_pushcfunction(L, read_source);
    for (int i = 1; i <= PULL_MODULES; i++)
        lua_pushvalue(L, i);
    bool raised = lua_pcall(L, PULL_MODULES, 1, PULLED) != LUA_OK;
    luas__job_handle_check_alive(L, h);
    lua_pushinteger(L, h->count);
    lua_pushboolean(L, !raised && lua_toboolean(L, PULLED + 1));
    end_pull(L, h, PULL_MODULES);
    if (!raised)
        return 3;
    lua_pushstring(L, h->in_source ? "source" : "item");
    lua_pushvalue(L, PULLED + 1);
    lua_rawgetp(L, LUA_REGISTRYINDEX, &pull_traceback_key);
    return 6;
}

/* Arguments: job, and those of the task. Returns what `feed` returns. */
static int job_call(lua_State *L)
{
    luas__job_handle *h = luas__job_handle_check(L);
    int n = lua_gettop(L) - 1;
    int space = push_space(L);
    luas__encode_options options = task_options(h, space, true);
    begin_batch(L, h, 1);
    luas__names_scan_for(L, 2);
    if (encode_task(L, h, 2, n, &options) < 0)
        return luas__job_handle_refuse(L);
    lua_pushboolean(L, 1);
    end_batch(L, h, space);
    return 2;
}

static int job_feed_inherited(lua_State *L)
{
    luas__job_handle *h = luas__job_handle_check(L);
    uint64_t n = (uint64_t)luaL_checkinteger(L, 2);
    luas__job_handle_try(L, h, luas__pool_feed_inherited(h->pool->pool, h->job, n));
    return 0;
}

static int job_seal(lua_State *L)
{
    luas__job_handle *h = luas__job_handle_check(L);
    luas__pool_seal(h->pool->pool, h->job);
    luas__job_handle_return_memo(L, h);
    return 0;
}

const luaL_Reg luas__feed_methods[] = {
    {"feed", job_feed}, {"pull", job_pull}, {"call", job_call},
    {"submit", job_submit}, {"settle", job_settle},
    {"feed_inherited", job_feed_inherited}, {"seal", job_seal}, {NULL, NULL},
};
