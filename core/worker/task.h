/*
 * A chunk of tasks in a worker. Each task is claimed, called in protected mode, and answered
 * before the next one begins. An error is the outcome of its task. The worker itself ends only
 * when the host is gone or sends bytes that are no message.
 *
 * When the host wants the running task to end it sends a signal. The handler sets a debug hook,
 * and the hook raises one error in the task, if it is still that task which runs. So the task's
 * <close> variables are closed.
 *
 * A task may fork. The child has a copy of the worker. It ends when the task ends in it.
 */
#ifndef LUAS_TASK_H
#define LUAS_TASK_H

#include <lua.h>
#include <stdbool.h>

#include "arena.h"
#include "channel.h"
#include "records.h"

/* Registry: math.randomseed, as it was before tasks could replace it. */
#define LUAS__RANDOMSEED_KEY "luas.randomseed"

/* The chunk that runs. */
typedef struct luas__chunk_run {
    luas__channel *channel;
    luas__mp_reader body;       /* the tasks that are left */
    uint32_t seq, left;         /* seq of the next task; how many are left */
    int64_t index;              /* index of the task before the next one */
    int flags;                  /* LUAS__JOB_* */
    int room;                   /* bytes of results that fit in a short reply */
    int64_t seed;
    int64_t since;              /* ns when the chunk was begun */
    int64_t stamp;              /* stamped jobs: ns when the running task began */
    int64_t ended;              /* ns when the chunk ended; stamped jobs: its last task */
    uint32_t attempts;          /* how often its tasks were started before */
    uint32_t current;           /* seq of the task that runs */
    int64_t begun;              /* coarse ns when it was started */
    int64_t told_at;            /* coarse ns when a task last told its progress */
    bool inherited;             /* the inputs are inherited ones */
    bool is_text;               /* the inputs are records */
    luas__records records;      /* of the chunk, and what is kept for the next one */
    bool has_looked;            /* it has looked for modules that its first tasks loaded */
    const uint32_t *made;       /* how many globals tasks have made (made_globals.h) */
    uint32_t told;              /* of how many the host knows */
    int most;                   /* KB of Lua's heap above which the worker should be replaced */
} luas__chunk_run;

/* Tells the host of globals that were made since it was told last. */
void luas__task_tell_made(lua_State *L, luas__chunk_run *s);

/* Registers a handler that notices forks: once, in the host, so that no worker has to do it. */
void luas__task_watch_forks(void);

/* From now on this process is a worker. A signal from the host raises an error in the task that
   should stop, if it runs in this state and has not ended meanwhile. Children that a task forks
   are told apart from the worker. */
void luas__task_catch_stop(lua_State *L, luas__scoreboard *scoreboard);

/* The seq of the running task. No other task of this process has it for a long time. 0 between
   tasks, and in a host. */
uint32_t luas__task_seq(void);

/* Does this worker's running task have to end? False in a host. */
bool luas__task_stopped(void);

/* Raises if a stop has come that was not raised yet: for the library, before it waits. */
void luas__task_look_for_stop(lua_State *L);

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

/* Tells the host the progress of the running task; a total of 0 is unknown. Does nothing if it
   is called too soon after the last time, unless the task is at its end. */
void luas__task_tell(lua_State *L, luas__chunk_run *s, double done, double total,
                     const char *note, size_t len);

/* Runs and answers all tasks of the chunk. Pops the function, the space, and the inherited
   inputs or nil. */
void luas__task_run(lua_State *L, luas__chunk_run *chunk);

/* Returns rc if it is no failure. If the host is gone it ends the process; other failures
   raise. */
int luas__task_check(lua_State *L, int rc);

/* For a raised value that cannot be sent: pops the reason at the top and adds it to the message
   at `index`. */
void luas__task_add_reason(lua_State *L, int index);

#endif
