/*
 * A job as a userdata, for all files with methods of it: job_handle.c makes it and carries its
 * function, feed.c encodes its inputs, collect.c decodes its outcomes.
 *
 * Every method has the job at AT_JOB. Code of the user (a source, __luas_pack, __luas_unpack) may
 * end the job: check it again after calling such code.
 */
#ifndef LUAS_JOB_HANDLE_H
#define LUAS_JOB_HANDLE_H

#include "codec.h"
#include "fail.h"
#include "handles.h"

/* User values of a job. Printed: a table, index -> what the task printed.
   Memo: of the function (ship_cache.h), or nil. Journal: what makes keys of its tasks (journal_handle.h),
   or nil. */
enum { JOB_POOL = 1, JOB_SPACE, JOB_PRINTED, JOB_MEMO, JOB_JOURNAL };

enum { AT_JOB = 1 };

typedef struct luas__job_handle {
    const char *class;
    luas__job *job;         /* NULL once dropped */
    luas__handle *pool;
    luas__buffer bytes;     /* tasks being encoded */
    luas__buffer defines;   /* what they need defined before them */
    size_t *ends;           /* in `bytes`, of the `count` tasks; room for `cap` */
    uint32_t count;
    size_t cap;
    uint32_t forgotten;     /* the pool's count of that when the function was carried */
    bool in_source;         /* a function that gives inputs is being called */
    bool reading;           /* an outcome is being read; its bytes are in the job */
    bool collected;         /* its finalizer was called */
    int rest;               /* KB; credit for the collector's rest (gc_pause.h) */
} luas__job_handle;

/* A larger function is inherited: that is cheaper than sending it to each worker. */
enum { LUAS__SHIP_LIMIT = 256 << 10 };

/* The job, even if it was dropped. */
luas__job_handle *luas__job_handle_of(lua_State *L);

/* The job. Raises if it or its pool is gone. */
luas__job_handle *luas__job_handle_check(lua_State *L);

static inline void luas__job_handle_check_alive(lua_State *L, const luas__job_handle *h)
{
    if (h->pool->pool == NULL)
        luas__fail(L, "pool is closed");
    if (h->job == NULL)
        luas__fail(L, h->collected ? "the job has been collected" : "the job is over");
}

/* Returns rc, or raises its message if it is negative. */
static inline int luas__job_handle_try(lua_State *L, luas__job_handle *h, int rc)
{
    return rc < 0 ? luas__handles_raise(L, h->pool->pool, rc) : rc;
}

/* Pushes the job's space, which it makes if there is none, and returns its index. */
int luas__job_handle_space(lua_State *L);

/* Call it when nothing more is encoded into a job: another job may then use its memo, if that
   was not forgotten. */
void luas__job_handle_return_memo(lua_State *L, const luas__job_handle *h);

/* With a message at the top: makes the method return nil and the message. */
int luas__job_handle_refuse(lua_State *L);

/* The methods that feed.c and collect.c have. */
extern const luaL_Reg luas__feed_methods[], luas__collect_methods[];

/* Registers the class, with the methods of job_handle.c. */
void luas__job_handle_class(lua_State *L);

/* The method P:job, and core.policy. */
int luas__job_handle_new(lua_State *L);
int luas__job_handle_policy(lua_State *L);

/* feed.c: core.check_list(list, index) returns the length of item `index` of a starmap. Raises
   if that is no list of arguments. */
int luas__feed_check_list(lua_State *L);

/* Pushes the arguments that item `index`, a list at stack index `item`, has. Returns how many. */
int luas__feed_push_list(lua_State *L, int item, lua_Integer index);

/* Appends one task as batches have them: the size of its arguments, and these, the `n` values from
   `first`. On failure a message is pushed, and `out` is unchanged. */
int luas__feed_task(lua_State *L, luas__buffer *out, int first, int n, const luas__encode_options *options);

#endif
