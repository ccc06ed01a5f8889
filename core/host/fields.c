/* Fields of lines. */
#define _GNU_SOURCE
#include "fields.h"

#include <endian.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "array.h"
#include "error.h"
#include "fail.h"
#include "fold.h"
#include "keeper.h"
#include "task.h"
#include "text.h"

#define FIELDS "luas.core.fields"

/* User values: the line; the table of names, or nil; the separator. */
enum { LINE = 1, NAMES, SEPARATOR };

typedef struct field {
    size_t from, len;
    bool quoted;        /* it has quotes that do not belong to it */
} field;

struct luas__fields {
    const char *line, *at, *end;    /* the line, and what was not looked at; at NULL: nothing is left */
    const char *sep;
    size_t nsep;                    /* 0: spaces */
    bool quotes;
    field *found;
    size_t count, cap;
};

typedef luas__fields fields;

static inline bool is_space(char c)
{
    static const bool spaces[256] = {[' '] = true, ['\t'] = true, ['\n'] = true};
    return spaces[(unsigned char)c];
}

/* The first byte of eight that is at most a space; 8: there is none. It is the lowest bit that
   counts: bytes above it may be wrong. */
static inline int first_low(const char *p)
{
    uint64_t word, ones = UINT64_MAX / 255;
    memcpy(&word, p, sizeof word);
    word = le64toh(word);
    uint64_t low = (word - ones * (' ' + 1)) & ~word & ones * 128;
    return low == 0 ? 8 : __builtin_ctzll(low) / 8;
}

static inline const char *word_end(const char *p, const char *end)
{
    while (end - p >= 8) {
        int n = first_low(p);
        p += n;
        if (n < 8 && is_space(*p))
            return p;
        p += n < 8; /* another character */
    }
    while (p < end && !is_space(*p))
        p++;
    return p;
}

/* Each of these gives the next field and moves on to what follows it. */
static inline field next_word(fields *f)
{
    const char *from = f->at, *p = word_end(from, f->end);
    f->at = p;
    while (f->at < f->end && is_space(*f->at))
        f->at++;
    if (f->at == f->end)
        f->at = NULL;
    return (field){.from = (size_t)(from - f->line), .len = (size_t)(p - from)};
}

static field up_to(fields *f, const char *from, const char *end, bool quoted)
{
    f->at = end != NULL ? end + f->nsep : NULL;
    return (field){.from = (size_t)(from - f->line), .len = (size_t)((end != NULL ? end : f->end) - from),
                   .quoted = quoted};
}

static field next_between(fields *f)
{
    const char *from = f->at;
    size_t left = (size_t)(f->end - from);
    return up_to(f, from, f->nsep == 1 ? memchr(from, f->sep[0], left)
                                       : memmem(from, left, f->sep, f->nsep), false);
}

static field next_quoted(fields *f)
{
    const char *from = f->at, *behind = luas__text_quoted_end(from, f->end);
    if (behind == NULL)
        return up_to(f, from, NULL, true);
    return up_to(f, from, memchr(behind, f->sep[0], (size_t)(f->end - behind)), true);
}

static field next_field(fields *f)
{
    if (f->nsep == 0)
        return next_word(f);
    return f->quotes && f->at < f->end && *f->at == '"' ? next_quoted(f) : next_between(f);
}

/* Looks for fields until there are `n`, or no more. */
static void find(lua_State *L, fields *f, size_t n)
{
    while (f->count < n && f->at != NULL) {
        if (f->count == f->cap && luas__array_reserve(&f->found, &f->cap, f->count + 1, sizeof *f->found) < 0)
            luas__fail(L, "not enough memory");
        f->found[f->count++] = next_field(f);
    }
}

/* What follows the closing quote belongs to the field, too. */
static void push_quoted(lua_State *L, const char *p, const char *end)
{
    luaL_Buffer b;
    luaL_buffinit(L, &b);
    const char *behind = luas__text_quoted_end(p, end);
    const char *close = behind != NULL ? behind - 1 : end;
    for (p++; p < close; p++) {
        luaL_addchar(&b, *p);
        p += *p == '"'; /* the second one */
    }
    if (behind != NULL)
        luaL_addlstring(&b, behind, (size_t)(end - behind));
    luaL_pushresult(&b);
}

/* ---- from the end ---- */

static bool is_between(const fields *f, char c)
{
    return f->nsep == 0 ? is_space(c) : c == f->sep[0];
}

/* The field that ends before *end, which moves to before the separator in front of it; NULL: there
   is none. Returns false when there is no field. */
static bool previous(const fields *f, const char **end, field *found)
{
    const char *last = *end, *p;
    while (f->nsep == 0 && last != NULL && last > f->line && is_space(last[-1]))
        last--;
    if (last == NULL || (f->nsep == 0 && last == f->line))
        return false;
    for (p = last; p > f->line && !is_between(f, p[-1]); p--)
        ;
    *found = (field){.from = (size_t)(p - f->line), .len = (size_t)(last - p)};
    *end = p > f->line ? p - 1 : NULL;
    return true;
}

/* A field near the end is found from there, if that is certain: a separator may overlap another
   one, or be in quotes. */
static bool find_from_end(const fields *f, lua_Integer back, field *found)
{
    const char *end = f->end > f->line ? f->end : NULL;
    bool there = true;
    while (there && back-- > 0)
        there = previous(f, &end, found);
    return there;
}

static lua_Integer number_of(lua_State *L)
{
    lua_getiuservalue(L, 1, NAMES);
    if (lua_isnil(L, -1))
        luas__fail(L, "fields have names only with --header");
    lua_pushvalue(L, 2);
    lua_rawget(L, -2);
    if (lua_isnil(L, -1))
        luas__fail(L, "there is no field '%s'", lua_tostring(L, 2));
    return lua_tointeger(L, -1);
}

/* Where the field of this number is; NULL: there is none. */
static const field *find_field(lua_State *L, fields *f, lua_Integer i, field *last)
{
    if (i < 0 && f->at != NULL && f->nsep <= 1 && !f->quotes)
        return find_from_end(f, -i, last) ? last : NULL;
    find(L, f, i < 0 ? SIZE_MAX : (size_t)i);
    if (i < 0)
        i += (lua_Integer)f->count + 1;
    return i >= 1 && i <= (lua_Integer)f->count ? &f->found[i - 1] : NULL;
}

static void push_found(lua_State *L, const fields *f, const field *at)
{
    if (at == NULL)
        lua_pushnil(L);
    else if (at->quoted)
        push_quoted(L, f->line + at->from, f->line + at->from + at->len);
    else
        lua_pushlstring(L, f->line + at->from, at->len);
}

static void push_field(lua_State *L, fields *f, lua_Integer i)
{
    field last;
    push_found(L, f, find_field(L, f, i, &last));
}

static int fields_index(lua_State *L)
{
    fields *f = lua_touserdata(L, 1);
    push_field(L, f, lua_isinteger(L, 2) ? lua_tointeger(L, 2)
        : lua_type(L, 2) == LUA_TSTRING ? number_of(L) : luaL_checkinteger(L, 2));
    return 1;
}

static int fields_length(lua_State *L)
{
    fields *f = lua_touserdata(L, 1);
    find(L, f, SIZE_MAX);
    lua_pushinteger(L, (lua_Integer)f->count);
    return 1;
}

static int fields_free(lua_State *L)
{
    fields *f = lua_touserdata(L, 1);
    free(f->found);
    f->found = NULL;
    f->count = f->cap = 0;
    f->at = NULL;
    return 0;
}

luas__fields *luas__fields_check(lua_State *L, int index)
{
    return luaL_checkudata(L, index, FIELDS);
}

/* An empty line has no fields. */
void luas__fields_set(fields *f, const char *line, size_t len)
{
    f->line = f->at = line;
    f->end = line + len;
    f->count = 0;
    if (f->quotes && len > 0 && f->end[-1] == '\r')
        f->end--;
    while (f->nsep == 0 && f->at < f->end && is_space(*f->at))
        f->at++;
    if (f->at == f->end)
        f->at = NULL;
}

/* ---- what F comes with: functions whose upvalue it is ---- */

static fields *own_fields(lua_State *L)
{
    return lua_touserdata(L, lua_upvalueindex(1));
}

static int set_line(lua_State *L)
{
    size_t len;
    const char *line = luaL_checklstring(L, 1, &len);
    luas__fields_set(own_fields(L), line, len);
    lua_settop(L, 1);
    lua_setiuservalue(L, lua_upvalueindex(1), LINE);
    return 0;
}

static int set_record(lua_State *L)
{
    const luas__chunk_run *s = luas__task_running();
    bool has = s != NULL && s->is_text && s->records.record != NULL;
    luas__fields_set(own_fields(L), has ? s->records.record : "", has ? s->records.len : 0);
    return 0;
}

/* Gives the fields whose numbers are at these places of the stack, or among the upvalues. */
static int give_columns(lua_State *L, int first, int step, int n)
{
    fields *f = own_fields(L);
    luaL_Buffer b;
    if (n == 1) {
        push_field(L, f, lua_tointeger(L, first));
        return !lua_isnil(L, -1);
    }
    luaL_buffinit(L, &b);
    for (int i = 0; i < n; i++) {
        if (i > 0)
            luaL_addchar(&b, '\t');
        push_field(L, f, lua_tointeger(L, first + i * step));
        if (lua_isnil(L, -1))
            lua_pop(L, 1);
        else
            luaL_addvalue(&b);
    }
    luaL_pushresult(&b);
    return 1;
}

static int columns(lua_State *L)
{
    return give_columns(L, 1, 1, lua_gettop(L));
}

/* Upvalues: F, how many there are, their numbers. */
static int record_columns(lua_State *L)
{
    set_record(L);
    return give_columns(L, lua_upvalueindex(3), -1, (int)lua_tointeger(L, lua_upvalueindex(2)));
}

/* More than a function's upvalues can hold give nothing. */
static int column_function(lua_State *L)
{
    int n = lua_gettop(L);
    if (n > 250)
        return 0;
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_insert(L, 1);
    lua_pushinteger(L, n);
    lua_insert(L, 2);
    lua_pushcclosure(L, record_columns, n + 2);
    return 1;
}

/* Longer text is no number that anybody writes. */
enum { LONGEST_NUMBER = 100 };

/* Pushes the number that the field is, or the field if it is none. */
static void push_number(lua_State *L, fields *f, lua_Integer i)
{
    field last;
    char text[LONGEST_NUMBER + 1];
    const field *at = find_field(L, f, i, &last);
    if (at != NULL && !at->quoted && at->len <= LONGEST_NUMBER) {
        memcpy(text, f->line + at->from, at->len);
        text[at->len] = '\0';
        if (lua_stringtonumber(L, text) == at->len + 1)
            return;
        lua_settop(L, 2);
    }
    push_found(L, f, at);
}

static int add_field(lua_State *L)
{
    lua_Integer i = lua_tointeger(L, 3);
    lua_settop(L, 2);
    push_number(L, own_fields(L), i);
    return luas__fold_add(L);
}

static void push_class(lua_State *L)
{
    static const luaL_Reg meta[] = {
        {"__index", fields_index}, {"__len", fields_length}, {"__gc", fields_free}, {NULL, NULL},
    };
    if (luaL_newmetatable(L, FIELDS))
        luaL_setfuncs(L, meta, 0);
}

static int core_fields(lua_State *L)
{
    lua_settop(L, 1);
    fields *f = lua_newuserdatauv(L, sizeof *f, 3);
    *f = (fields){.sep = NULL};
    push_class(L);
    lua_setmetatable(L, 2);
    lua_getfield(L, 1, "names");
    lua_setiuservalue(L, 2, NAMES);
    lua_getfield(L, 1, "quotes");
    f->quotes = lua_toboolean(L, -1);
    lua_getfield(L, 1, "sep");
    f->sep = luaL_optlstring(L, -1, "", &f->nsep);
    lua_setiuservalue(L, 2, SEPARATOR);
    lua_settop(L, 2);
    static const lua_CFunction functions[] = {set_line, set_record, columns, add_field, column_function};
    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
        lua_pushvalue(L, 2);
        lua_pushcclosure(L, functions[i], 1);
    }
    return 6;
}

const luaL_Reg luas__fields_functions[] = {{"fields", core_fields}, {NULL, NULL}};
