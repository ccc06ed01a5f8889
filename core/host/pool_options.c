/* One table of options: their names in Lua, and where they are in the two structs. */
#define _GNU_SOURCE
#include "pool_options.h"

#include <lauxlib.h>
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "clock.h"

typedef enum kind {
    WHOLE,      /* int */
    COUNT,      /* uint64_t */
    BYTES,      /* uint64_t; size_t in the engine */
    SECONDS,    /* double; in the engine int64_t, ns */
    WORD,       /* a number of an enum; one of `words` in Lua */
    TEXT        /* a string; the engine's copy may be shorter */
} kind;

typedef struct option {
    const char *name;
    kind kind;
    size_t to, from;                /* where it is in luas__pool_options and in luas_options */
    const char *const *words;
} option;

static const char *const outputs[] = {"inherit", "tag", "capture", NULL};

#define OPTION(name, kind) #name, kind, offsetof(luas__pool_options, name), offsetof(luas_options, name)

static const option options[] = {
    {OPTION(workers, WHOLE), NULL},
    {OPTION(idle, SECONDS), NULL},
    {OPTION(init_timeout, SECONDS), NULL},
    {OPTION(exit_timeout, SECONDS), NULL},
    {OPTION(max_tasks, COUNT), NULL},
    {OPTION(memory, BYTES), NULL},
    {OPTION(max_memory, BYTES), NULL},
    {OPTION(output, WORD), outputs},
    {"name", TEXT, offsetof(luas__pool_options, label), offsetof(luas_options, name), NULL},
};

/* In less a worker could not even start. */
enum { OPTIONS = sizeof options / sizeof *options, LEAST_MEMORY = 1 << 20 };

/* A value on its way. */
typedef union value {
    int whole;
    uint64_t count;
    double seconds;
    const char *text;
} value;

/* No time at all, and any that never ends, is none. */
static int64_t in_ns(double seconds)
{
    return seconds > 0 && !isinf(seconds) ? luas__seconds(seconds) : 0;
}

static void set(luas__pool_options *o, const option *of, const value *v)
{
    char *at = (char *)o + of->to;
    int64_t ns = of->kind == SECONDS ? in_ns(v->seconds) : 0;
    size_t bytes = of->kind == BYTES ? (size_t)v->count : 0;
    switch (of->kind) {
    case WHOLE: memcpy(at, &v->whole, sizeof v->whole); break;
    case COUNT: memcpy(at, &v->count, sizeof v->count); break;
    case BYTES: memcpy(at, &bytes, sizeof bytes); break;
    case SECONDS: memcpy(at, &ns, sizeof ns); break;
    case WORD: *(luas__output_mode *)(void *)at = (luas__output_mode)v->whole; break;
    case TEXT: snprintf(at, sizeof o->label, "%s", v->text); break;
    }
}

/* ---- from a script ---- */

/* The value is at the top. */
static value read_value(lua_State *L, const option *of)
{
    switch (of->kind) {
    case WHOLE: return (value){.whole = (int)luaL_checkinteger(L, -1)};
    case COUNT: case BYTES: return (value){.count = (uint64_t)luaL_checkinteger(L, -1)};
    case SECONDS: return (value){.seconds = luaL_checknumber(L, -1)};
    case WORD: return (value){.whole = luaL_checkoption(L, -1, NULL, of->words)};
    case TEXT: break;
    }
    return (value){.text = luaL_checkstring(L, -1)};
}

void luas__pool_options_read(lua_State *L, int table, luas__pool_options *o)
{
    for (int i = 0; i < OPTIONS; i++) {
        if (lua_getfield(L, table, options[i].name) != LUA_TNIL) {
            value v = read_value(L, &options[i]);
            set(o, &options[i], &v);
        }
        lua_pop(L, 1);
    }
}

/* ---- from an application ---- */

static value take_value(const luas_options *from, const option *of)
{
    const char *at = (const char *)from + of->from;
    value v = {.count = 0};
    switch (of->kind) {
    case WHOLE: case WORD: memcpy(&v.whole, at, sizeof v.whole); break;
    case COUNT: case BYTES: memcpy(&v.count, at, sizeof v.count); break;
    case SECONDS: memcpy(&v.seconds, at, sizeof v.seconds); break;
    case TEXT: memcpy(&v.text, at, sizeof v.text); break;
    }
    return v;
}

static bool is_valid(const option *of, const value *v)
{
    switch (of->kind) {
    case WHOLE: return v->whole >= 0 && v->whole <= LUAS__MOST_WORKERS;
    case WORD: return v->whole >= 0 && v->whole <= LUAS_OUTPUT_LINES;
    case BYTES: return v->count == 0 || (v->count >= LEAST_MEMORY && v->count <= SIZE_MAX);
    case SECONDS: return !isnan(v->seconds);
    case COUNT: case TEXT: break;
    }
    return true;
}

/* What is not given has 0, and so has an option that asks for nothing. */
static bool is_given(const option *of, const value *v)
{
    return of->kind == TEXT ? v->text != NULL : of->kind == SECONDS ? v->seconds != 0 : v->count != 0;
}

int luas__pool_options_take(const luas_options *from, luas__pool_options *o)
{
    for (int i = 0; i < OPTIONS; i++) {
        value v = take_value(from, &options[i]);
        if (!is_valid(&options[i], &v))
            return LUAS_EINVAL;
        if (is_given(&options[i], &v))
            set(o, &options[i], &v);
    }
    if (from->output == LUAS_OUTPUT_LINES)
        o->output = LUAS__OUTPUT_TAG;
    return 0;
}
