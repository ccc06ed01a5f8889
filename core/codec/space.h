/*
 * A space: objects that the host and its workers both know by number, for one
 * job, so that a class is the same class after a trip. The job's function and
 * all that it refers to are defined once (value_format.h, define messages); values
 * that travel later refer to their metatables by number, and so do arguments
 * from the moment of the submission to any of its objects.
 *
 * The host's side of a space keeps its own objects alive. A worker's side has
 * an environment, which the job's functions have for their globals: carried
 * globals are its fields; a name that the host had no value for reads as nil
 * if the worker merely inherited one (luas__names_snapshot); any other name is
 * the worker's own global, through its metamethods if it has some. What a
 * task assigns to a carried name stays in the environment, and to another
 * name goes to the worker's globals.
 *
 * A space is a userdata. A fork inherits it and may use it as a worker's side
 * without an environment: addresses are the same there, and what is defined
 * later has the fork's own globals. Functions may raise
 * memory errors.
 */
#ifndef LUAS_LUA_SPACE_H
#define LUAS_LUA_SPACE_H

#include <lua.h>

#include "ptrmap.h"

/* What no plain table is; found by the encoder, whose first message in a state goes without. */
typedef struct luas__landmarks {
    const luas__ptrmap *named;    /* objects that may travel by name; or NULL */
    const void *globals;
} luas__landmarks;

typedef struct luas__space {
    luas__ptrmap numbers;     /* object -> number, from 0 */
    luas__ptrmap cells;       /* the host's: upvalue -> a function that has it (encode_function.c) */
    uint32_t count;             /* objects, all numbered without a gap */
    uint32_t names;             /* names of globals that were looked for */
    uint32_t names_defined;     /* so many of them stand in a define message */
    uint32_t known, names_known;    /* objects and names as of the last commit */
    int worker;                 /* has an environment */
    int busy;                   /* something is encoded with it */
    int released;               /* its finalizer was called: only what it has can be looked up */
    int inherited;              /* the workers are forks, which have all globals */
    luas__landmarks landmarks;  /* a copy for the encoder, which has the space at hand */
} luas__space;

/* User values: number -> object; names (below); environment or nil. */
enum { SPACE_OBJECTS = 1, SPACE_NAMES, SPACE_ENVIRONMENT };

/*
 * The table of names has them in order from 1, and each as a key: what became
 * of it. On a worker's side only the keys are there.
 */
enum { NAME_WANTED = 1, NAME_CARRIED, NAME_ABSENT, NAME_STANDARD };

/* Pushes a new empty space. */
void luas__space_new(lua_State *L, int worker_side);

/* The space at this index, or NULL if it is none. */
luas__space *luas__space_at(lua_State *L, int index);

/*
 * The object at the top (which stays) is the one of this number, which is
 * below count. `objects` is the index of the user value.
 */
void luas__space_bind(lua_State *L, luas__space *s, int objects, uint32_t number);

/* Declares all objects and names so far complete. */
void luas__space_commit(luas__space *s);

/* Forgets what came since the last commit. */
void luas__space_rollback(lua_State *L, int space);

/* Adds the name at the top (popped) to those looked for, unless it is there. */
void luas__space_want(lua_State *L, int space);

/* 1 if both hold the very same objects: results of one can be read in the other. */
int luas__space_same(lua_State *L, int a, int b);

/* Is the value at this index the environment of any space? */
int luas__space_is_environment(lua_State *L, int index);

/*
 * On a worker's side: can no task change what this space holds? So it is with
 * functions that have no upvalues but their globals, of which none is carried.
 * Jobs with the same definition can then share the space.
 */
int luas__space_is_pure(lua_State *L, int space);

/*
 * For a job that workers inherit instead of being sent it: walks from the
 * function (or inputs) at `function` over upvalues, the globals it names, tables and
 * metatables, nearest first, and adds the tables that look like classes to
 * the space, before the workers are forked. Looks at `limit` values at most,
 * and not far into any one table. Gives the number of classes added.
 */
int luas__class_scan(lua_State *L, int function, int space, int limit);

#endif
