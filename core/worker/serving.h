/*
 * What this worker is doing. It is global, because handlers of signals and forks have no argument.
 * Set in workers only, never in a host.
 *
 * When the host wants the running task to end it sends a signal. The handler sets a debug hook,
 * and the hook raises one error in the task, if it is still that task which runs. So the task's
 * <close> variables are closed.
 */
#ifndef LUAS_SERVING_H
#define LUAS_SERVING_H

#include <lua.h>
#include <signal.h>
#include <stdbool.h>

#include "arena.h"
#include "chunk_run.h"
#include "kept_hook.h"

typedef struct luas__serving_task {
    lua_State *volatile L;
    luas__scoreboard *volatile scoreboard;
    volatile uint32_t seq;
    luas__chunk_run *chunk;     /* the chunk of the task */
    volatile sig_atomic_t busy; /* a task runs: only then may the hook raise */
    volatile sig_atomic_t leeway;   /* what the library may still do before the hook raises */
    bool is_fork;       /* this process is a child that a task has forked */
    luas__arena *arena; /* where its tasks share objects, or NULL */
    uint32_t held;      /* how many holds there were before the task */
    luas__mp_reader input;          /* the arguments of the task, unless they are inherited */
} luas__serving_task;

extern luas__serving_task luas__serving;

/* Registers a handler that notices forks: once, in the host, so that no worker has to do it. */
void luas__serving_watch_forks(void);

/* From now on this process is a worker. A signal from the host raises an error in the task that
   should stop, if it runs in this state and has not ended meanwhile. Children that a task forks
   are told apart from the worker. */
void luas__serving_catch_stop(lua_State *L, luas__scoreboard *scoreboard);

/* The seq of the running task. No other task of this process has it for a long time. 0 between
   tasks, and in a host. */
uint32_t luas__serving_seq(void);

/* Does this worker's running task have to end? False in a host. */
bool luas__serving_stopped(void);

/* Raises if a stop has come that was not raised yet: for the library, before it waits. */
void luas__serving_look_for_stop(lua_State *L);

/* Sees to the hook that the next task begins with. */
void luas__serving_replace_hook(lua_State *L);

/* Takes away the hook that a task has left: it would run in the next one, and what it raises would
   meet the library. One that stops the task stays, though it comes while this is done. */
static inline void luas__serving_restore_hook(lua_State *L)
{
    if (!luas__kept_hook_is_set(L))
        luas__serving_replace_hook(L);
}

#endif
