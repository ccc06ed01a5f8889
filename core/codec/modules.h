/*
 * The files of lua/, embedded at build time: one file is the whole program.
 * The array is generated (scripts/cmake/embed.cmake), in no promised order,
 * and ends with an entry whose name is NULL.
 *
 * A second array has the bytecode of the same files, in the same order. Its first entry is
 * NULL if no Lua could be run when luas was built. The Lua that loads luas may differ from
 * the one that made the bytecode: see open.c.
 */
#ifndef LUAS_MODULES_H
#define LUAS_MODULES_H

#include <stddef.h>

typedef struct luas__module {
    const char *name;   /* as for require: "luas.pool" */
    const char *chunk;  /* as in messages: "@luas/pool.lua" */
    const char *source; /* with a zero after its end */
    size_t size;        /* bytes, without that zero */
} luas__module;

typedef struct luas__code {
    const char *bytes;
    size_t size;
} luas__code;

extern const luas__module luas__modules[];
extern const luas__code luas__compiled[];

/* Registry: luas__compiled, if the program contains the Lua that compiled it. */
#define LUAS__COMPILED_BY "luas.compiled"

#endif
