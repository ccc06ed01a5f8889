/*
 * The fields of a line, for code at the command line (lua/luas/shell.lua).
 *
 *   fields({sep= or nil, quotes=, names=}) -> F, set
 *
 * set(line) has F be the fields of that line, which are looked for only as far as they are asked
 * for: F[1], F[-1] from the end, #F. Without `sep` they lie between spaces; with `quotes` they are
 * those of CSV. F[name] is the field whose name is the key of its number in `names`.
 */
#ifndef LUAS_FIELDS_H
#define LUAS_FIELDS_H

#include <lauxlib.h>

extern const luaL_Reg luas__fields_functions[];

#endif
