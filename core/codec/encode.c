/* Enters the encoder: scalars and small tables of scalars are written at once, everything else
   in a protected call. */
#include <assert.h>
#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>

#include "codec.h"
#include "describe.h"
#include "encoder.h"
#include "gc_hold.h"
#include "keeper.h"
#include "names_scan.h"
#include "stop.h"
#include "value_format.h"

enum { SHARED_HEAD = 6, KEPT_FRAMES = 4096, ALONE = 1 << 16 };

static const char scratch_key, scratch_type_key;

static void release_scratch(luas__scratch *s)
{
    free(s->frames);
    luas__ptrmap_release(&s->seen[0]);
    luas__ptrmap_release(&s->seen[1]);
    luas__buffer_release(&s->text);
}

/* From now on nobody takes this scratch: finalizers that run later make another one. */
static int collect_scratch(lua_State *L)
{
    luas__scratch *s = lua_touserdata(L, 1);
    release_scratch(s);
    s->frames = NULL;
    s->depth = s->capacity = 0;
    s->busy = 1;
    return 0;
}

static void push_scratch_metatable(lua_State *L)
{
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, &scratch_type_key) == LUA_TTABLE)
        return;
    lua_pop(L, 1);
    lua_createtable(L, 0, 1);
    lua_pushcfunction(L, collect_scratch);
    lua_setfield(L, -2, "__gc");
    lua_pushvalue(L, -1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &scratch_type_key);
}

/* Pushes a new scratch, and keeps it for later. An older one that is in use stays with its
   user. */
static luas__scratch *push_scratch(lua_State *L)
{
    luas__scratch *s = lua_newuserdatauv(L, sizeof *s, 0);
    memset(s, 0, sizeof *s);
    push_scratch_metatable(L);
    lua_setmetatable(L, -2);
    luas__keeper_must_add(L);
    lua_pushvalue(L, -1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &scratch_key);
    return s;
}

static void enter_scratch(luas__encoder *e, luas__scratch *s)
{
    e->scratch = s;
    e->anchors |= s->packed;
    e->seen = &s->seen[e->defining];
    s->busy = 1;
    s->depth = 0;
    luas__ptrmap_clear(e->seen);
}

/* Pushes the scratch that is kept, or nil if there is none or it is in use. */
static void take_scratch(luas__encoder *e, lua_State *L)
{
    lua_rawgetp(L, LUA_REGISTRYINDEX, &scratch_key);
    luas__scratch *s = lua_touserdata(L, -1);
    if (s != NULL && !s->busy) {
        enter_scratch(e, s);
    } else {
        lua_pop(L, 1);
        lua_pushnil(L);
    }
}

static void leave_scratch(const luas__encoder *e)
{
    luas__scratch *s = e->scratch;
    if (s->capacity > KEPT_FRAMES) {
        free(s->frames);
        s->frames = NULL;
        s->capacity = 0;
    }
    s->depth = 0;
    s->packed = e->packs;
    s->busy = 0;
}

static void enter_space(luas__encoder *e)
{
    lua_State *L = e->L;
    if (lua_isnil(L, SLOT_SPACE))
        return;
    luas__space *space = luas__space_at(L, SLOT_SPACE);
    assert(space != NULL);
    if (space->released)
        luaL_error(L, "the job has been collected");
    if (space->busy) /* a rollback would forget what the other message has added */
        luaL_error(L, "something else is being packed for this job");
    e->space = space;
    e->space->busy = 1;
    e->space->landmarks = e->scratch->landmarks;
    luas__space_rollback(L, SLOT_SPACE);
    lua_getiuservalue(L, SLOT_SPACE, SPACE_OBJECTS);
    lua_replace(L, SLOT_OBJECTS);
}

static void enter(luas__encoder *e, lua_State *L)
{
    e->L = L;
    if (e->scratch == NULL) {
        enter_scratch(e, push_scratch(L));
        lua_replace(L, SLOT_SCRATCH);
    }
    luas__names_push(L);
    lua_replace(L, SLOT_NAMES);
    if (e->anchors) {
        lua_newtable(L);
        lua_replace(L, SLOT_ANCHORS);
    }
    lua_pushglobaltable(L);
    e->scratch->landmarks = (luas__landmarks){
        .named = luas__names_scan_known(L, SLOT_NAMES), .globals = lua_topointer(L, -1)};
    lua_pop(L, 1);
    e->landmarks = &e->scratch->landmarks;
    enter_space(e);
}

/* Wraps a message that has references, so that the reader knows it from the start. */
static int wrap_shared(luas__encoder *e)
{
    luas__buffer *out = e->out;
    size_t len = out->len - e->start;
    if (luas__buffer_reserve(out, SHARED_HEAD) < 0)
        return LUAS_ENOMEM;
    unsigned char *p = (unsigned char *)luas__buffer_bytes(out) + e->start;
    memmove(p + SHARED_HEAD, p, len);
    *p = 0xc9;
    luas__mp_put_bytes(p + 1, len, 4);
    p[5] = WIRE_SHARED;
    out->len += SHARED_HEAD;
    return 0;
}

/* Defines globals that functions among the values use and that the space does not have yet. */
static int define_wanted(luas__encoder *e)
{
    if (e->defines == NULL || e->space == NULL || e->space->names == e->space->names_defined)
        return 0;
    lua_pushnil(e->L);
    return luas__encode_run_define(e);
}

static int encode_list(luas__encoder *e)
{
    uint32_t count = (uint32_t)(lua_gettop(e->L) - SLOT_FIRST + 1);
    int rc = luas__container_open(e, CONTAINER_LIST, SLOT_FIRST);
    if (rc < 0)
        return rc;
    e->scratch->frames[0].limit = count;
    rc = luas__encode_run(e, 0);
    if (rc == 0)
        rc = define_wanted(e);
    if (rc == 0 && e->shared)
        rc = wrap_shared(e);
    return rc == 0 && e->out->len > e->most ? LUAS_ETOOBIG : rc;
}

static int encode_carrier(luas__encoder *e)
{
    lua_newtable(e->L);
    lua_replace(e->L, SLOT_MODULES);
    luas__names_scan(e->L, SLOT_NAMES);
    e->refreshed = 1;
    return luas__encode_run_define(e);
}

/* Pushes the message of a code; `which` value is at fault, or 0. */
static void push_failure(lua_State *L, const char *each, int which, int rc)
{
    if (each == NULL)
        lua_pushstring(L, luas_strerror(rc));
    else if (which == 0)
        lua_pushfstring(L, "%s: %s", each, luas_strerror(rc));
    else
        lua_pushfstring(L, "%s %d: %s", each, which, luas_strerror(rc));
}

static int value_at_hand(const luas__encoder *e)
{
    return e->scratch->depth == 0 ? 0 : e->offset + (int)e->scratch->frames[0].count;
}

/* Returns a message, or the set of modules. */
static int encode_protected(lua_State *L)
{
    luas__encoder *e = lua_touserdata(L, SLOT_ENCODER);
    enter(e, L);
    e->rc = e->defining ? encode_carrier(e) : encode_list(e);
    if (e->rc == 0)
        lua_pushvalue(L, SLOT_MODULES);
    else if (e->described)
        e->rc = luas__encode_path_push(e);
    else
        push_failure(L, e->each, value_at_hand(e), e->rc);
    leave_scratch(e);
    return 1;
}

/* Called after the protected call, whose one result is at `result`. If the call failed it
   leaves a message there. A debug hook can raise anything, even while the call returns. What the
   hook of a signal raised is no failure to send. */
static int leave(luas__encoder *e, int status, int result)
{
    lua_State *L = e->L;
    if (status != LUA_OK)
        e->rc = status == LUA_ERRMEM ? LUAS_ENOMEM : LUAS_EUNSENT;
    if (e->space != NULL)
        e->space->busy = 0;
    if (e->rc == 0 && e->space != NULL && (e->defining || e->defines != NULL))
        luas__space_commit(e->space);
    if (e->rc < 0 && lua_type(L, result) != LUA_TSTRING) {
        (void)luas__describe_error(L, result);
        lua_replace(L, result);
        lua_settop(L, result);
    }
    if (e->rc < 0 && luas__stop_is(L, result))
        e->rc = LUAS_EINTR;
    return e->rc;
}

/* The scratch or nil is at the top. Pushes the result of encode_protected, or the message of
   its error. `space` and `modules` are stack indices or 0. */
static int call_protected(luas__encoder *e, lua_State *L, int space, int modules, int first,
                          int count)
{
    lua_pushcfunction(L, encode_protected);
    int function = lua_gettop(L);
    if (space == 0)
        lua_pushnil(L);
    else
        lua_pushvalue(L, space);
    lua_pushlightuserdata(L, e);
    lua_pushvalue(L, -4);
    lua_settop(L, function + SLOT_FIRST - 1);
    if (modules != 0) {
        lua_pushvalue(L, modules);
        lua_replace(L, function + SLOT_MODULES);
    }
    if (e->kept != 0) {
        lua_pushvalue(L, e->kept);
        lua_replace(L, function + SLOT_KEPT);
    }
    for (int i = 0; i < count; i++)
        lua_pushvalue(L, first + i);
    bool held = false;
    if (e->held == NULL) {
        held = luas__gc_hold(L);
        e->held = &held;
    }
    int rc = leave(e, lua_pcall(L, SLOT_FIRST - 1 + count, 1, 0), function);
    luas__gc_hold_end(L, held);
    return rc;
}

static size_t bounded(size_t limit)
{
    return limit == 0 || limit > WIRE_MAX ? WIRE_MAX : limit;
}

/* Pushes the scratch or nil, with room for `count` values. `start` is where the message begins
   in `out`. */
static int prepare(luas__encoder *e, lua_State *L, luas__buffer *out, size_t start, size_t limit,
                   int count)
{
    if (!lua_checkstack(L, SLOT_FIRST + count + 2)) {
        push_failure(L, e->each, 0, LUAS_ETOOBIG);
        return LUAS_ETOOBIG;
    }
    e->L = L;
    e->out = out;
    e->start = start;
    e->limit = bounded(limit);
    e->most = e->pause = e->start + e->limit;
    take_scratch(e, L);
    return 0;
}

/* Writes the scalars before the first other value. Returns how many, or negative. */
static int put_scalars(lua_State *L, int first, int count, luas__buffer *out, size_t most)
{
    int done = 0;
    while (done < count) {
        int rc = luas__scalar_put(L, first + done, out, most);
        if (rc <= 0)
            return rc < 0 ? rc : done;
        done++;
    }
    return out->len > most ? LUAS_ETOOBIG : done;
}

/* Encodes the values after the first `done` in a protected call, and pushes its result. */
static int try_others(luas__encoder *e, lua_State *L, int first, luas__buffer *out, size_t start,
                      const luas__encode_options *o)
{
    size_t defined = o->defines == NULL ? 0 : o->defines->len;
    int rc = prepare(e, L, out, start, o->limit, e->total);
    if (rc < 0)
        return rc;
    rc = call_protected(e, L, o->space, o->modules, first + e->offset, e->total - e->offset);
    lua_remove(L, -2);
    if (rc < 0 && o->defines != NULL)
        luas__buffer_truncate(o->defines, defined);
    return rc;
}

/* Most messages run no user code, and need no anchors. One that turns out to need them is
   started again. */
static int encode_others(lua_State *L, int first, int count, int done, luas__buffer *out,
                         size_t start, const luas__encode_options *o)
{
    luas__encoder fresh = {.defines = o->defines, .modules = o->modules != 0, .total = count,
                           .offset = done, .unchanged = o->unchanged, .plain = o->plain,
                           .foreign = o->foreign, .functions = o->functions,
                           .each = o->each}, e = fresh;
    size_t written = out->len;
    int rc = try_others(&e, L, first, out, start, o);
    if (e.again && rc != LUAS_EINTR) {
        lua_pop(L, 1);
        luas__buffer_truncate(out, written);
        e = fresh;
        e.anchors = 1;
        rc = try_others(&e, L, first, out, start, o);
    }
    if (rc == 0 && lua_istable(L, -1))
        lua_replace(L, o->modules);
    else if (rc == 0)
        lua_pop(L, 1);
    return rc;
}

/* Finds the landmarks: those of the space, or else those of the scratch, or NULL. */
static const luas__landmarks *find_landmarks(lua_State *L, luas__space *space)
{
    if (space != NULL && space->landmarks.named != NULL)
        return &space->landmarks;
    lua_rawgetp(L, LUA_REGISTRYINDEX, &scratch_key);
    const luas__scratch *s = lua_touserdata(L, -1);
    lua_pop(L, 1);
    if (s == NULL || s->landmarks.named == NULL)
        return NULL;
    if (space != NULL)
        space->landmarks = s->landmarks;
    return &s->landmarks;
}

/* Writes the values from the first that is no scalar on, if all are scalars or rows. Returns 1,
   or 0. */
static int put_rows(lua_State *L, int first, int count, luas__buffer *out, size_t most, int at)
{
    luas__space *space = at == 0 ? NULL : lua_touserdata(L, at);
    size_t mark = out->len;
    if (!lua_checkstack(L, LUA_MINSTACK))
        return 0;
    const luas__landmarks *l = find_landmarks(L, space);
    if (l != NULL && luas__encode_row_put(L, first, count, l, space, out) && out->len <= most)
        return 1;
    luas__buffer_truncate(out, mark);
    return 0;
}

/* Encodes the values from the first that is no scalar on. `done` is the result of put_scalars. */
static int encode_rest(lua_State *L, int first, int count, int done, luas__buffer *out,
                       size_t start, const luas__encode_options *o)
{
    size_t most = start + bounded(o->limit);
    int rc = done < 0 ? done : 0;
    if (rc < 0)
        push_failure(L, o->each, 0, rc);
    else if (done < count && !put_rows(L, first + done, count - done, out, most, o->space))
        rc = encode_others(L, first, count, done, out, start, o);
    if (rc < 0)
        luas__buffer_truncate(out, start);
    return rc;
}

/* Writes an array of one scalar of at most ALONE bytes, which most messages are. Returns 1, or
   0 if the value is no such scalar. */
static int put_alone(lua_State *L, int index, luas__buffer *out)
{
    if (luas__buffer_reserve(out, 1 + LUAS__MP_SHORT) < 0)
        return 0;
    size_t room = luas__buffer_room(out);
    unsigned char *p = (unsigned char *)luas__buffer_end(out);
    unsigned char *next = luas__scalar_put_alone(L, index, p, p + (room < ALONE ? room : ALONE));
    if (next == NULL)
        return 0;
    out->len += (size_t)(next - p);
    return 1;
}

/* Encodes messages that put_alone does not. */
static int encode_array(lua_State *L, int first, int count, luas__buffer *out,
                        const luas__encode_options *o)
{
    size_t start = out->len;
    int rc = luas__mp_write_array(out, (uint32_t)count);
    if (rc < 0) {
        push_failure(L, o->each, 0, rc);
        return rc;
    }
    if (count != 1 || o->limit != 0)
        rc = put_scalars(L, first, count, out, start + bounded(o->limit));
    return encode_rest(L, first, count, rc, out, start, o);
}

int luas__encode(lua_State *L, int first, int count, luas__buffer *out,
                 const luas__encode_options *options)
{
    if (count == 1 && options->limit == 0 && put_alone(L, first, out))
        return 0;
    return encode_array(L, first, count, out, options);
}

int luas__encode_value(lua_State *L, int index, luas__buffer *out,
                       const luas__encode_options *options)
{
    size_t start = out->len;
    int done = put_scalars(L, index, 1, out, start + bounded(options->limit));
    return encode_rest(L, index, 1, done, out, start, options);
}

int luas__encode_definition(lua_State *L, int function, int space, luas__buffer *out, size_t limit,
                luas__carried *info)
{
    luas__encoder e = {.defining = 1, .defines = out, .modules = 1, .total = 1, .anchors = 1,
                       .held = info->held, .kept = info->kept, .budget = info->budget};
    int rc = prepare(&e, L, out, out->len, limit, 1);
    if (rc < 0)
        return rc;
    rc = call_protected(&e, L, space, 0, function, 1);
    lua_remove(L, -2);
    if (rc < 0)
        luas__buffer_truncate(out, e.start);
    info->dynamic = e.dynamic;
    return rc;
}
