/*
 * Takes the outcomes of a job. Values are decoded one by one, or straight into a table. Other
 * outcomes become the tables of outcome_push.h.
 */
#define _GNU_SOURCE
#include <limits.h>

#include "codec.h"
#include "fail.h"
#include "job_handle.h"
#include "job_outcomes.h"
#include "outcome_push.h"
#include "retries.h"
#include "gc_pause.h"

/* From this number of results on the collector may rest. */
enum { MANY = 10000 };

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

/* Call these around code that makes values: it may run anything (__luas_unpack, finalizers),
   and even end the pool. */
static void begin_reading(luas__job_handle *h)
{
    h->pool->readers++;
    h->reading = true;
}

static void end_reading(luas__job_handle *h)
{
    h->reading = false;
    h->pool->readers--;
}

/* Is each input a list of arguments? */
static bool is_list(const luas__job_handle *h)
{
    return h->job->policy.flags & LUAS__JOB_STAR;
}

static const luas__outcome *next_outcome(lua_State *L, luas__job_handle *h, const char **payload)
{
    luas__job_handle_check_alive(L, h); /* reading the last outcome may have ended the job */
    if (h->reading)
        luas__fail(L, "these results are being read already");
    const luas__outcome *o = luas__pool_take(h->pool->pool, h->job)
        ? luas__job_outcomes_next(h->job, payload) : NULL;
    if (o != NULL && o->printed > 0) {
        begin_reading(h);
        keep_printed(L, o, *payload);
        end_reading(h);
    }
    return o;
}

static int job_printed(lua_State *L)
{
    luas__job_handle_of(L);
    push_printed(L);
    return 1;
}

/* Runs a method that reads results, and ends the reading also if it raises: without memory, for
   example. */
static int end_reading_after(lua_State *L, lua_CFunction method)
{
    luas__job_handle *h = luas__job_handle_of(L);
    bool is_within = h->reading;
    int n = lua_gettop(L);
    luaL_checkstack(L, n + 1, NULL);
    lua_pushcfunction(L, method);
    for (int i = 1; i <= n; i++)
        lua_pushvalue(L, i);
    if (lua_pcall(L, n, LUA_MULTRET, 0) == LUA_OK)
        return lua_gettop(L) - n;
    if (h->reading && !is_within)
        end_reading(h);
    return lua_error(L);
}

/* Decodes the results. */
static int read_values(lua_State *L, luas__job_handle *h, uint32_t len, const char *payload,
                       int space)
{
    begin_reading(h);
    int n = luas__decode(L, payload, len, space, LUAS__FUNCTIONS);
    end_reading(h);
    return n;
}

/* Pushes the fields of an outcome that is no value. */
static void read_outcome(lua_State *L, luas__job_handle *h, const luas__outcome *o,
                         const char *payload, int space)
{
    begin_reading(h);
    luas__outcome_push(L, o, payload, space, is_list(h));
    end_reading(h);
}

/* Puts the first result of a task, or nil, into the table at 2. Returns 0; if the results
   cannot be read a message is pushed. */
static int keep_value(lua_State *L, luas__job_handle *h, uint64_t index, uint32_t len,
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

/* Keeps the values that were settled together with *o. If one cannot be read it stops, and *o
   becomes the outcome of that task. */
static int keep_run(lua_State *L, luas__job_handle *h, int space, luas__outcome *o,
                    lua_Integer *taken)
{
    const char *payload;
    uint32_t len;
    while ((payload = luas__job_outcomes_next_value(h->job, &o->index, &len)) != NULL) {
        ++*taken;
        if (luas__decode_number(L, payload, len)) { /* runs no code of the user */
            lua_rawseti(L, 2, (lua_Integer)o->index);
            continue;
        }
        if (keep_value(L, h, o->index, len, payload, space) < 0)
            return -1;
        luas__job_handle_check_alive(L, h);
    }
    return 0;
}

static int give_taken(lua_State *L, int space, lua_Integer taken)
{
    lua_pushinteger(L, taken);
    lua_insert(L, space + 1);
    return lua_gettop(L) - space;
}

/* Returns how many outcomes there were. If the last one is no value its fields are pushed. */
static lua_Integer collect(lua_State *L, luas__job_handle *h, int space)
{
    const luas__outcome *next;
    const char *payload;
    lua_Integer taken = 0;
    while ((next = next_outcome(L, h, &payload)) != NULL) {
        luas__outcome o = *next; /* a copy: reading it may run anything */
        taken += (lua_Integer)o.count;
        if (o.kind != LUAS__KIND_VALUE) {
            read_outcome(L, h, &o, payload, space);
            break;
        }
        if (keep_value(L, h, o.index, o.len, payload, space) < 0
            || keep_run(L, h, space, &o, &taken) < 0) {
            luas__outcome_push_unreadable(L, &o, space);
            break;
        }
    }
    return taken;
}

static int collect_values(lua_State *L)
{
    luas__job_handle *h = luas__job_handle_check(L);
    lua_settop(L, 2);
    int space = luas__job_handle_space(L);
    int begun = luas__gc_pause_begin(L, h->rest);
    lua_Integer taken = collect(L, h, space);
    h->rest = luas__gc_pause_end(L, h->rest, begun);
    return give_taken(L, space, taken);
}

static int job_collect(lua_State *L)
{
    return end_reading_after(L, collect_values);
}

/* Makes a table with room for `n` results. From now on the collector rests while they are
   collected, if it may. */
static int job_list(lua_State *L)
{
    luas__job_handle *h = luas__job_handle_check(L);
    lua_Integer n = luaL_checkinteger(L, 2);
    h->rest = n >= MANY ? luas__gc_pause_allowed(L) : 0;
    int begun = luas__gc_pause_begin(L, h->rest);
    lua_createtable(L, n > 0 && n <= INT_MAX ? (int)n : 0, 0);
    h->rest = luas__gc_pause_end(L, h->rest, begun);
    return 1;
}

/* The bytes of results that are gathered at a time. Results that are still in the engine count
   against the job's room. */
enum { GATHERED = 1 << 18 };

/* Stack of gather. */
enum { VALUES = 2, OTHERS, ORDER };

/* Pops `n` results. A single one goes into the table at VALUES. Others go into a list in
   OTHERS, after a nil, with their number. */
static void sort_results(lua_State *L, lua_Integer index, int n)
{
    if (n == 1 && !lua_isnil(L, -1)) {
        lua_rawseti(L, VALUES, index);
        return;
    }
    lua_createtable(L, n + 1, 1);
    lua_insert(L, -n - 1);
    for (int i = n; i > 0; i--)
        lua_rawseti(L, -i - 1, i + 1);
    lua_pushinteger(L, n + 1);
    lua_setfield(L, -2, "n");
    lua_rawseti(L, OTHERS, index);
}

static void note_order(lua_State *L, lua_Integer *place, lua_Integer index)
{
    if (lua_isnil(L, ORDER))
        return;
    lua_pushinteger(L, index);
    lua_rawseti(L, ORDER, ++*place);
}

/* Sorts the results of the outcome and returns true. If it is no value, pushes it and returns
   false. */
static bool sort_outcome(lua_State *L, luas__job_handle *h, int space,
                         const luas__outcome *next, const char *payload)
{
    luas__outcome o = *next; /* a copy: reading it may run anything */
    if (o.kind != LUAS__KIND_VALUE) {
        read_outcome(L, h, &o, payload, space);
        return false;
    }
    int n = read_values(L, h, o.len, payload, space);
    if (n < 0)
        luas__outcome_push_unreadable(L, &o, space);
    else
        sort_results(L, (lua_Integer)o.index, n);
    return n >= 0;
}

/* Arguments: job, and tables for results that are one, for others, and for the
   indices in the order in which tasks ended, or nil. Gives how many outcomes
   there were, and the last one's fields if it is no value. */
static int gather(lua_State *L)
{
    luas__job_handle *h = luas__job_handle_check(L);
    lua_settop(L, ORDER);
    int space = luas__job_handle_space(L);
    lua_Integer taken = 0, place = lua_isnil(L, ORDER) ? 0 : (lua_Integer)lua_rawlen(L, ORDER);
    const luas__outcome *o;
    const char *payload;
    bool sorted = true;
    size_t bytes = 0;
    while (sorted && bytes < GATHERED && (o = next_outcome(L, h, &payload)) != NULL) {
        lua_Integer index = (lua_Integer)o->index;
        bytes += o->len;
        sorted = sort_outcome(L, h, space, o, payload);
        note_order(L, &place, index);
        taken++;
    }
    lua_pushinteger(L, taken);
    lua_insert(L, space + 1);
    return 1 + !sorted;
}

static int job_gather(lua_State *L)
{
    return end_reading_after(L, gather);
}

static int take_next(lua_State *L)
{
    luas__job_handle *h = luas__job_handle_check(L);
    const char *payload;
    int space = luas__job_handle_space(L);
    const luas__outcome *o = next_outcome(L, h, &payload);
    if (o == NULL)
        return 0;
    lua_pushinteger(L, (lua_Integer)o->index);
    if (o->kind != LUAS__KIND_VALUE) {
        read_outcome(L, h, o, payload, space);
        return 2;
    }
    lua_pushnil(L);
    int n = read_values(L, h, o->len, payload, space);
    if (n >= 0)
        return n + 2;
    luas__outcome_push_unreadable(L, o, space);
    lua_remove(L, -2);
    return 2;
}

static int job_next(lua_State *L)
{
    return end_reading_after(L, take_next);
}

/* Returns nothing while an outcome is being read, or if the job is over: the function that was
   asked may have ended it. */
static int read_asked(lua_State *L)
{
    luas__job_handle *h = luas__job_handle_of(L);
    if (h->job == NULL || h->pool->pool == NULL || h->reading)
        return 0;
    const char *payload;
    int space = luas__job_handle_space(L);
    const luas__outcome *o = luas__retries_asked(h->pool->pool, h->job, &payload);
    if (o == NULL)
        return 0;
    luas__outcome copy = *o;
    read_outcome(L, h, &copy, payload, space);
    return 1;
}

static int job_asked(lua_State *L)
{
    return end_reading_after(L, read_asked);
}

static int job_answer(lua_State *L)
{
    luas__job_handle *h = luas__job_handle_of(L);
    if (h->job == NULL || h->pool->pool == NULL)
        return 0;
    luas__job_handle_try(L, h, luas__retries_answer(h->pool->pool, h->job, lua_toboolean(L, 2)));
    return 0;
}

const luaL_Reg luas__collect_methods[] = {
    {"list", job_list}, {"collect", job_collect}, {"gather", job_gather}, {"next", job_next},
    {"printed", job_printed}, {"asked", job_asked}, {"answer", job_answer}, {NULL, NULL},
};
