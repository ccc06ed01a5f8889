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
#include "keeper.h"
#include "text.h"

#define FIELDS "luas.core.fields"

/* User values: the line; the table of names, or nil; the separator. */
enum { LINE = 1, NAMES, SEPARATOR };

typedef struct field {
    size_t from, len;
    bool quoted;        /* it has quotes that do not belong to it */
} field;

typedef struct fields {
    const char *line, *at, *end;    /* the line, and what was not looked at; at NULL: nothing is left */
    const char *sep;
    size_t nsep;                    /* 0: spaces */
    bool quotes;
    field *found;
    size_t count, cap;
} fields;

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

static int push_field(lua_State *L, const fields *f, lua_Integer i)
{
    if (i < 0)
        i += (lua_Integer)f->count + 1;
    if (i < 1 || i > (lua_Integer)f->count) {
        lua_pushnil(L);
        return 1;
    }
    const field *at = &f->found[i - 1];
    const char *from = f->line + at->from;
    if (at->quoted)
        push_quoted(L, from, from + at->len);
    else
        lua_pushlstring(L, from, at->len);
    return 1;
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

static int fields_index(lua_State *L)
{
    fields *f = lua_touserdata(L, 1);
    lua_Integer i = lua_isinteger(L, 2) ? lua_tointeger(L, 2)
        : lua_type(L, 2) == LUA_TSTRING ? number_of(L) : luaL_checkinteger(L, 2);
    field last;
    if (i < 0 && f->at != NULL && f->nsep <= 1 && !f->quotes) {
        if (find_from_end(f, -i, &last))
            lua_pushlstring(L, f->line + last.from, last.len);
        else
            lua_pushnil(L);
        return 1;
    }
    find(L, f, i < 0 ? SIZE_MAX : (size_t)i);
    return push_field(L, f, i);
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

/* An empty line has no fields. */
static int set_line(lua_State *L)
{
    fields *f = lua_touserdata(L, lua_upvalueindex(1));
    size_t len;
    f->line = f->at = luaL_checklstring(L, 1, &len);
    f->end = f->line + len;
    f->count = 0;
    lua_settop(L, 1);
    lua_setiuservalue(L, lua_upvalueindex(1), LINE);
    if (f->quotes && len > 0 && f->end[-1] == '\r')
        f->end--;
    while (f->nsep == 0 && f->at < f->end && is_space(*f->at))
        f->at++;
    if (f->at == f->end)
        f->at = NULL;
    return 0;
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
    lua_pushvalue(L, 2);
    lua_pushcclosure(L, set_line, 1);
    return 2;
}

const luaL_Reg luas__fields_functions[] = {{"fields", core_fields}, {NULL, NULL}};
