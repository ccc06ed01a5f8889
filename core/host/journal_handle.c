/* Journals as userdata: groups, and parts, which have the keys of a job's tasks made. */
#define _GNU_SOURCE
#include "journal_handle.h"

#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "codec.h"
#include "encoder.h"
#include "error.h"
#include "job_handle.h"
#include "journal.h"
#include "list.h"
#include "journal_query.h"
#include "journal_job.h"
#include "journal_part.h"
#include "outcome_push.h"
#include "readers.h"
#include "stable.h"
#include "value_format.h"

#define GROUP "luas.core.journal_group"

typedef struct group {
    luas__journal_group *group;
} group;

enum { USUAL_INPUT = 64 };

static luas__journal *journal_at(lua_State *L, int index)
{
    return (luas__journal *)luas__readers_check(L, index);
}

/* ---- groups ---- */

static bool flag(lua_State *L, int table, const char *name)
{
    lua_getfield(L, table, name);
    bool is = lua_toboolean(L, -1);
    lua_pop(L, 1);
    return is;
}

static int new_group(lua_State *L)
{
    luas__journal *j = journal_at(L, 1);
    int64_t row = luaL_checkinteger(L, 2);
    luaL_checktype(L, 3, LUA_TTABLE);
    group *g = lua_newuserdatauv(L, sizeof *g, 0);
    g->group = NULL;
    luaL_setmetatable(L, GROUP);
    luas__handles_keep(L);
    g->group = luas__journal_job_group(j, row);
    if (g->group == NULL)
        return luas__journal_part_no_memory(L);
    g->group->values = flag(L, 3, "values");
    g->group->discards = flag(L, 3, "discards");
    g->group->seeded = flag(L, 3, "seeded");
    g->group->again = flag(L, 3, "again");
    g->group->trusts = flag(L, 3, "trusts");
    return 1;
}

static int drop_group(lua_State *L)
{
    group *g = luaL_checkudata(L, 1, GROUP);
    luas__journal_job_drop_group(g->group);
    g->group = NULL;
    return 0;
}

static luas__journal_group *check_group(lua_State *L, int index)
{
    group *g = luaL_checkudata(L, index, GROUP);
    luaL_argcheck(L, g->group != NULL, index, "journal is closed");
    return g->group;
}

static int load_group(lua_State *L)
{
    luas__journal_group *g = check_group(L, 1);
    if (lua_isinteger(L, 6))
        luas__hashmap_reserve(lua_toboolean(L, 5) ? &g->others.keys : &g->own.keys, (size_t)lua_tointeger(L, 6));
    int64_t n = luas__journal_job_load(g, lua_toboolean(L, 5) ? &g->others : &g->own, luaL_checkinteger(L, 2),
                                       luaL_checkinteger(L, 3), luaL_checkinteger(L, 4));
    if (n < 0)
        luas__fail(L, "the journal cannot be read: %s",
                   n == LUAS_EPROTO ? g->journal->api->errmsg(g->journal->db) : luas_strerror((int)n));
    lua_pushinteger(L, n);
    return 1;
}

/* ---- parts ---- */

static int new_part(lua_State *L)
{
    luas__journal_group *g = check_group(L, 1);
    luaL_checktype(L, 2, LUA_TTABLE);
    lua_settop(L, 2);
    luas__journal_part *p = lua_newuserdatauv(L, sizeof *p, 2);
    *p = (luas__journal_part){.has_key = flag(L, 2, "key"), .has_depends = flag(L, 2, "depends"),
                .explains = flag(L, 2, "explains"), .is_numbered = flag(L, 2, "numbered")};
    luaL_setmetatable(L, LUAS__JOURNAL_PART);
    luas__handles_keep(L);
    lua_pushvalue(L, 2);
    lua_setiuservalue(L, 3, LUAS__JOURNAL_PART_HOOKS);
    lua_pushvalue(L, 1);
    lua_setiuservalue(L, 3, LUAS__JOURNAL_PART_GROUP);
    p->job = luas__journal_job_new(g);
    return p->job != NULL && luas__buffer_reserve(&p->bytes, USUAL_INPUT) == 0 ? 1 : luas__journal_part_no_memory(L);
}

static int drop_part(lua_State *L)
{
    luas__journal_part *p = luaL_checkudata(L, 1, LUAS__JOURNAL_PART);
    luas__journal_job_drop(p->job);
    luas__buffer_release(&p->bytes);
    p->job = NULL;
    return 0;
}

/* ---- engines ---- */

/* Arguments: part, job. The job has no tasks yet. */
static int part_attach(lua_State *L)
{
    luas__journal_part *p = luas__journal_part_check(L, 1);
    luas__job_handle *h = luas__handles_check(L, 2, LUAS__JOB_CLASS);
    luas__job_handle_check_alive(L, h);
    luas__journal_job_drop(h->job->seen.journal);
    h->job->seen.journal = luas__journal_job_use(p->job);
    lua_pushvalue(L, 1);
    lua_setiuservalue(L, 2, JOB_JOURNAL);
    return 0;
}

/* Pushes the kind, and the list of results or the fields of an outcome. */
static int push_known(lua_State *L, const luas__outcome *o, const char *payload, bool is_list)
{
    static const char *const kinds[] = {"value", "error", "timeout", "crash", "cancelled"};
    lua_pushstring(L, kinds[o->kind]);
    int top = lua_gettop(L);
    if (o->kind != LUAS__KIND_VALUE) {
        luas__outcome_push(L, o, payload, 0, is_list);
        return 2;
    }
    int n = luas__decode(L, payload, o->len, 0, LUAS__FUNCTIONS);
    if (n < 0) { /* it says why */
        lua_pushnil(L);
        lua_insert(L, top + 1);
        return 3;
    }
    lua_createtable(L, n, 1);
    lua_insert(L, top + 1);
    for (int i = n; i > 0; i--)
        lua_rawseti(L, top + 1, i);
    lua_pushinteger(L, n);
    lua_setfield(L, top + 1, "n");
    return 2;
}

static int part_take(lua_State *L)
{
    luas__journal_part *p = luas__journal_part_check(L, 1);
    luas__outcome o;
    const char *payload;
    int rc = luas__journal_job_take(p->job, &o, &payload);
    if (rc < 0)
        return luas__journal_part_no_memory(L);
    return rc == 0 ? 0 : push_known(L, &o, payload, false);
}

static double number_of(lua_State *L, const char *name)
{
    lua_getfield(L, 2, name);
    double value = lua_tonumber(L, -1);
    lua_pop(L, 1);
    return value;
}

static enum luas__kind kind_of(lua_State *L)
{
    static const char *const kinds[] = {"value", "error", "timeout", "crash", "cancelled", NULL};
    lua_getfield(L, 2, "kind");
    int kind = luaL_checkoption(L, -1, "value", kinds);
    lua_pop(L, 1);
    return (enum luas__kind)kind;
}

/* Is a class in it that is sent by value? Whoever reads it would have another one. */
static bool has_own_class(const char *bytes, size_t len)
{
    luas__mp_reader r = {(const unsigned char *)bytes, (const unsigned char *)bytes + len};
    luas__mp_token t;
    while (luas__mp_read(&r, &t) == 1) {
        if (t.type != MP_EXT)
            continue;
        if (t.ext == WIRE_OBJECT || t.ext == WIRE_PACKED || t.ext == WIRE_FUNCTION)
            return true;
        if (t.ext == WIRE_SHARED)
            r.at = (const unsigned char *)t.bytes;
    }
    return false;
}

/* Encodes the values of a list, in a field of the table at 2. Returns false where that is not possible. */
static bool encode_list(lua_State *L, const char *name, luas__buffer *out)
{
    int top = lua_gettop(L);
    bool is_done = false;
    if (lua_getfield(L, 2, name) == LUA_TTABLE) {
        lua_getfield(L, -1, "n");
        int n = (int)lua_tointeger(L, -1);
        lua_pop(L, 1);
        luaL_checkstack(L, n + LUA_MINSTACK, NULL);
        for (int i = 1; i <= n; i++)
            lua_rawgeti(L, top + 1, i);
        size_t before = out->len;
        is_done = luas__encode(L, top + 2, n, out, &(luas__encode_options){.limit = 0}) == 0
            && !has_own_class(luas__buffer_bytes(out) + before, out->len - before);
    }
    lua_settop(L, top);
    return is_done;
}

static void hear(luas__journal_part *p, luas__pool_event *e)
{
    luas__reader *r = &p->job->journal->reader;
    pthread_mutex_lock(&r->lock);
    r->hear(r, 0, e);
    pthread_mutex_unlock(&r->lock);
}

/* An error, in the form of a payload. */
static void put_raised(lua_State *L, luas__buffer *out)
{
    size_t len;
    lua_getfield(L, 2, "message");
    const char *message = luaL_tolstring(L, -1, &len);
    int rc = luas__buffer_append(out, "\x93", 1);
    bool is_text = lua_type(L, -2) == LUA_TSTRING && flag(L, 2, "is_text");
    if (rc == 0)
        rc = is_text ? luas__mp_write_string(out, message, len) : luas__mp_write_nil(out);
    if (rc == 0)
        rc = luas__mp_write_string(out, message, len);
    if (rc == 0)
        rc = luas__mp_write_nil(out);
    lua_pop(L, 2);
    if (rc < 0)
        luas__journal_part_no_memory(L);
}

static int part_ended(lua_State *L)
{
    luas__journal_part *p = luas__journal_part_check(L, 1);
    luaL_checktype(L, 2, LUA_TTABLE);
    int64_t start = luas__seconds(number_of(L, "start")), took = luas__seconds(number_of(L, "took"));
    luas__pool_event e = {
        .type = LUAS__EVENT_ENDED, .at = start + took, .start = start, .took = took, .label = "",
        .index = (uint64_t)number_of(L, "index"), .count = 1, .journal = p->job, .status = -1,
        .attempts = (int32_t)number_of(L, "attempts"), .kind = kind_of(L), .ends_chunk = true};
    luas__buffer_truncate(&p->bytes, 0);
    if (!encode_list(L, "arguments", &p->bytes))
        luas__buffer_truncate(&p->bytes, 0);
    e.input_len = p->bytes.len;
    bool has_results = e.kind == LUAS__KIND_VALUE && encode_list(L, "results", &p->bytes);
    if (e.kind == LUAS__KIND_ERROR)
        put_raised(L, &p->bytes);
    e.input = luas__buffer_bytes(&p->bytes);
    if (has_results)
        e.result = e.input + e.input_len;
    if (e.kind == LUAS__KIND_ERROR)
        e.raised = e.input + e.input_len;
    e.size = (uint32_t)(p->bytes.len - e.input_len);
    e.raised_len = e.raised != NULL ? e.size : 0;
    hear(p, &e);
    return 0;
}

/* ---- functions ---- */

static int open_journal(lua_State *L)
{
    char why[256];
    const char *path = luaL_checkstring(L, 1);
    bool is_read = lua_toboolean(L, 2);
    luas__reader **r = luas__readers_new(L, luas__journal_query_finish);
    luas__journal *j = luas__journal_open(path, is_read, why, sizeof why);
    if (j == NULL) {
        lua_pushnil(L);
        lua_pushstring(L, why);
        return 2;
    }
    *r = &j->reader;
    return 1;
}

static int flush_journal(lua_State *L)
{
    luas__journal *j = journal_at(L, 1);
    bool written = luas__journal_flush(j);
    lua_pushboolean(L, written);
    lua_pushstring(L, written ? "" : j->why);
    return 2;
}

static int close_journal(lua_State *L)
{
    luas__journal_close(journal_at(L, 1));
    return 0;
}

static int lost_rows(lua_State *L)
{
    lua_pushinteger(L, (lua_Integer)journal_at(L, 1)->lost);
    return 1;
}

static void push_hash(lua_State *L, const void *bytes, size_t len)
{
    luas__hash hash = luas__xxh_of(bytes, len);
    lua_pushlstring(L, (const char *)&hash, sizeof hash);
}

static int hash_text(lua_State *L)
{
    size_t len;
    const char *text = luaL_checklstring(L, 1, &len);
    push_hash(L, text, len);
    return 1;
}

static int free_buffer(lua_State *L)
{
    luas__buffer_release(lua_touserdata(L, 1));
    return 0;
}

/* Pushes a buffer that is freed whatever is raised. */
static luas__buffer *push_buffer(lua_State *L)
{
    luas__buffer *b = lua_newuserdatauv(L, sizeof *b, 0);
    *b = (luas__buffer)LUAS__BUFFER_INIT;
    lua_createtable(L, 0, 1);
    lua_pushcfunction(L, free_buffer);
    lua_setfield(L, -2, "__gc");
    lua_setmetatable(L, -2);
    return b;
}

/* Arguments: function, tables for stable.h. */
static int hash_code(lua_State *L)
{
    lua_settop(L, 5);
    luas__buffer *b = push_buffer(L);
    luas__stable_options options = {.ignore = 2, .modules = 3, .met = 4, .parts = 5, .what = "the function"};
    luas__journal_part_must(L, luas__stable_put(L, 1, 1, b, &options));
    push_hash(L, luas__buffer_bytes(b), b->len);
    luas__buffer_release(b);
    return 1;
}

static int refusal(lua_State *L)
{
    lua_settop(L, 1);
    lua_pushvalue(L, 1);
    lua_setfield(L, LUA_REGISTRYINDEX, LUAS__REFUSED_KEY);
    return 1;
}

/* Arguments: a column, as query gives it, and the kind. */
static int read_payload(lua_State *L)
{
    size_t len;
    const char *bytes = luaL_checklstring(L, 1, &len);
    luas__outcome o = {.len = (uint32_t)len, .count = 1, .status = -1,
                       .kind = strcmp(luaL_checkstring(L, 2), "value") == 0 ? LUAS__KIND_VALUE : LUAS__KIND_ERROR};
    return push_known(L, &o, bytes, false);
}

static const luaL_Reg tools[] = {
    {"open", open_journal}, {"close", close_journal}, {"flush", flush_journal}, {"query", luas__journal_query_rows}, {"lost", lost_rows},
    {"payload", read_payload}, {"code", hash_code}, {"hash", hash_text}, {"refusal", refusal},
    {"group", new_group}, {"load", load_group}, {"part", new_part}, {NULL, NULL}};

static const luaL_Reg part_methods[] = {
    {"stage", luas__journal_part_stage}, {"stage_values", luas__journal_part_stage_values}, {"attach", part_attach}, {"take", part_take},
    {"ended", part_ended}, {NULL, NULL}};

static const luaL_Reg none[] = {{NULL, NULL}};
static const luaL_Reg group_meta[] = {{"__gc", drop_group}, {NULL, NULL}};
static const luaL_Reg part_meta[] = {{"__gc", drop_part}, {NULL, NULL}};

int luas__journal_handle_tools(lua_State *L)
{
    if (luaL_getmetatable(L, LUAS__JOURNAL_PART) == LUA_TNIL) { /* most scripts need none of this */
        luas__handles_new_class(L, GROUP, none, group_meta);
        luas__handles_new_class(L, LUAS__JOURNAL_PART, part_methods, part_meta);
    }
    luaL_newlib(L, tools);
    lua_pushliteral(L, LUA_RELEASE);
    lua_setfield(L, -2, "release");
    return 1;
}
