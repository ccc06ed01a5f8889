/*
 * A walk over values that becomes stable bytes (stable.h): what its parts share.
 *
 *   stable_walk.c      where the walk is, and what is said of a value that has no stable bytes
 *   stable_tables.c    keys in their order
 *   stable_functions.c bytecode, upvalues, globals
 *   stable.c           everything else, and from part to part
 *
 * Nothing recurses with the value: open tables are frames, of which each has its table on the Lua stack, and
 * its sorted keys on a stack of keys. Functions, upvalues and globals wait in a list of parts.
 *
 * All functions here may raise, and leave what they hold to the walk, which is a userdata.
 */
#ifndef LUAS_STABLE_WALK_H
#define LUAS_STABLE_WALK_H

#include <lua.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buffer.h"
#include "ptrmap.h"

/* type: that of Lua, or LUAS__STABLE_INTEGER. */
enum { LUAS__STABLE_INTEGER = -2 };

typedef struct luas__stable_key {
    int type;
    union { lua_Integer i; lua_Number n; const char *s; } as;
    size_t len;
} luas__stable_key;

typedef struct luas__stable_frame {
    size_t from, at, to;    /* keys of the table; the next one is at `at` */
    int base;               /* of the table on the stack */
    bool in_class;          /* its metatable is being walked */
} luas__stable_frame;

/* A userdata, so that what it holds is freed whatever is raised. */
typedef struct luas__stable_walk {
    luas__buffer *out;
    const char *what;
    luas__stable_key *keys;
    size_t nkeys, cap_keys;
    luas__stable_frame *frames;
    size_t nframes, cap_frames;
    luas__ptrmap objects, cells;
    luas__buffer dump, path;
    const void *globals;
    lua_Integer parts, done;
    bool is_plain;          /* the part has turned out to be a function, which is a part of its own */
} luas__stable_walk;

/* The stack of a walk. QUEUE: three values for each part: what it is about, path, place. WANTED: a set of
   names of globals. */
enum {
    LUAS__STABLE_IGNORE = 1, LUAS__STABLE_MODULES, LUAS__STABLE_MET, LUAS__STABLE_PARTS, LUAS__STABLE_WALK,
    LUAS__STABLE_NAMES, LUAS__STABLE_QUEUE, LUAS__STABLE_WANTED, LUAS__STABLE_FIRST
};

/* Raises an error for a negative code of the library's. */
void luas__stable_walk_must(lua_State *L, int rc);

/* ---- bytes ---- */

void luas__stable_walk_bytes(lua_State *L, const luas__stable_walk *w, const void *bytes, size_t len);
void luas__stable_walk_number(lua_State *L, const luas__stable_walk *w, char tag, uint64_t number);
void luas__stable_walk_text(lua_State *L, const luas__stable_walk *w, char tag, const char *text, size_t len);

/* ---- where the walk is ---- */

/* Pushes the path to the value that is looked at: of its part, then fields. */
void luas__stable_walk_push_path(lua_State *L, luas__stable_walk *w);

/* Raises that `what`, at which the walk is, has no stable bytes, and what can be done about it. */
int luas__stable_walk_refuse(lua_State *L, luas__stable_walk *w, const char *what);

/* Adds a part about the value at the top (popped). A part whose place is "" is a global: the value is its name. */
void luas__stable_walk_add_part(lua_State *L, luas__stable_walk *w, const char *path, const char *place);

/* ---- what counts ---- */

/* Does the option `ignore` name it? NULL is no name. */
bool luas__stable_walk_is_ignored(lua_State *L, const char *name);

/* Is a module a file? Then it is noted as met. */
bool luas__stable_walk_is_file(lua_State *L, const char *module, size_t len);

/* ---- what has parts of its own ---- */

/* Opens the table at the top, which stays there. */
void luas__stable_tables_open(lua_State *L, luas__stable_walk *w, char tag);

void luas__stable_tables_push_key(lua_State *L, const luas__stable_key *k);

/* Puts the code of the function at the top (popped). */
void luas__stable_functions_put(lua_State *L, luas__stable_walk *w);

#endif

