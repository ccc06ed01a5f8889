/* What the files behind "luas.core" share: the handles of pools and jobs. */
#ifndef LUAS_HANDLES_H
#define LUAS_HANDLES_H

#include <lauxlib.h>
#include <sys/types.h>

#include "pool.h"

/* The classes of their handles. */
#define LUAS__POOL_CLASS "luas.core.pool"
#define LUAS__JOB_CLASS "luas.core.job"

/* Registry: the pools of this state, weak, for a fork to close its copies. */
#define LUAS__POOLS_KEY "luas.pools"

/* User values of a pool: the table of its options, and the functions that
   were carried (ship_cache.h). */
enum { LUAS__POOL_OPTIONS = 1, LUAS__POOL_RECALLED };

/* A pool; born closed. */
typedef struct luas__handle {
    luas__pool *pool;   /* NULL once closed */
    uint32_t forgotten; /* how often its carried functions were forgotten */
    uint64_t forks;     /* that were looked at */
    uint64_t calls;     /* user_calls.h, when the owner was last told of some; or 0 */
    int readers;        /* calls that read an outcome now: it cannot be freed */
} luas__handle;

/* What a call gives to the core so that a worker forked in it can go on. */
typedef struct luas__fork_point {
    lua_State *L;
    int pool;           /* stack index of the pool's handle */
} luas__fork_point;

/* The pool at this index; raises if it is none, or closed. */
luas__handle *luas__handles_pool(lua_State *L, int index);

/* Raises what the code says; for a broken pool, why it is broken. */
int luas__handles_raise(lua_State *L, luas__pool *p, int rc);

/* Drives all pools of this state without waiting: is any job unfinished? And when (coarse
   ns) the oldest of those that may still have messages was made; now, if none has. */
bool luas__handles_step(lua_State *L);
int64_t luas__handles_oldest_job(lua_State *L);

/* Registers a metatable; `methods` may be followed by more of them. */
void luas__handles_new_class(lua_State *L, const char *name, const luaL_Reg *methods,
                             const luaL_Reg *meta);
void luas__handles_add_methods(lua_State *L, const char *name, const luaL_Reg *methods);

/* The handle at the top, which holds nothing yet, is closed even where Lua does not call its finalizer;
   raises where nobody would close it (keeper.h). */
void luas__handles_keep(lua_State *L);

/* As luaL_checkudata, and quicker in a method of that class. */
void *luas__handles_check(lua_State *L, int index, const char *name);

#endif
