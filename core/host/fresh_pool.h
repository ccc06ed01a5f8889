/*
 * Pools of scripts whose workers are fresh programs. Such a worker is one of luas.h (embed_worker.h),
 * with a script of the library's own (lua/luas/fresh.lua), which makes it ready for what is
 * shipped.
 *
 *   core.fresh_program(path or nil) -> path     of the program luas (embed_program.h); or nil, why
 */
#ifndef LUAS_FRESH_POOL_H
#define LUAS_FRESH_POOL_H

#include <lua.h>

#include "state.h"

typedef struct luas__fresh_pool luas__fresh_pool;

int luas__fresh_pool_program(lua_State *L);

/* If the table of options at the index has a field `fresh` {program, words, exit} the pool's workers are
   such: notes that in *o, and returns what they need. Else NULL. */
luas__fresh_pool *luas__fresh_pool_new(lua_State *L, int options, luas__pool_options *o);

/* It may be NULL. Its pool is closed. */
void luas__fresh_pool_free(luas__fresh_pool *f);

#endif
