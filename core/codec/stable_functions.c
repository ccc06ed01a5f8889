/* Functions: their bytecode, their upvalues, the globals that they name. */
#include "stable_walk.h"

#include <lauxlib.h>
#include <string.h>

#include "bytecode.h"
#include "luas.h"

static int add_dump(lua_State *L, const void *bytes, size_t len, void *context)
{
    (void)L;
    return luas__buffer_append(context, bytes, len);
}

typedef struct user {
    lua_State *L;
    luas__stable_walk *w;
    bool requires;          /* it may load modules: its constants are looked at */
} user;

/* A global that a function names is a part; it is told from others by its place. */
static int want(void *context, const char *name, size_t len, int is_written)
{
    user *u = context;
    lua_State *L = u->L;
    (void)is_written;
    lua_pushlstring(L, name, len);
    u->requires |= strcmp(lua_tostring(L, -1), "require") == 0;
    lua_pushvalue(L, -1);
    bool is_new = lua_rawget(L, LUAS__STABLE_WANTED) == LUA_TNIL
        && !luas__stable_walk_is_ignored(L, lua_tostring(L, -2));
    lua_pop(L, 1);
    if (!is_new) {
        lua_pop(L, 1);
        return 0;
    }
    lua_pushvalue(L, -1);
    lua_pushboolean(L, 1);
    lua_rawset(L, LUAS__STABLE_WANTED);
    lua_pushfstring(L, "global '%s'", lua_tostring(L, -1));
    lua_insert(L, -2);
    luas__stable_walk_add_part(L, u->w, lua_tostring(L, -2), "");
    lua_pop(L, 1);
    return 0;
}

static int skip_constant(void *context, const char *name, size_t len, int is_written)
{
    user *u = context;
    (void)is_written;
    if (u->requires && len < LUAL_BUFFERSIZE)
        (void)luas__stable_walk_is_file(u->L, name, len);
    return 0;
}

static bool is_environment(lua_State *L, const luas__stable_walk *w, const char *name)
{
    return lua_topointer(L, -1) == w->globals || (lua_istable(L, -1) && strcmp(name, "_ENV") == 0);
}

/* Pops the upvalue i of the function at `f`, which becomes a part if it is new. */
static void put_upvalue(lua_State *L, luas__stable_walk *w, int f, int i, const char *name)
{
    uint32_t number = w->cells.count;
    if (lua_topointer(L, -1) == w->globals || luas__stable_walk_is_ignored(L, name)) {
        luas__stable_walk_bytes(L, w, "I", 1);
        lua_pop(L, 1);
        return;
    }
    int rc = luas__ptrmap_add(&w->cells, lua_upvalueid(L, f, i), &number);
    luas__stable_walk_must(L, rc);
    luas__stable_walk_number(L, w, rc > 0 ? 'U' : 'C', number);
    if (rc == 0) {
        lua_pop(L, 1);
        return;
    }
    lua_rawgeti(L, LUAS__STABLE_QUEUE, 3 * w->done - 1);
    lua_pushfstring(L, "upvalue '%s' of %s", name, lua_tostring(L, -1));
    lua_rawgeti(L, LUAS__STABLE_QUEUE, 3 * w->done);
    lua_pushvalue(L, -4);
    luas__stable_walk_add_part(L, w, lua_tostring(L, -3), lua_tostring(L, -2));
    lua_pop(L, 4);
}

static void put_upvalues(lua_State *L, luas__stable_walk *w, int f, luas__upvalues *env)
{
    const char *name;
    for (int i = 1; (name = lua_getupvalue(L, f, i)) != NULL; i++) {
        if (is_environment(L, w, name))
            luas__bytecode_set_upvalue(env, (unsigned)i - 1);
        put_upvalue(L, w, f, i, name);
    }
}

void luas__stable_functions_put(lua_State *L, luas__stable_walk *w)
{
    luas__upvalues env = {{0, 0, 0, 0}};
    user u = {.L = L, .w = w};
    luas__buffer_truncate(&w->dump, 0);
    luas__stable_walk_must(L, lua_dump(L, add_dump, &w->dump, 1) != 0 ? LUAS_ENOMEM : 0);
    put_upvalues(L, w, lua_gettop(L), &env);
    luas__stable_walk_must(L, luas__bytecode_names(luas__buffer_bytes(&w->dump), w->dump.len, &env, want, &u));
    luas__stable_walk_must(L, luas__bytecode_bare(luas__buffer_bytes(&w->dump), w->dump.len, w->out, skip_constant,
                                                  &u));
    lua_pop(L, 1);
}
