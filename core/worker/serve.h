/*
 * The main loop of a worker: it serves the requests of its host in a Lua state, task by task,
 * until it is told to stop or the host is gone.
 */
#ifndef LUAS_SERVE_H
#define LUAS_SERVE_H

#include <lua.h>
#include <stdbool.h>

#include "channel.h"

/* Registry: in a worker, an integer: its number. */
#define LUAS__WORKER_KEY "luas.worker"

/* Registry: what the worker is called, if its pool says it. */
#define LUAS__WORKER_NAME_KEY "luas.worker.name"

/* Registry: true in a process that process.spawn has started. */
#define LUAS__PROCESS_KEY "luas.process"

/* Registry: table job id -> {function, space, inputs}, for jobs that inherit. */
#define LUAS__CARRIED_KEY "luas.carried"

typedef struct luas__serve_options {
    int init, exit;     /* stack indices of functions to run first and last, or 0 */
    size_t memory;      /* bytes that Lua may allocate here; 0: no limit */
    bool is_weighed;    /* its memory is measured: so it keeps no memory that it does not need */
} luas__serve_options;

/* Makes this forked process a worker, and serves. Returns the exit status; negative if it ends
   without having been told to. */
int luas__serve(lua_State *L, luas__channel *channel, const luas__serve_options *options);

/* Flushes all files, before the worker exits. */
void luas__serve_flush(void);

/* Tells the host that this worker cannot start, and why. */
void luas__serve_fail(luas__channel *channel, const char *why);

#endif
