/*
 * Lua values and functions as bytes (value_format.h), and back.
 *
 * Host, for one job: 1. luas__space_new(L, 0); 2. luas__encode_definition() gives the
 * define message with the job's function, for each worker's luas__decode_define();
 * 3. luas__encode() for arguments, with the space and a buffer for further
 * define messages, which every worker must take before what was encoded with
 * or after them; 4. luas__decode() for results, with the space.
 * Worker: luas__space_new(L, 1), luas__decode_define() for each define message in
 * order, luas__decode() and luas__encode() with that space.
 * Where workers inherit the function: luas__class_scan() before the fork,
 * and the inherited space at both ends.
 *
 * Encoding does not raise (unless there is no memory for its message).
 * Decoding can raise memory errors, for it leaves what it makes on the stack;
 * everything else that can go wrong is a code. Failures
 * push one message, fit for people, and leave the stack otherwise as it was:
 * LUAS_EUNSENT names the path to what cannot travel (`field "conn": userdata
 * (FILE*) cannot be sent`), so that the caller can put "item 3, " before it.
 * Stack indices must be positive. Both need stack space for the values only; they may call
 * __luas_pack, __luas_unpack and require, in protected mode. These may do what they like. What
 * __luas_pack changes arrives as it was before, as far as its writing had begun: each table has the
 * fields that it had at some moment, and each object the class that it had at that moment; or
 * LUAS_EUNSENT. No finalizer runs while a message is written, but within __luas_pack.
 */
#ifndef LUAS_LUA_CODEC_H
#define LUAS_LUA_CODEC_H

#include <lua.h>
#include <stdbool.h>
#include <stddef.h>

#include "buffer.h"

typedef struct luas__encode_options {
    int space;              /* stack index of a space, or 0 */
    luas__buffer *defines;  /* host: complete define messages are appended, at most
                               a few for each call; NULL: classes travel by value */
    size_t limit;           /* bytes above which it is LUAS_ETOOBIG; 0: WIRE_MAX */
    int unchanged;          /* host: what the space has is still as it was defined, so that
                               all of it, and not just its classes, goes by number */
    int modules;            /* stack index of a table or nil, or 0: becomes a table with
                               the names of the modules referred to, if there are any */
    const char *each;       /* what messages begin with: `result`, and which, if one is at
                               fault; NULL: `value` and which, if there are several */
    int plain;              /* for a reader without Lua (plain.h): tables and userdata that
                               have a name travel by value too, nil is each one's class, and
                               functions cannot be sent */
} luas__encode_options;

/*
 * Appends an array of the `count` values from index `first`: 0; or negative,
 * `out` and `defines` as they were, and a message pushed. Several values: the
 * message says which, as in `value 2, [3]: thread`.
 */
int luas__encode(lua_State *L, int first, int count, luas__buffer *out,
                 const luas__encode_options *options);

/* The same for one value, without the array around it. */
int luas__encode_value(lua_State *L, int index, luas__buffer *out,
                       const luas__encode_options *options);

typedef struct luas__carried {
    int dynamic;    /* may use globals that nobody can tell from its constants */
    bool *held;     /* in: what luas__gc_hold gave, if the caller has called it, as who asks afterwards
                       what the function has must; or NULL */
} luas__carried;

/*
 * Appends the define message of a job's function (any value) and all that it
 * refers to, with an empty space: 0, and pushes a table whose keys are the
 * names of the modules that it refers to; or negative, `out` as it was, and
 * a message pushed. The same function in the same state gives the same bytes;
 * a space can serve again if luas__space_same says that they mean the same.
 */
int luas__encode_definition(lua_State *L, int function, int space, luas__buffer *out, size_t limit,
                luas__carried *info);

enum {
    /*
     * The sender is trusted as one's own process is: functions, globals and
     * names are accepted. Without it a message holds data only.
     */
    LUAS__FUNCTIONS = 1
};

/*
 * Pushes the values of the array that `bytes` hold, exactly: their count; or
 * negative and a message pushed: LUAS_EPROTO for bytes that luas__encode never
 * writes, LUAS_EUNSENT for a module that is not here or a __luas_unpack that
 * raised, LUAS_EDEEP, LUAS_ETOOBIG. `space` is a stack index or 0.
 */
int luas__decode(lua_State *L, const char *bytes, size_t len, int space, int flags);

/* The same for one number, as most results are, but not for each: true; or nothing
   was done. */
bool luas__decode_number(lua_State *L, const char *bytes, size_t len);

/* The same for one value: 1, the value pushed. */
int luas__decode_value(lua_State *L, const char *bytes, size_t len, int space, int flags);

/*
 * Takes a define message into a worker's side of a space: 0, and pushes its
 * root; or negative as luas__decode. After a failure the space is behind its
 * host and of no further use.
 */
int luas__decode_define(lua_State *L, int space, const char *bytes, size_t len);

#endif
