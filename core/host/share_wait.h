/*
 * Waiting for what is shared (see share.h). A wait is divided into slices. Between two slices
 * hooks run (a task is stopped, Ctrl-C came), pools are driven, and there is a check whether any
 * process is left that could end the wait.
 */
#ifndef LUAS_SHARE_WAIT_H
#define LUAS_SHARE_WAIT_H

#include <lua.h>
#include <stdbool.h>
#include <stdint.h>

#include "arena.h"

typedef struct luas__share_wait {
    lua_State *L;
    const luas__object *object;
    const char *what;       /* what it waits for, for the message if that would be for ever */
    int64_t deadline;       /* ns; INT64_MAX: none */
    lua_Hook hook;          /* the hook of the main thread before the wait */
    bool is_alone;          /* at the last check no other process had the object */
} luas__share_wait;

/* Begins a wait. `seconds` is the index of an argument: a number, or nil for as long as it
   takes. */
luas__share_wait luas__share_wait_begin(lua_State *L, const luas__object *o, int seconds,
                                        const char *what);

/* The ns until the deadline, but not more than a slice. */
int64_t luas__share_wait_slice(const luas__share_wait *w);

/* Sleeps for a slice. */
void luas__share_wait_sleep(const luas__share_wait *w);

/* Call it after a try that failed. Returns false when the time is over. Otherwise it runs hooks
   and pools, which may raise. `rc` is the result of the wait before it: a failure other than
   LUAS_EINTR is raised. */
bool luas__share_wait_on(luas__share_wait *w, int rc);

#endif
