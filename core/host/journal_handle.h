/*
 * Journals as Lua sees them (pool/journal.h, pool/journal_job.h, codec/stable.h). core.journal() makes
 * a table of functions:
 *
 *   open(path, is_read) -> J        or nil and why not; J is a reader (readers.h), J:finish() writes
 *   flush(J) -> true                writes what is collected; or false and why not all could be written
 *   close(J)                        nothing is written any more
 *   query(J, sql, ...) -> rows      of lists; nil and why not. Strings are bound as text, but as a blob
 *                                   those that follow `true`
 *   payload(blob | scalar, kind) -> what an outcome's value was: a list, or the fields of an outcome
 *   code(f, ignore, modules, met, parts) -> hash, of a function
 *   hash(text) -> hash              16 bytes
 *   release                         the version of Lua
 *   lost(J) -> n                    outcomes for which there was no room
 *   refusal(message) -> message     the program's exit status will be that of a wrong command line
 *   group(J, row, {values, discards, seeded, again, trusts}) -> G
 *   load(G, job, first, last, is_other, n) -> n   what an earlier job has come to, in these rows, about n
 *   part(G, hooks) -> P             for a job of the engine
 *
 *   P:stage(items, n, star)   P:stage_values(...)     the next tasks
 *   P:attach(job)             a job of the engine
 *   P:take() -> nil           without an engine: the next task is to be done
 *            -> kind, results | fields
 *   P:ended{index, start, took, kind, attempts, arguments, results | message}     of that
 *
 * The hooks: key and depends, functions of the task; ignore, modules, for stable.h; numbered: records of
 * texts count with their place; tell(verdict, index, job, ...), called where something is to be decided, or if
 * `explains` for each task.
 */
#ifndef LUAS_JOURNAL_HANDLE_H
#define LUAS_JOURNAL_HANDLE_H

#include <lua.h>

int luas__journal_handle_tools(lua_State *L);

#endif
