/* Results as text. */
#define _GNU_SOURCE
#include "printer.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "array.h"
#include "error.h"
#include "fail.h"
#include "fields.h"
#include "fold.h"
#include "job_handle.h"
#include "job_outcomes.h"
#include "msgpack.h"
#include "outcome_push.h"
#include "task.h"
#include "text.h"
#include "text_handle.h"
#include "tree_handle.h"

#define PRINTER "luas.core.printer"

/* Outcomes that came before their turn: their frames, or nothing. */
typedef struct early {
    uint64_t first, count;
    char *bytes;
    size_t len;
} early;

typedef struct printer {
    const char *behind;     /* a user value has it */
    size_t nbehind;
    bool ordered;
    uint64_t next;          /* the index of the task whose turn it is */
    early *kept;            /* by their index, the last one first */
    size_t count, cap;
    int failed;             /* errno of the write that failed, or 0 */
    size_t waiting;         /* bytes in `text`: a call of stdio for each line would cost more */
    char text[1 << 14];
} printer;

static void write_out(printer *p, const char *bytes, size_t len)
{
    if (len > 0 && fwrite(bytes, 1, len, stdout) < len && p->failed == 0)
        p->failed = errno;
}

static void write_waiting(printer *p)
{
    write_out(p, p->text, p->waiting);
    p->waiting = 0;
}

static void put(printer *p, const char *bytes, size_t len)
{
    if (len > sizeof p->text - p->waiting)
        write_waiting(p);
    if (len > sizeof p->text) {
        write_out(p, bytes, len);
        return;
    }
    memcpy(p->text + p->waiting, bytes, len);
    p->waiting += len;
}

/* Writes one result: a list of one string. Others have nothing to write. */
static void put_value(printer *p, const char *value, size_t len)
{
    luas__mp_reader r = {(const unsigned char *)value, (const unsigned char *)value + len};
    luas__mp_token t;
    if (len < 2 || luas__mp_read(&r, &t) != 1 || t.type != MP_ARRAY || t.len != 1
        || luas__mp_read(&r, &t) != 1 || (t.type != MP_STR && t.type != MP_BIN))
        return;
    put(p, t.bytes, t.len);
    put(p, p->behind, p->nbehind);
}

static void put_frames(printer *p, const char *frames, uint64_t count, uint32_t stamp)
{
    for (uint64_t i = 0; i < count; i++) {
        uint32_t len;
        const char *value = luas__frame_next_value(&frames, &len);
        put_value(p, value, len - stamp);
    }
}

/* ---- in order ---- */

static int keep(printer *p, early e, const char *bytes)
{
    int rc = luas__array_reserve(&p->kept, &p->cap, p->count + 1, sizeof *p->kept);
    e.bytes = rc == 0 && e.len > 0 ? malloc(e.len) : NULL;
    if (rc < 0 || (e.len > 0 && e.bytes == NULL))
        return LUAS_ENOMEM;
    if (e.len > 0)
        memcpy(e.bytes, bytes, e.len);
    size_t at = p->count++;
    for (; at > 0 && p->kept[at - 1].first < e.first; at--)
        p->kept[at] = p->kept[at - 1];
    p->kept[at] = e;
    return 0;
}

static void put_kept(printer *p, uint32_t stamp)
{
    while (p->count > 0 && p->kept[p->count - 1].first == p->next) {
        early *e = &p->kept[--p->count];
        put_frames(p, e->bytes, e->len > 0 ? e->count : 0, stamp);
        p->next += e->count;
        free(e->bytes);
    }
}

/* A value that came alone becomes a frame, with room for the stamp that others have. */
static int keep_value(printer *p, const luas__outcome *o, const char *payload, uint32_t stamp)
{
    luas__buffer b = LUAS__BUFFER_INIT;
    size_t mark;
    int rc = luas__frame_begin_outcome(&b, LUAS__MSG_VALUE, 0, &mark);
    if (rc == 0)
        rc = luas__buffer_append(&b, payload, o->len);
    if (rc == 0 && stamp > 0)
        rc = luas__buffer_append(&b, (char[LUAS__STAMP]){0}, stamp);
    if (rc == 0)
        rc = luas__frame_end(&b, mark);
    if (rc == 0)
        rc = keep(p, (early){.first = o->index, .count = 1, .len = b.len}, luas__buffer_bytes(&b));
    luas__buffer_release(&b);
    return rc;
}

static int take_early(printer *p, const luas__outcome *o, const char *payload, uint32_t stamp)
{
    if (o->kind == LUAS__KIND_VALUE && !o->framed)
        return keep_value(p, o, payload, stamp);
    size_t len = o->kind == LUAS__KIND_VALUE ? o->len : 0;
    return keep(p, (early){.first = o->index, .count = o->count, .len = len}, payload);
}

static int take(printer *p, const luas__outcome *o, const char *payload, uint32_t stamp)
{
    if (p->ordered && o->index != p->next)
        return take_early(p, o, payload, stamp);
    if (o->kind == LUAS__KIND_VALUE && o->framed)
        put_frames(p, payload, o->count, stamp);
    else if (o->kind == LUAS__KIND_VALUE)
        put_value(p, payload, o->len);
    p->next += o->count;
    put_kept(p, stamp);
    return 0;
}

/* ---- for Lua ---- */

static int job_print(lua_State *L)
{
    luas__job_handle *h = luas__job_handle_check(L);
    printer *p = luaL_checkudata(L, 2, PRINTER);
    int space = luas__job_handle_space(L);
    uint64_t before = p->next;
    const luas__outcome *o = NULL;
    const char *payload;
    while (luas__pool_take(h->pool->pool, h->job) && (o = luas__job_outcomes_next_run(h->job, &payload)) != NULL) {
        luas__job_handle_try(L, h, take(p, o, payload, h->job->seen.stamp));
        if (o->kind != LUAS__KIND_VALUE)
            break;
    }
    lua_pushinteger(L, (lua_Integer)(p->next - before));
    if (o == NULL || o->kind == LUAS__KIND_VALUE)
        return 1;
    luas__outcome_push(L, o, payload, space, false);
    return 2;
}

static int core_printer(lua_State *L)
{
    lua_settop(L, 2);
    printer *p = lua_newuserdatauv(L, sizeof *p, 1);
    p->count = p->cap = 0;
    p->kept = NULL;
    p->failed = 0;
    p->waiting = 0;
    p->next = 1;
    p->ordered = lua_toboolean(L, 2);
    luaL_getmetatable(L, PRINTER);
    lua_setmetatable(L, -2);
    p->behind = luaL_checklstring(L, 1, &p->nbehind);
    lua_pushvalue(L, 1);
    lua_setiuservalue(L, -2, 1);
    return 1;
}

static int printer_flush(lua_State *L)
{
    printer *p = luaL_checkudata(L, 1, PRINTER);
    write_waiting(p);
    if (fflush(stdout) != 0 && p->failed == 0)
        p->failed = errno;
    return luaL_fileresult(L, p->failed == 0, NULL);
}

static int printer_free(lua_State *L)
{
    printer *p = lua_touserdata(L, 1);
    while (p->count > 0)
        free(p->kept[--p->count].bytes);
    free(p->kept);
    p->kept = NULL;
    return 0;
}

/* Lua writes an integer by snprintf, which takes as long as all else that a line needs. */
static void push_integer(lua_State *L, lua_Integer value)
{
    char text[24], *end = text + sizeof text, *p = end;
    lua_Unsigned rest = value < 0 ? 0 - (lua_Unsigned)value : (lua_Unsigned)value;
    do {
        *--p = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest > 0);
    if (value < 0)
        *--p = '-';
    lua_pushlstring(L, p, (size_t)(end - p));
}

static int core_text_of(lua_State *L)
{
    int n = lua_gettop(L);
    luaL_Buffer b;
    if (n <= 2) {
        if (n < 2 || !lua_toboolean(L, 2))
            return 0;
        if (lua_isboolean(L, 2) && lua_isnil(L, 1))
            return luas__task_push_input(L) ? 1 : 0; /* the function was not given it */
        if (lua_isboolean(L, 2))
            lua_settop(L, 1);
        else if (lua_isinteger(L, 2))
            push_integer(L, lua_tointeger(L, 2));
        else if (lua_type(L, 2) != LUA_TSTRING)
            luaL_tolstring(L, 2, NULL);
        return 1;
    }
    luaL_buffinit(L, &b);
    for (int i = 2; i <= n; i++) {
        if (i > 2)
            luaL_addchar(&b, '\t');
        if (lua_isnil(L, i))
            continue;
        luaL_tolstring(L, i, NULL);
        luaL_addvalue(&b);
    }
    luaL_pushresult(&b);
    return 1;
}

/* The records of a block, and what is called for each. Its arguments are those of the function
   below. */
enum { EACH_TEXT = 1, EACH_FUNCTION = 5, EACH_SKIPPED, EACH_FIELDS };

static void call_for(lua_State *L, luas__fields *f, const char *record, size_t len, lua_Integer number)
{
    lua_pushvalue(L, EACH_FUNCTION);
    if (f != NULL) {
        luas__fields_set(f, record, len);
        lua_pushnil(L);
    } else {
        lua_pushlstring(L, record, len);
    }
    lua_pushinteger(L, number);
    lua_call(L, 2, 0);
}

int luas__printer_each_record(lua_State *L)
{
    size_t len, nsep;
    luas__text t = {.whole = false};
    const char *at = luaL_checklstring(L, EACH_TEXT, &len), *end = at + len;
    const char *sep = luaL_checklstring(L, 2, &nsep);
    t.nsep = (unsigned char)nsep;
    memcpy(t.sep, sep, t.nsep);
    t.delimiter = *luaL_optstring(L, 3, "");
    lua_Integer number = luaL_checkinteger(L, 4), from = number + luaL_optinteger(L, EACH_SKIPPED, 0);
    lua_settop(L, EACH_FIELDS);
    luas__fields *f = lua_isnil(L, EACH_FIELDS) ? NULL : luas__fields_check(L, EACH_FIELDS);
    for (; at < end; number++) {
        const char *found = luas__text_find(&t, at, end);
        if (number >= from)
            call_for(L, f, at, (size_t)((found != NULL ? found : end) - at), number);
        at = found != NULL ? found + t.nsep : end;
    }
    return 0;
}

static int core_record(lua_State *L)
{
    const luas__chunk_run *s = luas__task_running();
    if (s == NULL)
        return 0;
    if (s->is_text) {
        lua_pushinteger(L, (lua_Integer)s->records.number);
        lua_pushlstring(L, s->records.text.name, s->records.name_len);
    } else {
        lua_pushinteger(L, s->index);
        lua_pushnil(L);
    }
    lua_pushinteger(L, s->index);
    return 3;
}

static void make_class(lua_State *L)
{
    static const luaL_Reg meta[] = {{"__gc", printer_free}, {NULL, NULL}};
    static const luaL_Reg methods[] = {{"flush", printer_flush}, {NULL, NULL}};
    if (luaL_newmetatable(L, PRINTER)) {
        luaL_setfuncs(L, meta, 0);
        luaL_newlib(L, methods);
        lua_setfield(L, -2, "__index");
    }
    lua_pop(L, 1);
}

/* Why a file cannot be read; nothing if it can be. It is not opened: it may be a pipe. */
static int core_unreadable(lua_State *L)
{
    struct stat file;
    const char *name = luaL_checkstring(L, 1);
    if (access(name, R_OK) < 0)
        lua_pushstring(L, strerror(errno));
    else if (stat(name, &file) == 0 && S_ISDIR(file.st_mode))
        lua_pushstring(L, strerror(EISDIR));
    else
        return 0;
    return 1;
}

static const luaL_Reg functions[] = {
    {"unreadable", core_unreadable},
    {"printer", core_printer}, {"text_of", core_text_of}, {"each_record", luas__printer_each_record},
    {"record", core_record}, {"print", job_print}, {NULL, NULL},
};

int luas__printer_tools(lua_State *L)
{
    make_class(L);
    luaL_newlib(L, functions);
    luaL_setfuncs(L, luas__fold_functions, 0);
    luaL_setfuncs(L, luas__fields_functions, 0);
    luaL_setfuncs(L, luas__text_handle_functions, 0);
    luaL_setfuncs(L, luas__tree_handle_functions, 0);
    return 1;
}
