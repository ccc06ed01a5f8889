/*
 * Lua values and functions as bytes (value_format.h), and back.
 *
 * The host, for one job: 1. luas__space_new(L, 0); 2. luas__encode_definition() gives the
 * define message with the job's function, for luas__decode_define() in each worker;
 * 3. luas__encode() for arguments, with the space, and with a buffer for further define
 * messages. A worker must take these before anything that was encoded with them or later;
 * 4. luas__decode() for results, with the space.
 * A worker: luas__space_new(L, 1), luas__decode_define() for each define message in order,
 * luas__decode() and luas__encode() with that space.
 * If workers inherit the function: luas__class_scan() before the fork, and the inherited space
 * at both ends.
 *
 * Encoding does not raise, unless there is no memory for its message. Decoding can raise memory
 * errors, because it leaves values on the stack, and what the hook of a signal raised (stop.h).
 * All other failures are codes. A failure pushes
 * one message for people; otherwise the stack is as before. With LUAS_EUNSENT the message is the
 * path to the value that cannot be sent (`field "conn": userdata (FILE*) cannot be sent`). So the
 * caller can put "item 3, " before it. With LUAS_EINTR the hook of a signal raised the message,
 * which the caller must raise again.
 *
 * What __luas_unpack may reach is there before it is called: objects that a class reaches, and that
 * travel with it, are not packed.
 *
 * Stack indices must be positive. Both need stack space for the values only. They may call
 * __luas_pack, __luas_unpack and require, in protected mode, and these may do anything. Tables
 * that __luas_pack changes arrive as they were before, if writing them had begun: each table has
 * the fields, and each object the class, that it had at one moment; or the result is
 * LUAS_EUNSENT. While a message is written no finalizer runs, except inside __luas_pack.
 */
#ifndef LUAS_CODEC_H
#define LUAS_CODEC_H

#include <lua.h>
#include <stdbool.h>
#include <stddef.h>

#include "buffer.h"

/* Stands among the names of modules if the reader must have loaded the same libraries in C. */
#define LUAS__LIBRARIES "(libraries)"

typedef struct luas__encode_options {
    int space;              /* stack index of a space, or 0 */
    luas__buffer *defines;  /* host: complete define messages are appended, at most
                               a few for each call; NULL: classes travel by value */
    size_t limit;           /* bytes above which it is LUAS_ETOOBIG; 0: WIRE_MAX */
    int unchanged;          /* host: the objects of the space are as they were defined: so
                               all of them go by number, not only classes */
    int modules;            /* stack index of a table or nil, or 0. Becomes a table with the
                               names of the modules that are referred to, if there are any; and
                               with objects whose names lead through upvalues of these */
    const char *each;       /* messages begin with this and the number of the value: `result
                               2`; NULL: with `value 2`, if there are several */
    int plain;              /* for a reader without Lua (plain.h): tables and userdata with a
                               name are sent by value, classes become nil, and functions
                               cannot be sent */
    const char *functions;  /* why functions cannot be sent, but for those of classes; NULL: they
                               can */
    int foreign;            /* for processes that are no forks of this one, or of its host: light
                               userdata goes by name only */
} luas__encode_options;

/* Call it in a worker before any code of the user's runs. What libraries it loads is not known to
   its host. */
void luas__encode_light_snapshot(lua_State *L);

/*
 * Appends an array of the `count` values from index `first`. Returns 0; or negative, with `out`
 * and `defines` unchanged and a message pushed. If there are several values the message says
 * which one fails: `value 2, [3]: thread`.
 */
int luas__encode(lua_State *L, int first, int count, luas__buffer *out,
                 const luas__encode_options *options);

/* The same for one value, without the array around it. */
int luas__encode_value(lua_State *L, int index, luas__buffer *out,
                       const luas__encode_options *options);

typedef struct luas__carried {
    int64_t budget; /* in: ns of the CPU that a long message may take, else it is LUAS_ETOOBIG; 0: any. Not
                       for a function that uses globals which the host does not have */
    int dynamic;    /* it may use globals that its constants do not show */
    bool *held;     /* in: the result of luas__gc_hold, or NULL. A caller that looks at the function
                       afterwards must hold the collector */
    int kept;       /* in: 0; or the root is a table of settings (settings.h), and this is the
                       stack index of a table of the objects that workers have kept, with their
                       numbers; and so of upvalues, as light userdata. The space may hold objects */
} luas__carried;

/*
 * Appends the define message of a job's function (any value) and of everything that it refers
 * to; the space must be empty. Returns 0 and pushes a table whose keys are the names of the
 * modules that it refers to, and objects whose names lead through upvalues of these; or negative, with `out` unchanged and a message pushed. The same
 * function in the same state gives the same bytes. A space can be used again if
 * luas__space_same says that both hold the same.
 */
int luas__encode_definition(lua_State *L, int function, int space, luas__buffer *out, size_t limit,
                luas__carried *info);

enum {
    /*
     * Trust the sender like this process: accept functions, globals and names. Without this
     * flag a message holds data only.
     */
    LUAS__FUNCTIONS = 1
};

/*
 * Pushes the values of the array in `bytes`. Returns how many; or negative, with a message pushed:
 * LUAS_EPROTO for bytes that luas__encode never writes, LUAS_EUNSENT for a module that is not
 * here or a __luas_unpack that raised, LUAS_EDEEP, LUAS_ETOOBIG. `space` is a stack index or 0.
 */
int luas__decode(lua_State *L, const char *bytes, size_t len, int space, int flags);

/* A quick way for a single number, which most results are. Returns false if it does not apply:
   then nothing was done. */
bool luas__decode_number(lua_State *L, const char *bytes, size_t len);

/* The same for one value. Returns 1, with the value pushed. */
int luas__decode_value(lua_State *L, const char *bytes, size_t len, int space, int flags);

/*
 * Decodes a define message into a worker's side of a space. Returns 0 and pushes the root; or
 * negative, as luas__decode. After a failure the space lacks objects that the host has, and
 * must not be used.
 */
int luas__decode_define(lua_State *L, int space, const char *bytes, size_t len);

#endif
