/*
 * A part of a journal's group: it has the keys of a job's tasks made (journal_handle.h says what Lua sees of it).
 */
#ifndef LUAS_JOURNAL_PART_H
#define LUAS_JOURNAL_PART_H

#include <lauxlib.h>
#include <stdbool.h>

#include "buffer.h"
#include "cutter.h"
#include "journal_job.h"

#define LUAS__JOURNAL_PART "luas.core.journal_part"

/* User values of a part: the hooks, and the group. */
enum { LUAS__JOURNAL_PART_HOOKS = 1, LUAS__JOURNAL_PART_GROUP };

typedef struct luas__journal_part {
    luas__journal_job *job;
    luas__buffer bytes;     /* of the input that is looked at */
    bool has_key, has_depends, explains, is_numbered;
    bool staging;           /* a hook is being called */
} luas__journal_part;

/* The part at this index; raises if it is none, or its journal is closed. */
luas__journal_part *luas__journal_part_check(lua_State *L, int index);

/* Raises what luas__stable_put has pushed, if that has failed. */
void luas__journal_part_must(lua_State *L, int rc);

/* Raises that there is no memory. */
int luas__journal_part_no_memory(lua_State *L);

/* P:stage(items, n, star) and P:stage_values(...). */
int luas__journal_part_stage(lua_State *L);
int luas__journal_part_stage_values(lua_State *L);

/* Stages the task of these values, which a job with a journal is about to be fed. Raises what cannot
   be a key. */
void luas__journal_part_feed(lua_State *L, int first, int n);

/* The same for the records of a passage; `bytes` has them if no file does. */
void luas__journal_part_feed_records(lua_State *L, const luas__cutter *c, const luas__passage *p, const luas__buffer *bytes);

#endif
