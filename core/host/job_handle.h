/*
 * A job as a userdata of Lua's: what the files of its methods share. job_handle.c
 * makes it and carries its function, feed.c encodes its inputs,
 * collect.c decodes its outcomes.
 *
 * Every method has the job at AT_JOB. What runs Lua code in between (a source,
 * __luas_pack, __luas_unpack) may have ended the job: check again after it.
 */
#ifndef LUAS_LUA_JOB_H
#define LUAS_LUA_JOB_H

#include "fail.h"
#include "handles.h"

/* User values of a job. Printed: a table, index -> what the task printed.
   Memo: of the function (ship_cache.h), or nil. */
enum { JOB_POOL = 1, JOB_SPACE, JOB_PRINTED, JOB_MEMO };

enum { AT_JOB = 1 };

typedef struct luas__job_handle {
    luas__job *job;         /* NULL once dropped */
    luas__handle *pool;
    luas__buffer bytes;     /* tasks being encoded */
    luas__buffer defines;   /* what they need defined before them */
    size_t *ends;           /* in `bytes`, of the `count` tasks; room for `cap` */
    uint32_t count;
    size_t cap;
    uint32_t forgotten;     /* the pool's count of that when the function was carried */
    bool reading;           /* an outcome, of which the job has the bytes */
    bool collected;         /* its finalizer was called */
    int rest;               /* KB; the collector's, while outcomes are taken (gc_pause.h) */
} luas__job_handle;

/* The job, whatever has become of it. */
luas__job_handle *luas__job_handle_of(lua_State *L);

/* The same; raises unless it and its pool are there. */
luas__job_handle *luas__job_handle_check(lua_State *L);

static inline void luas__job_check_alive(lua_State *L, const luas__job_handle *h)
{
    if (h->pool->pool == NULL)
        luas__fail(L, "pool is closed");
    if (h->job == NULL)
        luas__fail(L, h->collected ? "the job has been collected" : "the job is over");
}

/* Gives rc, or raises what it says if it is negative. */
static inline int luas__job_try(lua_State *L, luas__job_handle *h, int rc)
{
    return rc < 0 ? luas__handles_raise(L, h->pool->pool, rc) : rc;
}

/* Pushes the job's space, made if need be, and gives its index. */
int luas__job_handle_space(lua_State *L);

/* The memo of a job into which nothing more is encoded can serve another one, if it
   was not to be forgotten. */
void luas__job_return_memo(lua_State *L, const luas__job_handle *h);

/* With a message at the top: nil and the message, for the method to return. */
int luas__job_handle_refuse(lua_State *L);

/* The methods that feed.c and collect.c have. */
extern const luaL_Reg luas__feed_methods[], luas__collect_methods[];

/* Registers the class, with the methods of job_handle.c. */
void luas__job_handle_class(lua_State *L);

/* The method P:job, and core.policy. */
int luas__job_handle_new(lua_State *L);
int luas__job_handle_policy(lua_State *L);

/* feed.c: core.check_list(list, index) gives the length of item `index` of a starmap,
   and raises unless it is a list of arguments. */
int luas__feed_check_list(lua_State *L);

#endif
