/* What a worker tells its host beside results: globals, progress, errors. */
#ifndef LUAS_TELL_H
#define LUAS_TELL_H

#include <lua.h>

#include "chunk_run.h"

/* If the host is gone it ends the process; other failures raise. */
int luas__tell_failed(lua_State *L, int rc);

/* Returns rc if it is no failure. */
static inline int luas__tell_check(lua_State *L, int rc)
{
    return rc < 0 ? luas__tell_failed(L, rc) : rc;
}

/* Tells the host of globals that were made since it was told last. */
void luas__tell_made(lua_State *L, luas__chunk_run *s);

/* Tells the host the progress of the running task; a total of 0 is unknown. Does nothing if it
   is called too soon after the last time, unless the task is at its end. */
void luas__tell_progress(lua_State *L, luas__chunk_run *s, double done, double total,
                         const char *note, size_t len);

/* Appends what a task raised to the reply that was begun. Pops the space, the raised value and its
   traceback. */
void luas__tell_raised(lua_State *L, luas__chunk_run *s);

/* For a raised value that cannot be sent: pops the reason at the top and adds it to the message
   at `index`. */
void luas__tell_add_reason(lua_State *L, int index);

#endif
