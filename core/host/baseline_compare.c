/*
 * Compares baselines with what is now. Changes are a table: 8 * object + kind -> a set of the keys.
 */
#include "baseline.h"

#include <lauxlib.h>
#include <stdbool.h>

#include "baseline_part.h"
#include "buffer.h"
#include "error.h"
#include "ptrmap.h"
#include "settings.h"

/* MOST: fields that a table may have by now. MOST_NOTED: settings that are sent for ever, as a call has
   found them changed. */
enum { KINDS = 8, MOST = 5000, MOST_NOTED = 500, SLOTS = 20 };

/* What is compared: stack indices. */
typedef struct comparison {
    lua_State *L;
    luas__baseline *b;
    int objects, keys;
    int changes;
} comparison;

/* The table of values is at the top. Is the object of this word gone? */
static void forget_gone(lua_State *L, luas__word *w)
{
    if (!luas__word_is_object(*w) || w->type == LUA_TNIL || w->type == GONE)
        return;
    lua_pushlightuserdata(L, (void *)(uintptr_t)w->bits);
    if (lua_rawget(L, -2) == LUA_TNIL)
        *w = (luas__word){.type = GONE, .bits = 1};
    lua_pop(L, 1);
}

/* After a cycle of the collector. The new garbage is made before the objects are looked at. */
static void forget_all_gone(lua_State *L, luas__baseline *b)
{
    luas__baseline_check *checks = (void *)b->content;
    luas__word_field *fields = (void *)(b->content + b->fields_at);
    lua_createtable(L, 0, 0);
    lua_rawseti(L, -2, 0);
    for (uint32_t i = 0; i < b->checks; i++) {
        if (checks[i].kind != SETTING_FIELD)
            forget_gone(L, &checks[i].value);
        for (uint32_t k = 0; k < checks[i].count; k++)
            forget_gone(L, &fields[checks[i].first + k].value);
    }
}

static luas__baseline *check_baseline(lua_State *L, int index)
{
    luas__baseline *b = luas__baseline_part_check(L, index);
    lua_getiuservalue(L, index, BASELINE_VALUES);
    bool has_ended = lua_rawgeti(L, -1, 0) == LUA_TNIL;
    lua_pop(L, 1);
    if (has_ended)
        forget_all_gone(L, b);
    lua_pop(L, 1);
    return b;
}

static comparison begin(lua_State *L, int baseline)
{
    comparison c = {.L = L, .b = check_baseline(L, baseline)};
    luaL_checkstack(L, SLOTS, NULL);
    lua_getiuservalue(L, baseline, BASELINE_OBJECTS);
    lua_getiuservalue(L, baseline, BASELINE_KEYS);
    c.objects = lua_gettop(L) - 1;
    c.keys = c.objects + 1;
    return c;
}

/* ---- is anything else? ---- */

/* The value of any setting but a field, of the object at the top. */
static void push_value(lua_State *L, const luas__baseline_check *check)
{
    bool is_there = check->kind == SETTING_METATABLE ? lua_getmetatable(L, -1)
                                                     : lua_getupvalue(L, -1, check->key) != NULL;
    if (!is_there)
        lua_pushnil(L);
}

/* Does this one hold? May push something. */
static bool holds(const comparison *c, const luas__baseline_check *check)
{
    lua_State *L = c->L;
    if (lua_rawgeti(L, c->objects, check->object) == LUA_TNIL)
        return true; /* nobody has it any more */
    if (check->kind == SETTING_STATE) {
        if (luas__settings_are_hidden(L, check->key))
            return true;
        lua_pushinteger(L, check->key);
        luas__settings_get(L, SETTING_STATE, 0, lua_gettop(L));
        return luas__word_is(L, -1, check->value);
    }
    if (check->kind == SETTING_FIELD)
        return luas__word_are_fields(L, luas__baseline_part_fields(c->b) + check->first, (int)check->count);
    push_value(L, check);
    return luas__word_is(L, -1, check->value);
}

/* Most settings of the state are compared in one go. */
static bool has_state(lua_State *L, luas__baseline *b)
{
    luas__state_settings now;
    if (!b->is_of_state)
        return true;
    luas__settings_look(L, &now, &b->last_mode);
    return luas__settings_equal(&now, &b->state);
}

int luas__baseline_compare_is_same(lua_State *L)
{
    comparison c = {.L = L, .b = check_baseline(L, 1), .objects = 2};
    const luas__baseline_check *checks = luas__baseline_part_checks(c.b);
    bool is_same = !c.b->has_noted && has_state(L, c.b);
    int base = c.objects;
    lua_settop(L, 1);
    lua_getiuservalue(L, 1, BASELINE_OBJECTS);
    for (uint32_t i = 0; i < c.b->checks && is_same; i++) {
        if (c.b->is_of_state && checks[i].kind == SETTING_STATE)
            continue;
        is_same = holds(&c, &checks[i]);
        lua_settop(L, base);
    }
    lua_pushboolean(L, is_same);
    return 1;
}

/* ---- what is else ---- */

/* Pops a key. */
static void note(const comparison *c, const luas__baseline_check *check)
{
    lua_State *L = c->L;
    lua_Integer which = (lua_Integer)check->object * KINDS + check->kind;
    if (lua_rawgeti(L, c->changes, which) != LUA_TTABLE) {
        lua_pop(L, 1);
        lua_newtable(L);
        lua_pushvalue(L, -1);
        lua_rawseti(L, c->changes, which);
    }
    lua_insert(L, -2);
    lua_pushboolean(L, 1);
    lua_rawset(L, -3);
    lua_pop(L, 1);
}

/* A key of the hash of words. Others may have the same one: then a field seems new that is not. */
static const void *hash(luas__word w)
{
    uint64_t bits = (w.bits ^ (uint64_t)w.type << 56) * UINT64_C(0x9e3779b97f4a7c15);
    return (const void *)(uintptr_t)(bits | 1);
}

static void push_word(const comparison *c, luas__word w)
{
    lua_Number x;
    memcpy(&x, &w.bits, sizeof x);
    if (w.type == LUA_TNUMBER) {
        lua_pushnumber(c->L, x);
    } else if (w.type == LUAS__WORD_INTEGER) {
        lua_pushinteger(c->L, (lua_Integer)w.bits);
    } else if (w.type == LUA_TBOOLEAN) {
        lua_pushboolean(c->L, w.bits != 0);
    } else {
        lua_pushlightuserdata(c->L, (void *)(uintptr_t)w.bits);
        lua_rawget(c->L, c->keys);
    }
}

/* The index of the field with the key at this index, or -1. */
static int64_t find(lua_State *L, const luas__ptrmap *known, const luas__word_field *fields, int key)
{
    luas__word w = luas__word_read(L, key);
    int64_t i = luas__ptrmap_find(known, hash(w));
    return i >= 0 && luas__word_equal(fields[i].key, w) ? i : -1;
}

/* Notes what the table at the top has and had not, or otherwise; and marks in `is_there` what of the
   fields is there. Returns false if these are too many. */
static bool note_present(const comparison *c, const luas__baseline_check *check,
                         const luas__ptrmap *known, char *is_there)
{
    lua_State *L = c->L;
    const luas__word_field *fields = luas__baseline_part_fields(c->b) + check->first;
    int table = lua_gettop(L), key = table + 1, value = table + 2, n = 0;
    for (lua_pushnil(L); lua_next(L, table) != 0; lua_settop(L, key)) {
        int64_t i = find(L, known, fields, key);
        if (i >= 0)
            is_there[i] = 1;
        if (i < 0 || !luas__word_equal(fields[i].value, luas__word_read(L, value))) {
            lua_pushvalue(L, key);
            note(c, check);
        }
        if (++n > MOST) {
            lua_settop(L, table);
            return false;
        }
    }
    return true;
}

/* The table at the top has other fields. The memory is Lua's, so errors leave nothing behind but
   that of the hash, which is the caller's. */
static bool note_fields(const comparison *c, const luas__baseline_check *check, luas__ptrmap *known)
{
    lua_State *L = c->L;
    const luas__word_field *fields = luas__baseline_part_fields(c->b) + check->first;
    char *is_there = lua_newuserdatauv(L, check->count + 1, 0);
    memset(is_there, 0, check->count + 1);
    lua_insert(L, -2);
    for (uint32_t i = 0; i < check->count; i++) {
        uint32_t number = i;
        if (luas__ptrmap_add(known, hash(fields[i].key), &number) < 0)
            luaL_error(L, "%s", luas_strerror(LUAS_ENOMEM));
    }
    if (!note_present(c, check, known, is_there))
        return false;
    for (uint32_t i = 0; i < check->count; i++)
        if (!is_there[i]) {
            push_word(c, fields[i].key);
            note(c, check);
        }
    return true;
}

/* Arguments: baseline, changes, a hash. Returns whether it is not too much. */
static int note_all(lua_State *L)
{
    comparison c = begin(L, 1);
    const luas__baseline_check *checks = luas__baseline_part_checks(c.b);
    luas__ptrmap *known = lua_touserdata(L, 3);
    int base = lua_gettop(L);
    bool fits = true;
    c.changes = 2;
    for (uint32_t i = 0; i < c.b->checks && fits; i++, lua_settop(L, base)) {
        if (holds(&c, &checks[i]))
            continue;
        if (checks[i].kind == SETTING_FIELD) {
            luas__ptrmap_clear(known);
            lua_rawgeti(L, c.objects, checks[i].object);
            fits = note_fields(&c, &checks[i], known);
        } else {
            lua_pushinteger(L, checks[i].key);
            note(&c, &checks[i]);
        }
    }
    lua_pushboolean(L, fits);
    return 1;
}

/* Adds what differs from the baseline to the table of changes at the top. */
static bool add_changes(lua_State *L, int baseline)
{
    luas__ptrmap known = {.slots = NULL};
    int changes = lua_gettop(L);
    lua_pushcfunction(L, note_all);
    lua_pushvalue(L, baseline);
    lua_pushvalue(L, changes);
    lua_pushlightuserdata(L, &known);
    int status = lua_pcall(L, 3, 1, 0);
    luas__ptrmap_release(&known);
    if (status != LUA_OK)
        lua_error(L);
    bool fits = lua_toboolean(L, -1);
    lua_settop(L, changes);
    return fits;
}

int luas__baseline_compare_note(lua_State *L)
{
    (void)luas__baseline_part_check(L, 1);
    lua_settop(L, 1);
    if (lua_getiuservalue(L, 1, BASELINE_NOTED) == LUA_TNIL) {
        lua_pop(L, 1);
        lua_newtable(L);
    }
    (void)add_changes(L, 1); /* what is too much is so at the call, too */
    lua_pushnil(L);
    if (lua_next(L, 2) != 0) {
        lua_settop(L, 2);
        lua_setiuservalue(L, 1, BASELINE_NOTED);
        ((luas__baseline *)lua_touserdata(L, 1))->has_noted = true;
    }
    return 0;
}

/* ---- as settings ---- */

/* What is being pushed: stack indices. */
typedef struct collection {
    lua_State *L;
    const luas__baseline *b;
    int objects, settings;
    lua_Integer count;
} collection;

static void put(collection *c, int part)
{
    lua_rawseti(c->L, c->settings, SETTING_VALUE * c->count + part);
}

/* Adds the setting of this object, kind and key, which are on the stack from `base` on, with its value
   now. */
static void add_setting(collection *c, lua_Integer which, int base)
{
    lua_State *L = c->L;
    int kind = (int)(which % KINDS);
    uint32_t object = (uint32_t)(which / KINDS);
    lua_pushinteger(L, (lua_Integer)luas__settings_number(c->b->number, object, 0));
    put(c, SETTING_OBJECT);
    lua_pushinteger(L, kind);
    put(c, SETTING_KIND);
    lua_pushvalue(L, base + 1);
    put(c, SETTING_KEY);
    luas__settings_get(L, kind, base, base + 1);
    put(c, SETTING_VALUE);
    c->count++;
}

/* The changes are at the top. */
static void add_settings(collection *c)
{
    lua_State *L = c->L;
    int changes = lua_gettop(L), which = changes + 1, keys = changes + 2, object = changes + 3;
    for (lua_pushnil(L); lua_next(L, changes) != 0; lua_settop(L, which)) {
        lua_Integer number = lua_tointeger(L, which);
        if (lua_rawgeti(L, c->objects, number / KINDS) == LUA_TNIL)
            continue;
        for (lua_pushnil(L); lua_next(L, keys) != 0; lua_settop(L, object + 1)) {
            lua_settop(L, object + 1);
            add_setting(c, number, object);
        }
    }
}

/* The script may set back what has changed, and a task may have changed it in its worker meanwhile: so
   the changes at the top are sent from now on. More than some are not: a table that is a cache has
   other fields at each call. */
static void note_sent(lua_State *L, int baseline, lua_Integer count)
{
    if (count == 0 || count > MOST_NOTED)
        return;
    lua_pushvalue(L, -1);
    lua_setiuservalue(L, baseline, BASELINE_NOTED);
    ((luas__baseline *)lua_touserdata(L, baseline))->has_noted = true;
}

/* Pushes changes: those that were noted, and those of now. Returns false if they are too many. */
static bool push_changes(lua_State *L, int baseline)
{
    lua_newtable(L);
    int changes = lua_gettop(L);
    if (lua_getiuservalue(L, baseline, BASELINE_NOTED) == LUA_TTABLE)
        for (lua_pushnil(L); lua_next(L, changes + 1) != 0; lua_settop(L, changes + 2)) {
            lua_newtable(L);
            for (lua_pushnil(L); lua_next(L, changes + 3) != 0; lua_settop(L, changes + 5)) {
                lua_pushvalue(L, -2);
                lua_insert(L, -2);
                lua_rawset(L, changes + 4);
            }
            lua_pushvalue(L, changes + 2);
            lua_pushvalue(L, changes + 4);
            lua_rawset(L, changes);
        }
    lua_settop(L, changes);
    return add_changes(L, baseline);
}

/* Adds the numbers of the objects of a baseline, and of their upvalues, to the table `kept`. */
static void add_kept(const collection *c, int kept)
{
    lua_State *L = c->L;
    int base = lua_gettop(L);
    for (lua_Integer i = 1; i <= c->b->objects; i++, lua_settop(L, base)) {
        int type = lua_rawgeti(L, c->objects, i);
        void *id;
        for (int k = 1; type == LUA_TFUNCTION && k <= UINT8_MAX
                        && (id = lua_upvalueid(L, base + 1, k)) != NULL; k++) {
            lua_pushlightuserdata(L, id);
            lua_pushinteger(L, (lua_Integer)luas__settings_number(c->b->number, (uint32_t)i, (uint32_t)k));
            lua_rawset(L, kept);
        }
        if (type == LUA_TBOOLEAN || type == LUA_TNIL) /* it stands for the state; it is gone */
            continue;
        lua_pushinteger(L, (lua_Integer)luas__settings_number(c->b->number, (uint32_t)i, 0));
        lua_rawset(L, kept);
    }
}

bool luas__baseline_compare_changes(lua_State *L, int list)
{
    luaL_checkstack(L, 2 * SLOTS, NULL);
    lua_newtable(L);
    lua_newtable(L);
    int kept = lua_gettop(L), settings = kept - 1, baseline = kept + 1;
    collection c = {.L = L, .settings = settings, .objects = kept + 2};
    for (lua_Integer i = 1; lua_rawgeti(L, list, i) == LUA_TUSERDATA; lua_settop(L, kept), i++) {
        c.b = check_baseline(L, baseline);
        lua_getiuservalue(L, baseline, BASELINE_OBJECTS);
        if (!push_changes(L, baseline)) {
            lua_settop(L, settings - 1);
            return false;
        }
        lua_Integer before = c.count;
        add_settings(&c);
        note_sent(L, baseline, c.count - before);
        add_kept(&c, kept);
    }
    lua_settop(L, kept);
    lua_pushinteger(L, c.count);
    lua_setfield(L, settings, "n");
    return true;
}
