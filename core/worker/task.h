/*
 * A chunk of tasks in a worker: each is claimed, called in protected mode, and
 * answered before the next begins. What a task raises is its own outcome; only
 * a host that is gone, or that speaks nonsense, ends the worker.
 *
 * A polite stop (the host wants the running task to end) is a signal whose
 * handler sets a debug hook; the hook raises one error in the task, if that
 * task is still the one meant, so that its <close> variables run.
 *
 * A task may fork. The child has everything of the worker's, and ends where the
 * task does.
 */
#ifndef LUAS_LUA_TASK_H
#define LUAS_LUA_TASK_H

#include <lua.h>
#include <stdbool.h>

#include "arena.h"
#include "channel.h"

/* Registry: math.randomseed, as it was before tasks could replace it. */
#define LUAS__RANDOMSEED_KEY "luas.randomseed"

/* A chunk in hand. */
typedef struct luas__chunk_run {
    luas__channel *channel;
    luas__mp_reader body;       /* its tasks that are left */
    uint32_t seq, left;         /* of the next task; how many are left */
    int64_t index;              /* of the task before that */
    int flags;                  /* LUAS__JOB_* */
    int room;                   /* bytes of results that a short reply has */
    int64_t seed;
    int64_t since;              /* ns when the chunk was begun */
    int64_t stamp;              /* stamped jobs: ns when the running task was */
    int64_t ended;              /* ns when the chunk was; stamped jobs: its last task */
    uint32_t attempts;          /* how often its tasks were started before */
    uint32_t current;           /* seq of the task that runs */
    int64_t begun;              /* coarse ns when that was started */
    int64_t told_at;            /* coarse ns; when a task last told how far it is */
    bool inherited;             /* inputs are taken from the inherited ones */
    bool has_looked;            /* for modules that its first tasks have loaded */
    int most;                   /* KB that Lua may have before it is said to be laden */
} luas__chunk_run;

/* Once in a process: has forks noticed. In the host, so that not each of its workers
   has to do it for itself. */
void luas__task_watch_forks(void);

/* From now on this process is a worker: a signal from the host raises an error in the
   task that it means to stop, if that runs in this state and has not ended meanwhile;
   and what is forked in a task is told from the worker. */
void luas__task_catch_stop(lua_State *L, luas__scoreboard *scoreboard);

/* The number of this worker's running task: no other task's in this process for a
   long time. 0 between tasks, and in a host. */
uint32_t luas__task_seq(void);

/* Does this worker's running task have to end? False in a host. */
bool luas__task_stopped(void);

/* The arena that tasks of this process share things in: what one holds at its end is given
   back. Nothing in a host. */
void luas__task_use(luas__arena *arena);

/* The task that runs here: false where none does, as in a host. */
typedef struct luas__task_view {
    uint64_t serial;        /* differs from those of other tasks; not 0 */
    int64_t index;
    const char *input;      /* its encoded arguments, as long as it runs; NULL: inherited */
    size_t len;
} luas__task_view;

bool luas__task_look(luas__task_view *v);

/* Pushes the input that it has inherited; or gives false. */
bool luas__task_push_input(lua_State *L);

/* The chunk whose task runs in this process now, or NULL. */
luas__chunk_run *luas__task_running(void);

/* Tells the host how far the running task is: a total of 0 is unknown. What comes too
   soon after what was told before is left out, but for the end. */
void luas__task_tell(lua_State *L, luas__chunk_run *s, double done, double total,
                     const char *note, size_t len);

/* Runs and answers all of it. On the top of the stack, and popped: the
   function, the space, the inherited inputs or nil. */
void luas__task_run(lua_State *L, luas__chunk_run *chunk);

/* Gives rc if it is no failure. A host that is gone ends the process, any
   other failure raises. */
int luas__task_check(lua_State *L, int rc);

/* Of a raised value that cannot travel: adds the reason at the top (popped) to
   the message at `index`. */
void luas__task_add_reason(lua_State *L, int index);

#endif
