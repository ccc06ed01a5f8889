/*
 * The core's pools and jobs as Lua sees them: the module "luas.core", which
 * lua/luas/pool.lua builds the public interface on. Not public itself.
 *
 *   core.pool(options) -> P         options: workers, init, exit, max_tasks
 *   core.policy(fields) -> policy   fields of luas__policy, times in seconds
 *   P:job(policy or fields) -> J    start a job
 *   P:step([seconds]) -> boolean    drive once; true when anything happened.
 *                                   false too after a signal, so that Lua can
 *                                   run the hook that its handler set
 *   P:stop() P:terminate() P:close() P:resize(n)
 *   P:live([zygotes]) -> n          workers that are not ended yet; with true,
 *                                   one more where there may be further ones
 *                                   of what was kept at a job's submission
 *   P:stats() -> table   P:fileno() -> fd   P:foreign() -> boolean
 *   P:wake()                        makes the descriptor readable until a step
 *
 *   J:carry(f, mode) -> "ship" or nil, why
 *   J:inherit(f, inputs, workers, goes_on)   fork workers that have both, and
 *                                   what keeps them for others, if the host
 *                                   goes on meanwhile
 *   J:feed(items, i, j, star) -> true or nil, message     encode items[i..j]
 *   J:pull(source, most) -> n, more      encode what up to `most` calls give
 *   J:call(...)                     encode one task with these arguments
 *   J:feed_inherited(n)   J:seal()   J:pump()
 *   J:collect(results) -> n or nil, outcome     first results, by index, of
 *                                   the outcomes that are there, up to the
 *                                   first that is no value
 *   J:next() -> index, outcome|nil, results...  or nothing
 *   J:gather(values, others, order|nil) -> n, outcome|nil   the outcomes that
 *                                   are there, up to the first that is no value,
 *                                   by index: a result that is one, and others
 *                                   as {n=, nil, results...}
 *   J:printed() -> table            index -> what the task printed, when captured
 *   J:cancel(from, to)   J:drop()   J:done() -> boolean   J:settled() -> n
 *   J:process() -> pid, gone, exitcode, signal   J:signal(number)
 */
#ifndef LUAS_LUA_POOL_H
#define LUAS_LUA_POOL_H

#include <lua.h>

/* Pushes the module table. */
int luas__open_core(lua_State *L);

#endif
