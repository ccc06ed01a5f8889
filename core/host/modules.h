/*
 * The files of lua/, embedded at build time: one file is the whole program.
 * The array is generated (scripts/cmake/embed.cmake), in no promised order,
 * and ends with an entry whose name is NULL.
 */
#ifndef LUAS_LUA_MODULES_H
#define LUAS_LUA_MODULES_H

#include <stddef.h>

typedef struct luas__module {
    const char *name;   /* as for require: "luas.pool" */
    const char *bytes;  /* Lua source, with a zero after its end */
    size_t size;        /* bytes, without that zero */
} luas__module;

extern const luas__module luas__modules[];

#endif
