/*
 * Tables for outcomes that are no value. lua/luas/outcome.lua makes its objects of them. Fields:
 * kind, index, count, attempts, pid, worker, exitcode, signal, took, over_memory, hung, init,
 * expired, input; and for what the task raised: value, message, traceback.
 */
#ifndef LUAS_OUTCOME_PUSH_H
#define LUAS_OUTCOME_PUSH_H

#include <lua.h>
#include <stdbool.h>

#include "outcome.h"

/* Pushes the table; `space` is the stack index of the job's space. */
void luas__outcome_push(lua_State *L, const luas__outcome *o, const char *payload, int space,
                        bool list);

/* For a value that cannot be read here: replaces the message at the top by the table of an
   error. */
void luas__outcome_push_unreadable(lua_State *L, const luas__outcome *o, int space);

#endif
