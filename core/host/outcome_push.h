/*
 * Outcomes that are no value, as the tables of which lua/luas/outcome.lua
 * makes its objects: kind, index, count, attempts, pid, worker, exitcode,
 * signal, over_memory, and what the task raised: value, message, traceback.
 */
#ifndef LUAS_LUA_OUTCOME_H
#define LUAS_LUA_OUTCOME_H

#include <lua.h>
#include <stdbool.h>

#include "outcome.h"

/* Pushes the table; `space` is the stack index of the job's space. */
void luas__outcome_push(lua_State *L, const luas__outcome *o, const char *payload, int space,
                        bool list);

/* For a value that cannot be read here: the message on the top becomes the
   table of that task's error. */
void luas__outcome_push_unreadable(lua_State *L, const luas__outcome *o, int space);

#endif
