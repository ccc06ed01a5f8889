/*
 * Remembers functions that were carried. If a function and everything that it captures is
 * unchanged, its define message need not be made again. That is checked by comparing each captured
 * value. It works for functions, plain values and objects that are sent by name. A function that
 * captures a table is always carried anew, because the table may have changed inside.
 *
 * A memo is {space, message, modules, function, size, checks...}. While a job is fed, no other job
 * may use its memo, because feeding extends the space. Idle memos are in a cache, a table with weak
 * keys: function -> memo.
 */
#ifndef LUAS_SHIP_CACHE_H
#define LUAS_SHIP_CACHE_H

#include <lua.h>

enum { MEMO_SPACE = 1, MEMO_MESSAGE, MEMO_MODULES, MEMO_FUNCTION, MEMO_SIZE, MEMO_CHECKS };

/* Pushes a new cache. */
void luas__ship_cache_new(lua_State *L);

/* If the function has a memo that is still valid, takes it out of the cache, pushes it and
   returns 1. Else returns 0. */
int luas__ship_cache_take(lua_State *L, int cache, int function);

/* Makes a memo of the results of luas__encode_definition, pushes it and returns 1. Returns 0 if
   comparing could not tell whether it is still valid. */
int luas__ship_cache_make(lua_State *L, int function, int space, int modules,
                      const char *message, size_t len);

/* Adds the standard libraries that the function uses to the set of modules. */
void luas__ship_cache_libraries(lua_State *L, int space, int modules);

/* Pops the memo at the top, and puts it into the cache if its space is unchanged. */
void luas__ship_cache_keep(lua_State *L, int cache);

#endif
