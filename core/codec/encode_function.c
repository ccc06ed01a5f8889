/* Functions with their upvalues, and the globals that they name. */
#include <lauxlib.h>

#include "bytecode.h"
#include "encoder.h"
#include "names.h"
#include "value_format.h"

enum { BIN_HEAD = 5 };

static int write_dump(lua_State *L, const void *bytes, size_t len, void *context)
{
    luas__encoder *e = context;
    (void)L;
    if (e->out->len + len > e->most)
        return LUAS_ETOOBIG;
    return luas__buffer_append(e->out, bytes, len);
}

/* Writes the bytecode of the function at the top, after the head of a bin, whose length is
   filled in afterwards. */
static int put_dump(luas__encoder *e)
{
    static const char head[BIN_HEAD] = {(char)0xc6};
    size_t at = e->out->len + BIN_HEAD;
    int rc = luas__buffer_append(e->out, head, BIN_HEAD);
    if (rc == 0)
        rc = lua_dump(e->L, write_dump, e, 0);
    if (rc == 0) {
        unsigned char *p = (unsigned char *)luas__buffer_bytes(e->out) + at;
        luas__mp_put_bytes(p - BIN_HEAD + 1, e->out->len - at, BIN_HEAD - 1);
    }
    return rc;
}

/* What may be a function's globals: an upvalue, which is at the top of the stack. */
typedef struct environment {
    luas__encoder *e;
    int sandbox;        /* its index, if it stands before the globals; else 0 */
} environment;

/* A global that the host does not have is the worker's own. A fork of the host may lack it, so then
   time does not decide. The name is at the top. */
static void look_for_own(luas__encoder *e)
{
    luas__encode_define_push_global(e);
    if (lua_isnil(e->L, -1)) {
        e->budget = 0;
        e->pause = e->most;
    }
    lua_pop(e->L, 1);
}

/* A name that the sandbox itself has is no global. */
static int want(void *context, const char *name, size_t len, int is_written)
{
    (void)is_written;
    const environment *env = context;
    if (env->sandbox != 0 && luas__encode_sandbox_has(env->e, env->sandbox, name, len))
        return 0;
    lua_pushlstring(env->e->L, name, len);
    if (env->e->budget > 0)
        look_for_own(env->e);
    luas__space_want(env->e->L, SLOT_SPACE);
    return 0;
}

/* Adds the globals that the function uses by way of its upvalue i, at the top, to those wanted. */
static int want_through(luas__encoder *e, int i, size_t dump)
{
    luas__upvalues set = {{0, 0, 0, 0}};
    environment env = {.e = e};
    if (!lua_istable(e->L, -1))
        return 0;
    if (!luas__encode_sandbox_ends(e)) {
        if (!luas__encode_sandbox_is(e, lua_gettop(e->L)))
            return 0;
        env.sandbox = lua_gettop(e->L);
    }
    luas__bytecode_set_upvalue(&set, (unsigned)i - 1);
    int rc = luas__bytecode_names(luas__buffer_bytes(e->out) + dump, e->out->len - dump, &set, want, &env);
    e->dynamic |= rc == 1;
    return rc < 0 ? rc : 0;
}

/* Adds the globals that the function at the top uses to those wanted. Its dump begins at
   `dump`. */
static int want_globals(luas__encoder *e, size_t dump)
{
    int rc = 0;
    if (e->space == NULL || e->defines == NULL)
        return 0;
    for (int i = 1; rc == 0 && lua_getupvalue(e->L, -1, i) != NULL; i++) {
        rc = want_through(e, i, dump);
        lua_pop(e->L, 1);
    }
    return rc;
}

int luas__encode_function_open(luas__encoder *e)
{
    int rc = luas__container_open(e, CONTAINER_FUNCTION, lua_gettop(e->L));
    if (rc < 0)
        return rc;
    rc = luas__container_ext_open(e, WIRE_FUNCTION, &luas__encoder_top(e)->head);
    size_t dump = e->out->len + BIN_HEAD;
    if (rc == 0)
        rc = put_dump(e);
    return rc < 0 ? rc : want_globals(e, dump);
}

/* Is the upvalue a class? Then it should be the same class at the other end, like a metatable. */
static int is_class_upvalue(luas__encoder *e)
{
    lua_State *L = e->L;
    return e->space != NULL && !e->defining && lua_istable(L, -1)
        && lua_topointer(L, -1) != e->landmarks->globals && !luas__space_is_environment(L, -1)
        && luas__names_is_class(L, -1);
}

/* The number for a WIRE_UPVALUE, if a function that was defined earlier has this upvalue, too;
   else -1. Nothing keeps an upvalue alive: so its address counts only if that function still
   has it. */
static int64_t known_upvalue(luas__encoder *e, void *id)
{
    lua_State *L = e->L;
    int64_t place = -1;
    if (e->space != NULL
        && (e->defining || (e->unchanged && lua_topointer(L, -1) != e->landmarks->globals)))
        place = luas__ptrmap_find(&e->space->cells, id);
    if (place < 0)
        return place;
    int top = lua_gettop(L), index = (int)(place & ((1 << LUAS__PLACE_BITS) - 1));
    lua_rawgeti(L, SLOT_OBJECTS, (place >> LUAS__PLACE_BITS) + 1);
    int same = lua_isfunction(L, -1) && lua_getupvalue(L, -1, index) != NULL
        && lua_upvalueid(L, top + 1, index) == id;
    lua_settop(L, top);
    return same ? place : -1;
}

/* The cells of a define message have numbers of their own. */
static lua_Integer anchor_of_cell(const luas__encoder *e, uint32_t cell)
{
    return -1 - (lua_Integer)cell - (e->defining ? (lua_Integer)1 << 32 : 0);
}

/* Does the function that had the cell of this number still have it? If not, the cell was freed,
   and another one has its address. */
static int still_has_cell(const luas__encoder *e, uint32_t cell, const void *id)
{
    lua_State *L = e->L;
    int top = lua_gettop(L), same = 0;
    lua_rawgeti(L, SLOT_ANCHORS, anchor_of_cell(e, cell));
    for (int i = 1; !same && lua_getupvalue(L, top + 1, i) != NULL; i++)
        same = lua_upvalueid(L, top + 1, i) == id;
    lua_settop(L, top);
    return same;
}

/* Adds an upvalue that is new in this message: later functions may share it. */
static int add_cell(luas__encoder *e, const luas__container *f, void *id)
{
    uint32_t cell = e->cells++;
    int rc = luas__ptrmap_add(e->seen, id, &cell);
    if (rc >= 0 && e->anchors) {
        lua_pushvalue(e->L, f->base);
        lua_rawseti(e->L, SLOT_ANCHORS, anchor_of_cell(e, cell));
    }
    if (rc < 0 || !e->defining)
        return rc;
    int64_t number = luas__ptrmap_find(&e->space->numbers, lua_topointer(e->L, f->base));
    uint32_t place = (uint32_t)number << LUAS__PLACE_BITS | f->count;
    return number >> (32 - LUAS__PLACE_BITS) ? 0 : luas__ptrmap_add(&e->space->cells, id, &place);
}

/* If another function has the upvalue at the top, writes it as shared, pops it, and returns 1. */
static int share_upvalue(luas__encoder *e, void *id)
{
    if (e->kept) {
        lua_pushlightuserdata(e->L, id);
        int rc = luas__encode_kept_put(e);
        lua_pop(e->L, 1);
        if (rc != 0)
            return rc;
    }
    int64_t cell = luas__ptrmap_find(e->seen, id), place = cell < 0 ? known_upvalue(e, id) : -1;
    if (cell < 0 && place < 0)
        return 0;
    if (cell >= 0 && e->anchors && !still_has_cell(e, (uint32_t)cell, id))
        return luas__encode_path_unsent(e, "a function changed while it was encoded");
    lua_pop(e->L, 1);
    e->shared |= cell >= 0;
    int rc = cell >= 0 ? luas__container_put_number(e, WIRE_CELL, (uint32_t)cell)
                       : luas__container_put_number(e, WIRE_UPVALUE, (uint32_t)place);
    return rc < 0 ? rc : 1;
}

int luas__encode_function_step(luas__encoder *e, luas__container *f)
{
    lua_State *L = e->L;
    int i = (int)++f->count;
    if (lua_getupvalue(L, f->base, i) == NULL) {
        luas__container_ext_close(e, f->head);
        luas__container_close(e);
        return 0;
    }
    void *id = lua_upvalueid(L, f->base, i);
    int rc = share_upvalue(e, id);
    if (rc == 0)
        rc = add_cell(e, f, id);
    else
        return rc < 0 ? rc : 0;
    if (rc < 0)
        return rc;
    return is_class_upvalue(e) ? ENCODE_CLASS : ENCODE_ITEM;
}
