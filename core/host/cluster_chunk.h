/*
 * Chunks for other machines without a Lua value for each task, for lua/luas/cluster*.lua. The tasks of a
 * chunk are a string: of each its size and its arguments (job_handle.h, luas__feed_task). So are its
 * outcomes: numbers as MessagePack, then bytes.
 *
 *   0, first, count, then count times: size, results           of tasks that follow each other
 *   1, kind, index, count, attempts, pid, worker, status, flags, microseconds, length, printed, then as
 *      many bytes of payload and of what was printed           (outcome.h)
 *
 * A host:
 *   put(space, unchanged, items, from, to, star) -> tasks, n, defines     or these of the items before one
 *                                      that cannot be sent, and why that is so
 *   scalars(source, list, most, last) -> is_other, ...     calls the source, and puts what it gives behind what
 *                                      is in the list, until there are so many, or the time of core.now is `last`. Where
 *                                      something else comes than one number, string or boolean: true, and that
 *   cut(tasks, at, most, bytes) -> at, n       behind at most so many of the tasks from offset `at` on, and
 *                                      with the one that passes so many bytes
 *   arguments(space, tasks, at) -> n, values...    of the task there; or nil, why
 *   outcomes(space, bytes, first, n, list) -> true     all of the tasks from `first` on are values; not with `list`
 *                                      -> list     what has become of each: a string, its results; or a table
 *                                      -> nil      these are no outcomes of these tasks
 *   collect(space, results, bytes, at, left, index) -> at, left, index, n, outcome    puts first results into
 *                                      the table. The three numbers, at first 0, are where it stands.
 *   next(space, bytes, at, left, index) -> at, left, index, nil, results...    or an outcome
 *
 * An agent:
 *   feed(job, first, attempts, together, tasks, defines...) -> n     to a job of its own pool; the strings have
 *                                      define messages. `together`: who of them printed what does not matter
 *   take(job) -> outcomes              all that have come
 */
#ifndef LUAS_CLUSTER_CHUNK_H
#define LUAS_CLUSTER_CHUNK_H

#include <lauxlib.h>

extern const luaL_Reg luas__cluster_chunk_functions[];

#endif
