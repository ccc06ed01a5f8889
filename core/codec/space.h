/*
 * A space: the objects of one job that the host and its workers both know by number. So a class is
 * the same class after a trip. The job's function and everything that it refers to are defined
 * once (value_format.h, define messages). Values that are sent later refer to their metatables by
 * number. Arguments that are sent at the submission may refer to any object of the space.
 *
 * The host's side of a space keeps its objects alive. A worker's side has an environment, which
 * the job's functions use as their globals:
 *
 *   a carried global          is a field of the environment. What a task assigns to it stays
 *                             there
 *   a name without a value    is nil, if the worker has merely inherited a value from its host
 *   in the host               (luas__names_snapshot)
 *   any other name            is the worker's own global, with its metamethods. Assignments
 *                             go there as well
 *
 * A space is a userdata. A fork inherits it and may use it as a worker's side without an
 * environment: there addresses are the same, and definitions that come later use the fork's own
 * globals. Functions may raise memory errors.
 */
#ifndef LUAS_SPACE_H
#define LUAS_SPACE_H

#include <lua.h>

#include "fd_set.h"
#include "ptrmap.h"

/* Pointers by which the encoder knows that a table is not plain. They are found while the first
   message of a state is encoded. */
typedef struct luas__landmarks {
    const luas__ptrmap *named;    /* objects that may travel by name; or NULL */
    const void *globals;
} luas__landmarks;

/* How many bits of a WIRE_UPVALUE's number are the index of the upvalue. */
enum { LUAS__PLACE_BITS = 8 };

typedef struct luas__space {
    luas__ptrmap numbers;     /* object -> number, from 0 */
    luas__ptrmap cells;       /* the host's: upvalue -> a function that has it, shifted, and its index */
    uint32_t count;             /* how many objects; numbers have no gaps */
    uint32_t names;             /* how many names of globals were looked for */
    uint32_t names_defined;     /* how many of these are in a define message */
    uint32_t known, names_known;    /* objects and names as of the last commit */
    int worker;                 /* has an environment */
    int busy;                   /* something is encoded with it */
    int released;               /* its finalizer was called: nothing can be added any more */
    int inherited;              /* the workers are forks, and have all globals */
    const void *settings;       /* the table of SPACE_SETTINGS */
    luas__landmarks landmarks;  /* a copy, which the encoder reaches quickly */
} luas__space;

/* User values: number -> object; names (below); environment or nil; a worker's side: the settings for
   tasks (settings.h) or nil; of a job that is inherited: a set of the globals that its functions assign
   to, or nil. */
enum { SPACE_OBJECTS = 1, SPACE_NAMES, SPACE_ENVIRONMENT, SPACE_SETTINGS, SPACE_WRITTEN };

/*
 * The table of names: it has the names in order from 1, and each name as a key with its state. A
 * worker's side has only the keys.
 */
enum { NAME_WANTED = 1, NAME_CARRIED, NAME_ABSENT, NAME_STANDARD };

/* Pushes a new empty space. */
void luas__space_new(lua_State *L, int worker_side);

/* The space at this index, or NULL if it is none. */
luas__space *luas__space_at(lua_State *L, int index);

/*
 * Gives the object at the top, which stays, this number, which is below count. `objects` is the
 * index of the user value.
 */
void luas__space_bind(lua_State *L, luas__space *s, int objects, uint32_t number);

/* Makes all objects and names up to now permanent. */
void luas__space_commit(luas__space *s);

/* Forgets the objects and names since the last commit. */
void luas__space_rollback(lua_State *L, int space);

/* Adds the name at the top (popped) to those that are looked for, if it is new. */
void luas__space_want(lua_State *L, int space);

/* Do both hold the very same objects? Then results for one can be read with the other. */
int luas__space_same(lua_State *L, int a, int b);

/* Call it when the globals may have got a metatable: the environment of the space at this index
   asks its functions as they expect it. */
void luas__space_follow_globals(lua_State *L, int space);

/* Is the value at this index the environment of any space? */
int luas__space_is_environment(lua_State *L, int index);

/*
 * On a worker's side: is it impossible for tasks to change what the space holds? That is true for
 * functions whose only upvalue is their globals, if no global is carried. Then jobs with the same
 * definition can share the space.
 */
int luas__space_is_pure(lua_State *L, int space);

/*
 * For a job that workers inherit: finds classes before the workers are forked. Walks from the
 * function (or the inputs) at `function` over upvalues, the globals that it names, tables and
 * metatables, nearest first, and adds tables that look like classes to the space. Looks at no
 * more than `limit` values, and not far into any one table. Returns how many classes it added.
 *
 * Unless `captured` is NULL it gets the descriptors of the userdata on the way. It is partial
 * if a userdata's are not known, if there are coroutines, or if some userdata have one and
 * not all values were looked at. What travels by name is not looked at.
 */
enum { LUAS__SURVEY = 20000 }; /* the usual limit */
int luas__class_scan(lua_State *L, int function, int space, int limit, luas__fd_set *captured);

#endif
