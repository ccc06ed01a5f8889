/*
 * The fields of a line, for code at the command line (lua/luas/shell.lua).
 *
 *   fields({sep= or nil, quotes=, names=}) -> F, set, set_record, columns, add, column_function
 *
 * set(line) has F be the fields of that line, which are looked for only as far as they are asked
 * for: F[1], F[-1] from the end, #F. Without `sep` they lie between spaces; with `quotes` they are
 * those of CSV. F[name] is the field whose name is the key of its number in `names`.
 *
 * What code mostly does with them is done here without a Lua value for each step:
 *   set_record()                    F has the fields of the running task's record
 *   columns(i, ...) -> text or nothing     the fields of these numbers, as text_of of printer.h has them
 *   column_function(i, ...) -> function     set_record and columns in one; nothing: too many
 *   add(t, place, i)                as `add` of fold.h, with the field of that number
 */
#ifndef LUAS_FIELDS_H
#define LUAS_FIELDS_H

#include <lauxlib.h>

extern const luaL_Reg luas__fields_functions[];

typedef struct luas__fields luas__fields;

/* F at this index. Raises if it is none. */
luas__fields *luas__fields_check(lua_State *L, int index);

/* They are those of this line from now on. The bytes stay the caller's. */
void luas__fields_set(luas__fields *f, const char *line, size_t len);

#endif
