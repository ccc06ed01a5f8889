/*
 * Settings: places outside of a job's own values that its tasks can see, and that the host may have
 * changed since a worker was forked. Upvalues of a module's functions, fields of the tables in
 * them, metatables, and what a state has only one of. The host compares them with what they were
 * (baseline.h), and sends those that differ with a job. A worker enters them before tasks of the
 * job, and restores what it had before tasks of another one.
 *
 * Host and worker know the objects that have such places by number: a worker has inherited the
 * lists of objects that its host had made by then. A number says which list, which object in it,
 * and maybe which upvalue of that: the value of a WIRE_KEPT.
 */
#ifndef LUAS_SETTINGS_H
#define LUAS_SETTINGS_H

#include <lua.h>
#include <stdbool.h>
#include <stdint.h>

enum luas__setting_kind {
    SETTING_UPVALUE = 1,    /* key: its index */
    SETTING_FIELD,
    SETTING_METATABLE,      /* of a table. key: true */
    SETTING_STATE           /* key: one of the following. The object is any value */
};

/* Up to LUA_NUMTYPES: the metatable of the values of type key - 1, if these share one. */
enum luas__setting_of_state {
    STATE_GLOBALS = LUA_NUMTYPES + 1,   /* the metatable of the globals */
    STATE_FILES,                        /* that of files */
    STATE_OUTPUT, STATE_INPUT,          /* what io.write and io.read use */
    STATE_PATH, STATE_CPATH, STATE_SEARCHERS, STATE_PRELOAD,    /* what `require` goes by */
    STATE_MODE, STATE_RUNNING, STATE_PAUSE, STATE_SPEED     /* of the collector */
};

/* Pushes the present value of a setting. `object` and `key` are stack indices. */
void luas__settings_get(lua_State *L, int kind, int object, int key);

/* What a state has one of, from the metatables of types on, but for files and `require`: to be
   compared quickly. Metatables are addresses. */
typedef struct luas__state_settings {
    const void *metatables[LUA_NUMTYPES + 1];   /* by type, and that of the globals */
    int mode, is_running, pause, speed;
} luas__state_settings;

/* `last`: the collector's mode when the caller looked last, or 0. Gets the mode of now. */
void luas__settings_look(lua_State *L, luas__state_settings *now, int *last);

/* Are they the same? In a finalizer Lua tells nothing of the collector: then that counts as the
   same. */
bool luas__settings_equal(const luas__state_settings *a, const luas__state_settings *b);
bool luas__settings_are_hidden(lua_State *L, int key);

/* Pops a value, which becomes that of the setting. */
void luas__settings_set(lua_State *L, int kind, int object, int key);

/* ---- objects by number ---- */

enum { LUAS__KEPT_OBJECT_BITS = 12, LUAS__KEPT_UPVALUE_BITS = 8 };

static inline uint64_t luas__settings_number(uint64_t list, uint32_t object, uint32_t upvalue)
{
    return (list << LUAS__KEPT_OBJECT_BITS | object) << LUAS__KEPT_UPVALUE_BITS | upvalue;
}

static inline int luas__settings_upvalue(uint64_t number)
{
    return (int)(number & ((1 << LUAS__KEPT_UPVALUE_BITS) - 1));
}

/* Gives the list of objects at the top, which stays, a number: as long as somebody else has
   it. Returns the number. */
uint64_t luas__settings_keep(lua_State *L);

/* In a worker that begins: keeps all lists for good. */
void luas__settings_inherit(lua_State *L);

/* Pushes the object of this number, or nil. */
void luas__settings_push(lua_State *L, uint64_t number);

/* ---- in a worker ---- */

/* Values in a table of settings for each of them: the number of the object, the kind, the key,
   the value. The first is at 1; "n" has how many settings there are. */
enum { SETTING_OBJECT = 1, SETTING_KIND, SETTING_KEY, SETTING_VALUE };

/* Restores what the settings that were entered last have changed, then enters those at this
   index: a table, or nil for none. Returns false if this state lacks one of their objects. */
bool luas__settings_enter(lua_State *L, int settings);

#endif
