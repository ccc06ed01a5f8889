/* What the workers of a script's pool are given. */
#define _GNU_SOURCE
#include "fresh_pool.h"

#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>

#include "embed_launch.h"
#include "embed_program.h"
#include "embed_shared.h"
#include "error.h"
#include "fail.h"
#include "share.h"

struct luas__fresh_pool {
    luas__embed_kit kit;
    luas_shared shared;     /* only how others join it */
};

static const char script[] = "return require 'luas.fresh'.begin(...)";

int luas__fresh_pool_program(lua_State *L)
{
    luas__buffer path = LUAS__BUFFER_INIT, why = LUAS__BUFFER_INIT;
    int rc = luas__embed_program_find(luaL_optstring(L, 1, NULL), &path, &why);
    if (rc == 0)
        lua_pushstring(L, luas__buffer_bytes(&path));
    else
        lua_pushnil(L);
    if (LUAS__IS_ERRNO(rc) && why.len > 0)
        lua_pushfstring(L, "%s: %s", luas__buffer_bytes(&why), luas_strerror(rc));
    else
        lua_pushstring(L, why.len > 0 ? luas__buffer_bytes(&why) : luas_strerror(rc));
    luas__buffer_release(&path);
    luas__buffer_release(&why);
    return 2;
}

/* Appends the string in this field of the table, or another one; with the zero at its end. */
static int add(lua_State *L, luas__buffer *to, int table, const char *field, const char *standard)
{
    lua_getfield(L, table, field);
    const char *text = lua_isstring(L, -1) ? lua_tostring(L, -1) : standard;
    int rc = luas__buffer_append(to, text, strlen(text) + 1);
    lua_pop(L, 1);
    return rc;
}

/* As luas__embed_kit_words reads them. */
static int add_words(lua_State *L, luas__embed_kit *k, int options, int fresh)
{
    size_t len;
    int rc = luas__buffer_append(&k->words, "", 1); /* what `begin` runs is all that comes first */
    if (rc == 0)
        rc = add(L, &k->words, fresh, "exit", "");
    if (rc == 0)
        rc = add(L, &k->words, options, "name", "worker");
    lua_getfield(L, fresh, "words");
    const char *bytes = luaL_checklstring(L, -1, &len);
    if (rc == 0)
        rc = luas__buffer_append(&k->words, bytes, len);
    lua_pop(L, 1);
    return rc < 0 ? rc : add(L, &k->program, fresh, "program", "");
}

/* The memory is not entered here: that is for who uses it. */
static void share(lua_State *L, luas__fresh_pool *f)
{
    const luas__arena *arena = luas__share_find(L);
    if (arena == NULL || arena->fd < 0)
        return;
    f->shared.arena.fd = arena->fd;
    f->shared.arena.limit = arena->limit;
    f->kit.shared = &f->shared;
}

luas__fresh_pool *luas__fresh_pool_new(lua_State *L, int options, luas__pool_options *o)
{
    int fresh = lua_gettop(L) + 1;
    if (lua_getfield(L, options, "fresh") != LUA_TTABLE) {
        lua_pop(L, 1);
        return NULL;
    }
    luas__fresh_pool *f = calloc(1, sizeof *f);
    if (f == NULL || add_words(L, &f->kit, options, fresh) < 0) {
        luas__fresh_pool_free(f);
        luaL_error(L, "cannot open a pool: %s", luas_strerror(LUAS_ENOMEM));
        return NULL;
    }
    f->kit.script = (luas__script){.text = script, .len = sizeof script - 1, .name = "=luas"};
    f->kit.memory = o->memory;
    f->kit.is_weighed = o->memory > 0 || o->max_memory > 0;
    share(L, f);
    o->launch = luas__embed_launch;
    o->launcher = &f->kit;
    o->has_init = true;
    lua_settop(L, fresh - 1);
    return f;
}

void luas__fresh_pool_free(luas__fresh_pool *f)
{
    if (f != NULL)
        luas__embed_kit_release(&f->kit);
    free(f);
}
