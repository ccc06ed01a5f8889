/* The key of a task: from its function, its input and what it depends on. */
#define _GNU_SOURCE
#include "journal_part.h"

#include <string.h>
#include <sys/stat.h>

#include "codec.h"
#include "encoder.h"
#include "error.h"
#include "job_handle.h"
#include "list.h"
#include "msgpack.h"
#include "stable.h"
#include "stop.h"
#include "user_calls.h"
#include "value_format.h"

int luas__journal_part_no_memory(lua_State *L)
{
    return luas__fail(L, "luas: %s", luas_strerror(LUAS_ENOMEM));
}

luas__journal_part *luas__journal_part_check(lua_State *L, int index)
{
    luas__journal_part *p = luaL_checkudata(L, index, LUAS__JOURNAL_PART);
    luaL_argcheck(L, p->job != NULL, index, "journal is closed");
    return p;
}

/* Raises what luas__stable_put has pushed, if that has failed. */
void luas__journal_part_must(lua_State *L, int rc)
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

static void put_values(lua_State *L, luas__journal_part *p, int hooks, int first, int n)
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
    luas__journal_part_must(L, luas__stable_put(L, first, n, &p->bytes, &options));
    lua_settop(L, top);
}

/* Pushes what the hook gives for the task, and returns how many values that are. */
static int call_hook(lua_State *L, luas__journal_part *p, int hooks, const char *name, int first, int n)
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

static void put_bytes(lua_State *L, luas__journal_part *p, const void *bytes, size_t len)
{
    if (luas__buffer_append(&p->bytes, bytes, len) < 0)
        luas__journal_part_no_memory(L);
}

/* A file counts with its name, size and time. */
static void put_file(lua_State *L, luas__journal_part *p, int index)
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
static void put_files(lua_State *L, luas__journal_part *p, int from)
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
static void tell(lua_State *L, luas__journal_part *p, int hooks, int verdict, int first, int n)
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

static int stage_hash(lua_State *L, luas__journal_part *p)
{
    luas__hash hash = luas__xxh_of(luas__buffer_bytes(&p->bytes), p->bytes.len);
    int verdict = luas__journal_job_stage(p->job, hash);
    return verdict < 0 ? luas__journal_part_no_memory(L) : verdict;
}

static void stage_values(lua_State *L, luas__journal_part *p, int hooks, int first, int n)
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
int luas__journal_part_stage_values(lua_State *L)
{
    luas__journal_part *p = luas__journal_part_check(L, 1);
    int n = lua_gettop(L) - 1;
    lua_getiuservalue(L, 1, LUAS__JOURNAL_PART_HOOKS);
    stage_values(L, p, n + 2, 2, n);
    return 0;
}

/* The arguments in the list at 6. One that is no list is refused when it is fed. */
static void stage_list(lua_State *L, luas__journal_part *p)
{
    lua_Integer n = lua_istable(L, 6) ? luas__list_length(L, 6) : -1;
    lua_settop(L, 6);
    if (n < 0 || n > LUAS__LIST_MOST_ARGUMENTS)
        return;
    luas__list_unpack(L, 6, (int)n);
    stage_values(L, p, 5, 7, (int)n);
}

/* Arguments: part, items, how many, whether these are lists. */
int luas__journal_part_stage(lua_State *L)
{
    luas__journal_part *p = luas__journal_part_check(L, 1);
    lua_Integer n = luaL_checkinteger(L, 3);
    bool is_star = lua_toboolean(L, 4);
    lua_settop(L, 4);
    lua_getiuservalue(L, 1, LUAS__JOURNAL_PART_HOOKS);
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
static luas__journal_part *push_hooks(lua_State *L)
{
    lua_getiuservalue(L, AT_JOB, JOB_JOURNAL);
    luas__journal_part *p = luas__journal_part_check(L, lua_gettop(L));
    lua_getiuservalue(L, -1, LUAS__JOURNAL_PART_HOOKS);
    lua_remove(L, -2);
    return p;
}

void luas__journal_part_feed(lua_State *L, int first, int n)
{
    luas__journal_part *p = push_hooks(L);
    int hooks = lua_gettop(L);
    stage_values(L, p, hooks, first, n);
    lua_settop(L, hooks - 1);
}

/* A record counts as a task with this string; or also with its place. */
static void stage_record(lua_State *L, luas__journal_part *p, int hooks, const luas__passage *of, uint64_t number,
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
        luas__journal_part_no_memory(L);
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

void luas__journal_part_feed_records(lua_State *L, const luas__cutter *c, const luas__passage *of, const luas__buffer *bytes)
{
    int top = lua_gettop(L);
    luas__journal_part *p = push_hooks(L);
    const char *all = passage_bytes(L, c, of, bytes);
    for (uint32_t i = 0; i < c->count; i++) {
        size_t from = i > 0 ? c->ends[i - 1] : 0, len = c->ends[i] - from;
        if (!of->text->whole)
            len = luas__text_bare(of->text, all + from, len);
        stage_record(L, p, top + 1, of, of->number + i, all + from, len);
    }
    lua_settop(L, top);
}
