/* Chunks: their tasks go into an agent's pool, and their outcomes come back, as bytes. */
#define _GNU_SOURCE
#include "cluster_chunk.h"

#include <stdlib.h>

#include "array.h"
#include "clock.h"
#include "codec.h"
#include "error.h"
#include "fail.h"
#include "job_handle.h"
#include "job_outcomes.h"
#include "luas.h"
#include "msgpack.h"
#include "outcome_push.h"
#include "value_format.h"

enum { VALUES = 0, OTHER = 1 };

/* In the flags of an outcome. */
enum { OVER_MEMORY = 1, HUNG = 2 };

static luas__mp_reader reader_at(lua_State *L, int index, int at)
{
    size_t len;
    const char *bytes = luaL_checklstring(L, index, &len);
    lua_Integer offset = luaL_checkinteger(L, at);
    luaL_argcheck(L, offset >= 0 && (lua_Unsigned)offset <= len, at, "no such place");
    return (luas__mp_reader){(const unsigned char *)bytes + offset, (const unsigned char *)bytes + len};
}

static void push_offset(lua_State *L, int index, const luas__mp_reader *r)
{
    lua_pushinteger(L, (lua_Integer)((const char *)r->at - lua_tostring(L, index)));
}

/* Takes a size and as many bytes: false if they are not there. */
static bool take_sized(luas__mp_reader *r, const char **bytes, uint32_t *len)
{
    int64_t size;
    if (luas__mp_read_int(r, &size) < 0 || size < 0 || size > r->end - r->at || size > WIRE_MAX)
        return false;
    *bytes = (const char *)r->at;
    *len = (uint32_t)size;
    r->at += size;
    return true;
}

/* ---- an agent ---- */

/* Adds the define messages of a string to the job. */
static void define_all(lua_State *L, luas__job_handle *h, int index)
{
    size_t len;
    const char *bytes = luaL_checklstring(L, index, &len);
    luas__mp_reader r = {(const unsigned char *)bytes, (const unsigned char *)bytes + len};
    while (r.at < r.end) {
        const unsigned char *from = r.at;
        luas__job_handle_try(L, h, luas__mp_skip(&r));
        luas__job_handle_try(L, h, luas__pool_define(h->pool->pool, h->job, (const char *)from, (size_t)(r.at - from)));
    }
}

/* Notes where each task ends. */
static void find_ends(lua_State *L, luas__job_handle *h, luas__mp_reader r)
{
    const unsigned char *from = r.at;
    const char *bytes;
    uint32_t len;
    while (r.at < r.end) {
        luas__job_handle_try(L, h, take_sized(&r, &bytes, &len) ? 0 : LUAS_EPROTO);
        luas__job_handle_try(L, h, luas__array_reserve(&h->ends, &h->cap, (size_t)h->count + 1, sizeof *h->ends));
        h->ends[h->count++] = (size_t)(r.at - from);
    }
}

static int chunk_feed(lua_State *L)
{
    enum { FIRST = 2, ATTEMPTS, TOGETHER, TASKS, DEFINES };
    luas__job_handle *h = luas__job_handle_check(L);
    size_t len;
    const char *tasks = luaL_checklstring(L, TASKS, &len);
    lua_Integer first = luaL_checkinteger(L, FIRST), attempts = luaL_checkinteger(L, ATTEMPTS);
    if (first < 1 || attempts < 0 || attempts > UINT16_MAX || h->job->input.fed > 0)
        return luas__fail(L, "no such tasks");
    if (lua_toboolean(L, TOGETHER))
        h->job->policy.flags &= ~LUAS__JOB_CAPTURE;
    for (int i = DEFINES; i <= lua_gettop(L); i++)
        define_all(L, h, i);
    h->count = 0;
    luas__buffer_truncate(&h->bytes, 0);
    find_ends(L, h, (luas__mp_reader){(const unsigned char *)tasks, (const unsigned char *)tasks + len});
    luas__job_handle_try(L, h, luas__buffer_append(&h->bytes, tasks, len));
    lua_pushinteger(L, h->count);
    luas__range range = {.first = (uint64_t)first, .count = h->count, .attempts = (uint32_t)attempts};
    if (h->count > 0) {
        luas__job_handle_try(L, h, luas__pool_feed_at(h->pool->pool, h->job, range, &h->bytes, h->ends));
        h->ends = NULL; /* the job has them now */
        h->count = h->cap = 0;
    }
    luas__pool_seal(h->pool->pool, h->job);
    return 1;
}

static int write_numbers(luas__buffer *out, const int64_t *numbers, int n)
{
    int rc = 0;
    for (int i = 0; i < n && rc == 0; i++)
        rc = luas__mp_write_int(out, numbers[i]);
    return rc;
}

/* What is printed by tasks whose values are framed, the first of them has. */
static int write_other(luas__buffer *out, const luas__outcome *o, const char *payload, uint32_t len, const char *printed)
{
    const int64_t numbers[] = {
        OTHER, o->kind, (int64_t)o->index, o->framed ? 1 : (int64_t)o->count, o->attempts, o->pid, o->worker, o->status,
        (o->over_memory ? OVER_MEMORY : 0) | (o->hung ? HUNG : 0), (int64_t)(o->took * 1e6F), len, o->printed,
    };
    int rc = write_numbers(out, numbers, sizeof numbers / sizeof *numbers);
    if (rc == 0)
        rc = luas__buffer_append(out, payload, len);
    return rc < 0 ? rc : luas__buffer_append(out, printed, o->printed);
}

static int write_value(luas__buffer *out, const char *value, uint32_t len)
{
    int rc = luas__mp_write_int(out, len);
    return rc < 0 ? rc : luas__buffer_append(out, value, len);
}

/* In a stamped job `stamp` bytes follow each framed value. */
static int write_values(luas__buffer *out, const luas__outcome *o, const char *payload, uint32_t stamp)
{
    const char *frames = payload, *value = payload;
    uint32_t len = o->len, skipped = o->printed > 0;
    int rc = 0;
    if (skipped) {
        value = luas__frame_next_value(&frames, &len);
        rc = write_other(out, o, value, len - stamp, payload + o->len);
    }
    if (rc == 0 && o->count > skipped)
        rc = write_numbers(out, (int64_t[]){VALUES, (int64_t)(o->index + skipped), (int64_t)(o->count - skipped)}, 3);
    for (uint64_t i = skipped; i < o->count && rc == 0; i++) {
        value = o->framed ? luas__frame_next_value(&frames, &len) : payload;
        rc = write_value(out, value, o->framed ? len - stamp : len);
    }
    return rc;
}

static int write_outcome(luas__buffer *out, const luas__outcome *o, const char *payload, uint32_t stamp)
{
    if (o->framed || (o->kind == LUAS__KIND_VALUE && o->printed == 0))
        return write_values(out, o, payload, stamp);
    return write_other(out, o, payload, o->len, payload + o->len);
}

static int write_all(luas__job_handle *h)
{
    const luas__outcome *o;
    const char *payload;
    int rc = 0;
    while (rc == 0 && luas__pool_take(h->pool->pool, h->job))
        while (rc == 0 && (o = luas__job_outcomes_next_run(h->job, &payload)) != NULL)
            rc = write_outcome(&h->bytes, o, payload, h->job->seen.stamp);
    return rc;
}

static int chunk_take(lua_State *L)
{
    luas__job_handle *h = luas__job_handle_check(L);
    luas__buffer_truncate(&h->bytes, 0);
    luas__job_handle_try(L, h, write_all(h));
    lua_pushlstring(L, h->bytes.len > 0 ? luas__buffer_bytes(&h->bytes) : "", h->bytes.len);
    return 1;
}

/* ---- a host: tasks ---- */

static bool is_scalar(lua_State *L, int index)
{
    int type = lua_type(L, index);
    return type == LUA_TNUMBER || type == LUA_TSTRING || type == LUA_TBOOLEAN;
}

static int chunk_scalars(lua_State *L)
{
    enum { SOURCE = 1, LIST, MOST, LAST };
    luaL_checktype(L, LIST, LUA_TTABLE);
    lua_Integer n = (lua_Integer)lua_rawlen(L, LIST), most = luaL_checkinteger(L, MOST);
    lua_Number last = luaL_checknumber(L, LAST);
    bool is_time = true;
    lua_settop(L, LAST);
    while (n < most && is_time) {
        lua_pushvalue(L, SOURCE);
        lua_call(L, 0, LUA_MULTRET);
        if (lua_gettop(L) != LAST + 1 || !is_scalar(L, LAST + 1)) {
            lua_pushboolean(L, true);
            lua_insert(L, LAST + 1);
            return lua_gettop(L) - LAST;
        }
        lua_rawseti(L, LIST, ++n);
        is_time = (lua_Number)luas__now() / 1e9 < last;
    }
    lua_pushboolean(L, false);
    return 1;
}

static int chunk_cut(lua_State *L)
{
    luas__mp_reader r = reader_at(L, 1, 2);
    lua_Integer most = luaL_checkinteger(L, 3), bytes = luaL_checkinteger(L, 4), n = 0;
    const unsigned char *from = r.at;
    const char *task;
    uint32_t len;
    while (n < most && r.at < r.end && r.at - from < bytes && take_sized(&r, &task, &len))
        n++;
    push_offset(L, 1, &r);
    lua_pushinteger(L, n);
    return 2;
}

static int chunk_arguments(lua_State *L)
{
    luas__mp_reader r = reader_at(L, 2, 3);
    const char *task;
    uint32_t len;
    if (!take_sized(&r, &task, &len))
        return luas__fail(L, "no task is there");
    int n = luas__decode(L, task, len, lua_isnil(L, 1) ? 0 : 1, LUAS__FUNCTIONS);
    lua_pushinteger(L, n);
    lua_insert(L, 4);
    if (n < 0) {
        lua_pushnil(L);
        lua_replace(L, 4);
        return 2;
    }
    return n + 1;
}

/* ---- a host: outcomes ---- */

/* What is said at one place of the outcomes. */
typedef struct record {
    bool is_values;
    luas__outcome o;        /* of values: index and count */
    const char *payload;
} record;

static bool read_numbers(luas__mp_reader *r, int64_t *numbers, int n)
{
    for (int i = 0; i < n; i++)
        if (luas__mp_read_int(r, &numbers[i]) < 0)
            return false;
    return true;
}

static bool read_other(luas__mp_reader *r, record *to)
{
    enum { KIND, INDEX, COUNT, ATTEMPTS, PID, WORKER, STATUS, FLAGS, TOOK, LEN, PRINTED, FIELDS };
    int64_t v[FIELDS];
    if (!read_numbers(r, v, FIELDS) || v[KIND] < 0 || v[KIND] > LUAS__KIND_CANCELLED || v[LEN] < 0 || v[PRINTED] < 0
        || v[LEN] > r->end - r->at || v[PRINTED] > r->end - r->at - v[LEN] || v[LEN] > WIRE_MAX || v[PRINTED] > WIRE_MAX)
        return false;
    to->o = (luas__outcome){
        .kind = (uint8_t)v[KIND], .index = (uint64_t)v[INDEX], .count = (uint64_t)v[COUNT],
        .attempts = (uint16_t)v[ATTEMPTS], .pid = (int32_t)v[PID], .worker = (int32_t)v[WORKER],
        .status = (int32_t)v[STATUS], .over_memory = (v[FLAGS] & OVER_MEMORY) != 0, .hung = (v[FLAGS] & HUNG) != 0,
        .took = (float)v[TOOK] / 1e6F, .len = (uint32_t)v[LEN], .printed = (uint32_t)v[PRINTED],
    };
    to->payload = (const char *)r->at;
    r->at += v[LEN] + v[PRINTED];
    return true;
}

/* Reads the head of values, or all of another outcome. */
static bool read_record(luas__mp_reader *r, record *to)
{
    int64_t kind, v[2];
    if (luas__mp_read_int(r, &kind) < 0)
        return false;
    *to = (record){.is_values = kind == VALUES};
    if (kind == OTHER)
        return read_other(r, to);
    if (kind != VALUES || !read_numbers(r, v, 2))
        return false;
    to->o.index = (uint64_t)v[0];
    to->o.count = (uint64_t)v[1];
    return true;
}

/* The tasks from `first` on, and of each whether its outcome was seen. */
typedef struct survey {
    uint64_t first, n, seen;
    unsigned char *has;
    bool is_all_values;
} survey;

static bool note(survey *s, uint64_t index, uint64_t count)
{
    if (index < s->first || count < 1 || index - s->first >= s->n || count > s->n - (index - s->first))
        return false;
    for (uint64_t i = index - s->first; i < index - s->first + count; i++)
        if (s->has[i]++ != 0)
            return false;
    s->seen += count;
    return true;
}

/* Looks whether these are outcomes of the tasks, of each at most one. */
static bool look(survey *s, luas__mp_reader r)
{
    record rec;
    const char *bytes;
    uint32_t len;
    s->is_all_values = true;
    while (r.at < r.end) {
        if (!read_record(&r, &rec) || !note(s, rec.o.index, rec.o.count))
            return false;
        s->is_all_values &= rec.is_values;
        for (uint64_t i = 0; rec.is_values && i < rec.o.count; i++)
            if (!take_sized(&r, &bytes, &len))
                return false;
    }
    s->is_all_values &= s->seen == s->n;
    return true;
}

/* Puts the fields of an outcome, with what was printed, into the list at the top. */
static void list_other(lua_State *L, record *rec, uint64_t first, int space)
{
    if (rec->o.kind == LUAS__KIND_VALUE) {
        lua_createtable(L, 0, 3);
        lua_pushliteral(L, "value");
        lua_setfield(L, -2, "kind");
        lua_pushlstring(L, rec->payload, rec->o.len);
        lua_setfield(L, -2, "bytes");
    } else {
        luas__outcome_push(L, &rec->o, rec->payload, space, false);
    }
    if (rec->o.printed > 0) {
        lua_pushlstring(L, rec->payload + rec->o.len, rec->o.printed);
        lua_setfield(L, -2, "printed");
    }
    for (uint64_t i = 0; i < rec->o.count; i++) {
        lua_pushvalue(L, -1);
        lua_rawseti(L, -3, (lua_Integer)(rec->o.index - first + i + 1));
    }
    lua_pop(L, 1);
}

static void push_list(lua_State *L, const survey *s, luas__mp_reader r, int space)
{
    record rec;
    const char *bytes;
    uint32_t len;
    lua_createtable(L, (int)s->n, 0);
    while (r.at < r.end && read_record(&r, &rec)) {
        if (!rec.is_values) {
            list_other(L, &rec, s->first, space);
            continue;
        }
        for (uint64_t i = 0; i < rec.o.count && take_sized(&r, &bytes, &len); i++) {
            lua_pushlstring(L, bytes, len);
            lua_rawseti(L, -2, (lua_Integer)(rec.o.index - s->first + i + 1));
        }
    }
}

enum { MOST_TASKS = 1 << 24 };

/* Arguments: space, bytes, first, n, list. */
static int chunk_outcomes(lua_State *L)
{
    lua_Integer first = luaL_checkinteger(L, 3), n = luaL_checkinteger(L, 4);
    size_t len;
    const char *bytes = luaL_checklstring(L, 2, &len);
    luaL_argcheck(L, n >= 0 && n < MOST_TASKS, 4, "too many");
    luas__mp_reader r = {(const unsigned char *)bytes, (const unsigned char *)bytes + len};
    survey s = {.first = (uint64_t)first, .n = (uint64_t)n};
    s.has = memset(lua_newuserdatauv(L, (size_t)n + 1, 0), 0, (size_t)n + 1);
    if (!look(&s, r))
        lua_pushnil(L);
    else if (s.is_all_values && !lua_toboolean(L, 5))
        lua_pushboolean(L, 1);
    else
        push_list(L, &s, r, 1);
    return 1;
}

/* Where a reader of values stands: `left` more follow, of which the first is that of `index`. */
typedef struct place {
    luas__mp_reader r;
    lua_Integer left, index;
} place;

static place place_at(lua_State *L, int bytes)
{
    return (place){reader_at(L, bytes, bytes + 1), luaL_checkinteger(L, bytes + 2), luaL_checkinteger(L, bytes + 3)};
}

/* Takes the results of one task: false at the end. */
static bool take_value(place *p, const char **bytes, uint32_t *len)
{
    record rec;
    while (p->left == 0) {
        if (p->r.at == p->r.end || !read_record(&p->r, &rec) || !rec.is_values)
            return false;
        p->left = (lua_Integer)rec.o.count;
        p->index = (lua_Integer)rec.o.index;
    }
    p->left--;
    p->index++;
    return take_sized(&p->r, bytes, len);
}

static void push_place(lua_State *L, int bytes, const place *p)
{
    push_offset(L, bytes, &p->r);
    lua_pushinteger(L, p->left);
    lua_pushinteger(L, p->index);
}

/* With a message at the top: replaces it by the outcome of the task whose results cannot be read. */
static void push_unreadable(lua_State *L, const place *p, int space)
{
    luas__outcome_push_unreadable(L, &(luas__outcome){.index = (uint64_t)p->index - 1, .count = 1, .attempts = 1}, space);
}

/* Arguments: space, results, bytes, at, left, index. */
static int chunk_collect(lua_State *L)
{
    enum { SPACE = 1, RESULTS, BYTES, TOP = 6 };
    lua_settop(L, TOP);
    place p = place_at(L, BYTES);
    const char *bytes;
    uint32_t len;
    lua_Integer taken = 0;
    int n = 1;
    while (n >= 0 && take_value(&p, &bytes, &len)) {
        taken++;
        n = luas__decode_number(L, bytes, len) ? 1 : luas__decode(L, bytes, len, SPACE, LUAS__FUNCTIONS);
        if (n < 0)
            break;
        if (n != 1)
            lua_settop(L, TOP + 1);
        lua_rawseti(L, RESULTS, p.index - 1);
    }
    if (n < 0)
        push_unreadable(L, &p, SPACE);
    push_place(L, BYTES, &p);
    lua_pushinteger(L, taken);
    if (n >= 0)
        return 4;
    lua_pushvalue(L, TOP + 1);
    return 5;
}

/* Arguments: space, bytes, at, left, index. */
static int chunk_next(lua_State *L)
{
    enum { SPACE = 1, BYTES, TOP = 5 };
    lua_settop(L, TOP);
    place p = place_at(L, BYTES);
    const char *bytes;
    uint32_t len;
    if (!take_value(&p, &bytes, &len))
        return 0;
    push_place(L, BYTES, &p);
    lua_pushnil(L);
    int n = luas__decode(L, bytes, len, SPACE, LUAS__FUNCTIONS);
    if (n >= 0)
        return 4 + n;
    push_unreadable(L, &p, SPACE);
    lua_remove(L, -2);
    return 4;
}

const luaL_Reg luas__cluster_chunk_functions[] = {
    {"scalars", chunk_scalars}, {"feed", chunk_feed}, {"take", chunk_take}, {"cut", chunk_cut}, {"arguments", chunk_arguments},
    {"outcomes", chunk_outcomes}, {"collect", chunk_collect}, {"next", chunk_next}, {NULL, NULL},
};
