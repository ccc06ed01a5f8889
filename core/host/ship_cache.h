/*
 * Functions that were carried before: where a function and all that it
 * captures is unchanged, its define message need not be made again. That can
 * be told quickly as long as it captures functions, plain values and what
 * goes by name: each of them is compared. One that captured a table is always
 * carried anew, for tables change inside.
 *
 * A memo is {space, message, modules, function, size, checks...}; a job has it to itself as
 * long as it is fed, for that extends its space. Idle memos wait in a cache,
 * a table with weak keys: function -> memo.
 */
#ifndef LUAS_LUA_RECALL_H
#define LUAS_LUA_RECALL_H

#include <lua.h>

enum { MEMO_SPACE = 1, MEMO_MESSAGE, MEMO_MODULES, MEMO_FUNCTION, MEMO_SIZE, MEMO_CHECKS };

/* Pushes a new cache. */
void luas__ship_cache_new(lua_State *L);

/* Pushes the memo of the function, and takes it out of the cache: 1; or 0 and
   nothing when there is none that still holds. */
int luas__ship_cache_take(lua_State *L, int cache, int function);

/* Makes a memo of what luas__encode_definition just gave, pushed: 1; or 0 and nothing
   when no comparison could tell that it still holds. */
int luas__ship_cache_make(lua_State *L, int function, int space, int modules,
                      const char *message, size_t len);

/* Adds to the set of modules the standard libraries that the function names. */
void luas__ship_cache_libraries(lua_State *L, int space, int modules);

/* Puts the memo at the top (popped) into the cache, if its space is as it was. */
void luas__ship_cache_keep(lua_State *L, int cache);

#endif
