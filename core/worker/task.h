/*
 * A chunk of tasks in a worker. Each task is claimed, called in protected mode, and answered
 * before the next one begins. An error is the outcome of its task. The worker itself ends only
 * when the host is gone or sends bytes that are no message.
 *
 * A task may fork. The child has a copy of the worker. It ends when the task ends in it.
 */
#ifndef LUAS_TASK_H
#define LUAS_TASK_H

#include <lua.h>
#include <stdbool.h>

#include "arena.h"
#include "chunk_run.h"

/* Registry: math.randomseed, as it was before tasks could replace it. */
#define LUAS__RANDOMSEED_KEY "luas.randomseed"

/* Sets the arena in which tasks of this process share objects. Locks that a task still holds at
   its end are given back. Does nothing in a host. */
void luas__task_use(luas__arena *arena);

/* What can be known about the running task. */
typedef struct luas__task_view {
    uint64_t serial;        /* different for each task; not 0 */
    int64_t index;
    const char *input;      /* its encoded arguments, valid while it runs; NULL: inherited */
    size_t len;
} luas__task_view;

bool luas__task_look(luas__task_view *v);

/* Pushes the inherited input of the running task. Returns false if it has none. */
bool luas__task_push_input(lua_State *L);

/* The chunk whose task runs in this process now, or NULL. */
luas__chunk_run *luas__task_running(void);

/* Runs and answers all tasks of the chunk. Pops the function, the space, and the inherited
   inputs or nil. */
void luas__task_run(lua_State *L, luas__chunk_run *chunk);

#endif
