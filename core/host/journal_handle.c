/* Journals as userdata: groups, and parts, which have the keys of a job's tasks made. */
#define _GNU_SOURCE
#include "journal_handle.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "clock.h"
#include "codec.h"
#include "encoder.h"
#include "error.h"
#include "journal.h"
#include "list.h"
#include "journal_query.h"
#include "journal_job.h"
#include "outcome_push.h"
#include "readers.h"
#include "stable.h"
#include "stop.h"
#include "user_calls.h"
#include "value_format.h"

#define GROUP "luas.core.journal_group"
#define PART "luas.core.journal_part"

typedef struct group {
    luas__journal_group *group;
} group;

/* User values of a part: the hooks, and the group. */
enum { PART_HOOKS = 1, PART_GROUP };

enum { USUAL_INPUT = 64 };

typedef struct part {
    luas__journal_job *job;
    luas__buffer bytes;     /* of the input that is looked at */
    bool has_key, has_depends, explains, is_numbered;
    bool staging;           /* a hook is being called */
} part;

static luas__journal *journal_at(lua_State *L, int index)
{
    return (luas__journal *)luas__readers_check(L, index);
}

static int no_memory(lua_State *L)
{
    return luas__fail(L, "luas: %s", luas_strerror(LUAS_ENOMEM));
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
        return no_memory(L);
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
    part *p = lua_newuserdatauv(L, sizeof *p, 2);
    *p = (part){.has_key = flag(L, 2, "key"), .has_depends = flag(L, 2, "depends"),
                .explains = flag(L, 2, "explains"), .is_numbered = flag(L, 2, "numbered")};
    luaL_setmetatable(L, PART);
    luas__handles_keep(L);
    lua_pushvalue(L, 2);
    lua_setiuservalue(L, 3, PART_HOOKS);
    lua_pushvalue(L, 1);
    lua_setiuservalue(L, 3, PART_GROUP);
    p->job = luas__journal_job_new(g);
    return p->job != NULL && luas__buffer_reserve(&p->bytes, USUAL_INPUT) == 0 ? 1 : no_memory(L);
}

static int drop_part(lua_State *L)
{
    part *p = luaL_checkudata(L, 1, PART);
    luas__journal_job_drop(p->job);
    luas__buffer_release(&p->bytes);
    p->job = NULL;
    return 0;
}

static part *check_part(lua_State *L, int index)
{
    part *p = luaL_checkudata(L, index, PART);
    luaL_argcheck(L, p->job != NULL, index, "journal is closed");
    return p;
}

/* ---- the key of a task ---- */

/* Raises what luas__stable_put has pushed, if that has failed. */
static void must(lua_State *L, int rc)
{
    if (rc == 0)
        return;
    if (lua_type(L, -1) != LUA_TSTRING || luas__stop_is(L, -1))
        lua_error(L);
    luas__fail(L, "%s", lua_tostring(L, -1));
}

/* Puts the values if they are scalars. */
static bool put_scalars(lua_State *L, luas__buffer *out, int first, int n)
{
    for (int i = 0; i < n; i++) {
        if (lua_type(L, first + i) == LUA_TNUMBER && lua_tonumber(L, first + i) != lua_tonumber(L, first + i))
            return false; /* NaN */
        if (luas__scalar_put(L, first + i, out, WIRE_MAX) <= 0)
            return false;
    }
    return true;
}

static void put_values(lua_State *L, part *p, int hooks, int first, int n)
{
    char what[40];
    luas__buffer_truncate(&p->bytes, 0);
    if (put_scalars(L, &p->bytes, first, n))
        return;
    luas__buffer_truncate(&p->bytes, 0);
    int top = lua_gettop(L);
    snprintf(what, sizeof what, "item %llu", (unsigned long long)p->job->index + 1);
    lua_getfield(L, hooks, "ignore");
    lua_getfield(L, hooks, "modules");
    luas__stable_options options = {.ignore = top + 1, .modules = top + 2, .what = what};
    must(L, luas__stable_put(L, first, n, &p->bytes, &options));
    lua_settop(L, top);
}

/* Pushes what the hook gives for the task, and returns how many values that are. */
static int call_hook(lua_State *L, part *p, int hooks, const char *name, int first, int n)
{
    int top = lua_gettop(L);
    luaL_checkstack(L, n + LUA_MINSTACK, NULL);
    lua_getfield(L, hooks, name);
    for (int i = 0; i < n; i++)
        lua_pushvalue(L, first + i);
    luas__user_calls_note(L);
    p->staging = true;
    lua_call(L, n, LUA_MULTRET);
    p->staging = false;
    luas__user_calls_note(L);
    return lua_gettop(L) - top;
}

static void put_bytes(lua_State *L, part *p, const void *bytes, size_t len)
{
    if (luas__buffer_append(&p->bytes, bytes, len) < 0)
        no_memory(L);
}

/* A file counts with its name, size and time. */
static void put_file(lua_State *L, part *p, int index)
{
    struct stat s;
    size_t len;
    if (lua_type(L, index) != LUA_TSTRING)
        luas__fail(L, "depends must return names of files, not a %s", luaL_typename(L, index));
    const char *path = lua_tolstring(L, index, &len);
    int64_t words[4] = {(int64_t)len, -1, 0, 0};
    if (stat(path, &s) == 0) {
        words[1] = (int64_t)s.st_size;
        words[2] = (int64_t)s.st_mtim.tv_sec;
        words[3] = (int64_t)s.st_mtim.tv_nsec;
    }
    put_bytes(L, p, words, sizeof words);
    put_bytes(L, p, path, len);
}

/* Pops what `depends` has given: names, or lists of these. */
static void put_files(lua_State *L, part *p, int from)
{
    int to = lua_gettop(L);
    for (int i = from; i <= to; i++) {
        if (lua_isnil(L, i))
            continue;
        if (!lua_istable(L, i)) {
            put_file(L, p, i);
            continue;
        }
        for (lua_Integer k = 1; lua_rawgeti(L, i, k) != LUA_TNIL; k++) {
            put_file(L, p, lua_gettop(L));
            lua_pop(L, 1);
        }
        lua_pop(L, 1);
    }
    lua_settop(L, from - 1);
}

static const char *const verdicts[] = {"new", "done", "failed", "again", "lost", "code"};

/* Has Lua decide, or tell. It raises where the run cannot go on. */
static void tell(lua_State *L, part *p, int hooks, int verdict, int first, int n)
{
    int top = lua_gettop(L);
    if (verdict != LUAS__JOURNAL_CODE && verdict != LUAS__JOURNAL_LOST && !p->explains)
        return;
    luaL_checkstack(L, n + LUA_MINSTACK, NULL);
    lua_getfield(L, hooks, "tell");
    lua_pushstring(L, verdicts[verdict]);
    lua_pushinteger(L, (lua_Integer)p->job->index);
    lua_pushinteger(L, p->job->seen != NULL ? p->job->seen->job : 0);
    for (int i = 0; i < n; i++)
        lua_pushvalue(L, first + i);
    lua_call(L, n + 3, 0);
    lua_settop(L, top);
}

static int stage_hash(lua_State *L, part *p)
{
    luas__hash hash = luas__xxh_of(luas__buffer_bytes(&p->bytes), p->bytes.len);
    int verdict = luas__journal_job_stage(p->job, hash);
    return verdict < 0 ? no_memory(L) : verdict;
}

static void stage_values(lua_State *L, part *p, int hooks, int first, int n)
{
    int top = lua_gettop(L);
    if (p->staging)
        luas__fail(L, "key and depends cannot wait for the job that calls them");
    if (p->has_key) {
        int given = call_hook(L, p, hooks, "key", first, n);
        put_values(L, p, hooks, top + 1, given);
        lua_settop(L, top);
    } else {
        put_values(L, p, hooks, first, n);
    }
    if (p->has_depends) {
        call_hook(L, p, hooks, "depends", first, n);
        put_files(L, p, top + 1);
    }
    tell(L, p, hooks, stage_hash(L, p), first, n);
}

/* Arguments: part, and the values of the task. */
static int part_stage_values(lua_State *L)
{
    part *p = check_part(L, 1);
    int n = lua_gettop(L) - 1;
    lua_getiuservalue(L, 1, PART_HOOKS);
    stage_values(L, p, n + 2, 2, n);
    return 0;
}

/* The arguments in the list at 6. One that is no list is refused when it is fed. */
static void stage_list(lua_State *L, part *p)
{
    lua_Integer n = lua_istable(L, 6) ? luas__list_length(L, 6) : -1;
    lua_settop(L, 6);
    if (n < 0 || n > LUAS__LIST_MOST_ARGUMENTS)
        return;
    luas__list_unpack(L, 6, (int)n);
    stage_values(L, p, 5, 7, (int)n);
}

/* Arguments: part, items, how many, whether these are lists. */
static int part_stage(lua_State *L)
{
    part *p = check_part(L, 1);
    lua_Integer n = luaL_checkinteger(L, 3);
    bool is_star = lua_toboolean(L, 4);
    lua_settop(L, 4);
    lua_getiuservalue(L, 1, PART_HOOKS);
    luas__hashmap_reserve(&p->job->group->met, (size_t)n);
    for (lua_Integer i = 1; i <= n; i++) {
        lua_geti(L, 2, i);
        if (is_star)
            stage_list(L, p);
        else
            stage_values(L, p, 5, 6, 1);
        lua_settop(L, 5);
    }
    return 0;
}

/* Pushes the hooks of the job's journal. */
static part *push_hooks(lua_State *L)
{
    lua_getiuservalue(L, AT_JOB, JOB_JOURNAL);
    part *p = check_part(L, lua_gettop(L));
    lua_getiuservalue(L, -1, PART_HOOKS);
    lua_remove(L, -2);
    return p;
}

void luas__journal_handle_stage(lua_State *L, int first, int n)
{
    part *p = push_hooks(L);
    int hooks = lua_gettop(L);
    stage_values(L, p, hooks, first, n);
    lua_settop(L, hooks - 1);
}

/* A record counts as a task with this string; or also with its place. */
static void stage_record(lua_State *L, part *p, int hooks, const luas__passage *of, uint64_t number,
                         const char *record, size_t len)
{
    int top = lua_gettop(L);
    if (p->has_key || p->has_depends || p->explains) {
        lua_pushlstring(L, record, len);
        stage_values(L, p, hooks, top + 1, 1);
        lua_settop(L, top);
        return;
    }
    luas__buffer_truncate(&p->bytes, 0);
    if (luas__mp_write_string(&p->bytes, record, len) < 0)
        no_memory(L);
    if (p->is_numbered) {
        put_bytes(L, p, &number, sizeof number);
        put_bytes(L, p, of->text->name, strlen(of->text->name));
    }
    int verdict = stage_hash(L, p);
    if (verdict == LUAS__JOURNAL_CODE || verdict == LUAS__JOURNAL_LOST) {
        lua_pushlstring(L, record, len);
        tell(L, p, hooks, verdict, top + 1, 1);
        lua_settop(L, top);
    }
}

/* The bytes of a passage, which a userdata keeps if they are in a file. */
static const char *passage_bytes(lua_State *L, const luas__cutter *c, const luas__passage *of, const luas__buffer *bytes)
{
    size_t len = c->count > 0 ? c->ends[c->count - 1] : 0;
    if (of->text->fd < 0)
        return luas__buffer_bytes(bytes);
    char *copy = lua_newuserdatauv(L, len + 1, 0);
    luas__buffer read = LUAS__BUFFER_INIT;
    int rc = luas__text_read(of->text->fd, of->from, len, &read);
    if (rc == 0 && read.len == len && len > 0)
        memcpy(copy, luas__buffer_bytes(&read), len);
    bool is_whole = rc == 0 && read.len == len;
    luas__buffer_release(&read);
    if (!is_whole)
        luas__fail(L, "%s changed while it was read", of->text->name);
    return copy;
}

void luas__journal_handle_stage_records(lua_State *L, const luas__cutter *c, const luas__passage *of, const luas__buffer *bytes)
{
    int top = lua_gettop(L);
    part *p = push_hooks(L);
    const char *all = passage_bytes(L, c, of, bytes);
    for (uint32_t i = 0; i < c->count; i++) {
        size_t from = i > 0 ? c->ends[i - 1] : 0, len = c->ends[i] - from;
        if (!of->text->whole)
            len = luas__text_bare(of->text, all + from, len);
        stage_record(L, p, top + 1, of, of->number + i, all + from, len);
    }
    lua_settop(L, top);
}

/* ---- engines ---- */

/* Arguments: part, job. The job has no tasks yet. */
static int part_attach(lua_State *L)
{
    part *p = check_part(L, 1);
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
    part *p = check_part(L, 1);
    luas__outcome o;
    const char *payload;
    int rc = luas__journal_job_take(p->job, &o, &payload);
    if (rc < 0)
        return no_memory(L);
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

static void hear(part *p, luas__pool_event *e)
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
        no_memory(L);
}

static int part_ended(lua_State *L)
{
    part *p = check_part(L, 1);
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
    must(L, luas__stable_put(L, 1, 1, b, &options));
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
    {"stage", part_stage}, {"stage_values", part_stage_values}, {"attach", part_attach}, {"take", part_take},
    {"ended", part_ended}, {NULL, NULL}};

static const luaL_Reg none[] = {{NULL, NULL}};
static const luaL_Reg group_meta[] = {{"__gc", drop_group}, {NULL, NULL}};
static const luaL_Reg part_meta[] = {{"__gc", drop_part}, {NULL, NULL}};

int luas__journal_handle_tools(lua_State *L)
{
    if (luaL_getmetatable(L, PART) == LUA_TNIL) { /* most scripts need none of this */
        luas__handles_new_class(L, GROUP, none, group_meta);
        luas__handles_new_class(L, PART, part_methods, part_meta);
    }
    luaL_newlib(L, tools);
    lua_pushliteral(L, LUA_RELEASE);
    lua_setfield(L, -2, "release");
    return 1;
}
