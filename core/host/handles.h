/* The handles of pools and jobs, for all files of "luas.core". */
#ifndef LUAS_HANDLES_H
#define LUAS_HANDLES_H

#include <lauxlib.h>
#include <sys/types.h>

#include "pool.h"

/* The classes of their handles: names, whose addresses stand in each handle. */
extern const char luas__handles_pool_class[], luas__handles_job_class[];
#define LUAS__POOL_CLASS luas__handles_pool_class
#define LUAS__JOB_CLASS luas__handles_job_class

/* Registry: the pools of this state, weak, so that a forked child can close its copies. */
#define LUAS__POOLS_KEY "luas.pools"

/* User values of a pool: the table of its options, and the functions that
   were carried (ship_cache.h). */
enum { LUAS__POOL_OPTIONS = 1, LUAS__POOL_RECALLED };

/* A pool; born closed. */
typedef struct luas__handle {
    const char *class;
    luas__pool *pool;   /* NULL once closed */
    uint32_t forgotten; /* how often its carried functions were forgotten */
    uint64_t forks;     /* how many forks were taken into account */
    uint64_t calls;     /* the count of user_calls.h when the owner was last told of forks; or 0 */
    int64_t collected;  /* ns; when garbage was last collected for what was short; or 0 */
    luas__buffer notes; /* notes of the pool that are being reported */
    int readers;        /* how many calls read an outcome now: it must not be freed */
    struct luas__fresh_pool *fresh; /* what its workers need that are fresh programs; or NULL */
} luas__handle;

/* What a call passes to the core for workers that are forked during it. */
typedef struct luas__fork_point {
    lua_State *L;
    int pool;           /* stack index of the pool's handle */
} luas__fork_point;

/* The pool at this index. Raises if there is none, or if it is closed. */
luas__handle *luas__handles_pool(lua_State *L, int index);

/* Raises the message of the code; for a broken pool, the reason why it is broken. */
int luas__handles_raise(lua_State *L, luas__pool *p, int rc);

/* The first drives all pools of this state without waiting: is any job unfinished? The second
   tells when (coarse ns) the oldest job was made that may still have messages; now, if there is
   none. */
bool luas__handles_step(lua_State *L);
int64_t luas__handles_oldest_job(lua_State *L);

/* Registers a metatable. The second function adds more methods. The userdata of a class begin with the
   address of its name. */
void luas__handles_new_class(lua_State *L, const char *name, const luaL_Reg *methods,
                             const luaL_Reg *meta);
void luas__handles_add_methods(lua_State *L, const char *name, const luaL_Reg *methods);

/* Makes sure that the handle at the top is closed even if Lua does not call its finalizer. It
   must hold nothing yet. Raises if nobody would close it (keeper.h). */
void luas__handles_keep(lua_State *L);

/* Like luaL_checkudata, but quicker. */
void *luas__handles_check(lua_State *L, int index, const char *name);

#endif
