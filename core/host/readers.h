/*
 * Readers of a pool's events as Lua sees them.
 *
 *   core.tally([job]) -> R          counts (core/pool/tally.h), of one job or all
 *   core.trace(path) -> R           writes Chrome trace events; core.joblog(path)
 *                                   GNU parallel's log: nil and why not where it
 *                                   cannot; R:finish() -> true, or false and why
 *                                   something is missing
 *   P:listen(R, tag, all)           tells R what happens from now on; `tag` tells
 *                                   pools apart; `all`: every job is stamped
 *   P:ignore(R)                     no more
 *   R:figures() -> table            of a tally; times in seconds
 *   R:ended{tag, job, label, index, worker, start, took, kind, attempts, retried, machine,
 *           machine_name, input, raised}    tells R of a task that ran elsewhere, as in the
 *                                   caller or on that machine; the last two are MessagePack
 *   R:name(tag, job, items, star)   of a tally: what inherited inputs are called, of
 *                                   those tasks of a job that it tells of
 *   J:name(items, n, star)          the same for all of the job, as it runs
 *   J:id() -> integer   J:label(text)
 *   J:pace() -> settled, cancelled, failures [, first_start, last_end, slowest]
 *                                   seconds of core.now()'s clock; nil where there
 *                                   is none yet
 *   J:running() -> list             of {index, worker, seconds, done, total, note}
 */
#ifndef LUAS_READERS_H
#define LUAS_READERS_H

#include <lauxlib.h>

#include "events.h"

/* The class of readers, and those methods of pools and jobs. */
void luas__readers_open(lua_State *L);
extern const luaL_Reg luas__readers_core[], luas__readers_pool[], luas__readers_job[];

/* Pushes a handle for a reader, which is to be stored there; `finish` completes its file. */
luas__reader **luas__readers_new(lua_State *L, int (*finish)(luas__reader *));

/* The reader at this index. Raises if there is none, or if it is closed. */
luas__reader *luas__readers_check(lua_State *L, int index);

#endif
