/*
 * Values and functions as bytes that are the same in each run: the keys of a journal. What is
 * equal has the same bytes, in whatever order its tables were filled; nothing can be read back.
 *
 *   scalars     as in value_format.h; all NaNs are the same
 *   tables      the pairs, sorted by key, and the metatable. Keys are booleans, numbers, strings
 *   functions   their bytecode without lines and names of locals, their upvalues, and the globals
 *               that they use: what shipping walks
 *   modules     what a module has goes by its name, where the module is a file: whoever asks counts the file.
 *               So does what the standard library has
 *   handles     of this library (a pool, what tasks share): what they are
 *   objects     with __luas_pack: what that returns, and the class
 *
 * What has no such bytes is refused: other userdata, coroutines, functions in C without a name, a
 * table as a key.
 *
 * A function is cut into parts: itself, each upvalue, each global, each function that it reaches. So it can be
 * said what has changed.
 */
#ifndef LUAS_STABLE_H
#define LUAS_STABLE_H

#include <lua.h>

#include "buffer.h"

/* Stack indices; 0: none. */
typedef struct luas__stable_options {
    int ignore;         /* a set of names: such upvalues, globals and fields do not count */
    int modules;        /* a table that says, by its metamethods too, if a module is a file (true) */
    int met;            /* gets the names of those that are met as keys */
    int parts;          /* gets a list {path, place, hash of its bytes} for each part (xxh.h) */
    const char *what;   /* how messages begin: `item 3`, or NULL */
} luas__stable_options;

/*
 * Appends the bytes of the `n` values from `first`. Returns 0; or LUAS_EUNSENT, with what was raised pushed: by
 * __luas_pack, or for want of memory, or a message for what has no stable bytes, such as
 * `upvalue 'conn' of the function (job.lua:12): userdata (FILE*) has no stable bytes: ignore = {"conn"} leaves it out`.
 */
int luas__stable_put(lua_State *L, int first, int n, luas__buffer *out, const luas__stable_options *options);

#endif
