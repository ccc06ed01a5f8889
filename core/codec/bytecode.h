/*
 * Reads bytecode as lua_dump writes it (Lua 5.4). Is it complete, and which globals does
 * the function use? Nothing here calls Lua or allocates.
 */
#ifndef LUAS_BYTECODE_H
#define LUAS_BYTECODE_H

#include <stddef.h>
#include <stdint.h>

#include "buffer.h"

/* A function has at most 255 upvalues: bit i is its upvalue i, from 0. */
typedef struct luas__upvalues {
    uint64_t bits[4];
} luas__upvalues;

static inline void luas__bytecode_set_upvalue(luas__upvalues *set, unsigned i)
{
    set->bits[i / 64 % 4] |= UINT64_C(1) << i % 64;
}

static inline int luas__bytecode_has_upvalue(const luas__upvalues *set, unsigned i)
{
    return set->bits[i / 64 % 4] >> i % 64 & 1;
}

/* Called with each name; a name may come more than once. `is_written`: it is assigned to there.
   Returns 0 to go on. */
typedef int (*luas__bytecode_sink)(void *context, const char *name, size_t len, int is_written);

/*
 * Returns 0 if these bytes are one complete dump of this version of Lua, with its sizes of
 * numbers; else LUAS_EPROTO. Instructions are not verified: a malicious dump that passes can
 * still crash Lua.
 */
int luas__bytecode_check(const char *dump, size_t len);

/*
 * Finds the globals of a dumped function. `env` says which of its upvalues hold the table of
 * globals. Returns 0, or LUAS_EPROTO, or what the sink returned if that is not 0. Returns 1
 * if the function can reach globals by names that its constants do not show: it uses _ENV as
 * a value, _G, load, loadfile or dofile. Then the sink gets all its string constants.
 */
int luas__bytecode_names(const char *dump, size_t len, const luas__upvalues *env,
                     luas__bytecode_sink sink, void *context);

/*
 * Appends a dump without the numbers of lines where its functions are defined, which a stripped
 * dump still has, and gives the sink all string constants of these. Returns 0, LUAS_EPROTO, LUAS_ENOMEM, or what the
 * sink returned if that is not 0.
 */
int luas__bytecode_bare(const char *dump, size_t len, luas__buffer *out, luas__bytecode_sink sink, void *context);

#endif
