/*
 * The core's pools and jobs as Lua sees them: the module "luas.core", which
 * lua/luas/pool.lua builds the public interface on. Not public itself.
 *
 *   core.pool(options) -> P         options: workers, name, init, exit, max_tasks,
 *                                   memory, max_memory (bytes), output
 *   core.policy(fields) -> policy   fields of luas__policy, times in seconds, and
 *                                   its flags as booleans: process, star,
 *                                   discard, each, async
 *   core.check(...) -> message or nothing       can these values travel?
 *   core.length(list) -> n, or nil, a message, has it keys only    list.h
 *   core.check_list(list, index) -> n       job_handle.h
 *   core.guard, core.stop, core.stopped     inline_call.h
 *   core.watch, core.same           table_watch.h
 *   core.report(message)            tells people, by way of the program or else
 *                                   as a warning of Lua's
 *   core.caller() -> "file:line: "  of the script that called, or ""
 *   core.called()                   something of the user's was called: C that does
 *                                   so notes it by itself (user_calls.h)
 *   core.cpus() -> n                that this process may use
 *   core.pid()   core.parent()      of this process
 *   core.worker() -> number, spawned    in its pool, nil in a host; whether it is
 *                                   a process that was spawned
 *   core.task_seq() -> number           of the task that runs here: not the last one's; 0
 *                                   between tasks, and in a host
 *   core.workers() -> n or nil      that the program's -j asks for
 *   core.now() -> seconds           of a clock that only goes forward
 *   core.joining([pid])             this process waits for that one's end, however
 *                                   long; without it: no longer
 *   core.isatty(fd) -> boolean      core.version: a string
 *   core.shared                     the module `shared` (share_open.h)
 *
 *   P:job(policy or fields) -> J    start a job
 *   P:step([seconds [, again]]) -> happened, forked     drive once: did anything
 *                                   happen, and were workers forked that may
 *                                   have other modules than those that were
 *                                   told of last? `again`: by the same call as
 *                                   the last time, and nothing of the user's
 *                                   has run since but what was noted. Nothing
 *                                   happened after a signal, so that Lua can
 *                                   run the hook that its handler set
 *   P:stop() P:terminate() P:close() P:resize(n)
 *   P:live([zygotes]) -> n          workers that are not ended yet; with true,
 *                                   one more where there may be further ones
 *                                   of what was kept at a job's submission
 *   P:busy() -> boolean             is any job unfinished?
 *   P:ended() -> id or nil          of a watched job that is over: each once, in
 *                                   the order in which they ended
 *   P:forget()                      functions that were carried are carried anew
 *   P:stats() -> table   P:fileno() -> fd
 *   P:unwritten() -> waiting, written   bytes that workers printed with output
 *                                   "tag", and that the host's stdout and stderr take
 *   P:wake()                        makes the descriptor readable until a step
 *
 * `modules` below is a table whose keys are the names of the modules referred
 * to, for the caller to look whether the workers have them as they are now;
 * from feed, pull and call, nil where there are none, or else nothing has been
 * submitted yet, and J:submit() does it.
 *
 *   J:carry(f, forced) -> true, modules   ship f; where not forced, only if that
 *                                   is right and not too large. Or nil, why not
 *   J:inherit(f, inputs or nil, workers, goes_on)   have up to so many workers
 *                                   forked for this job that have both: of a
 *                                   host that goes on meanwhile some at once,
 *                                   and what keeps it as it is for others; of
 *                                   one that waits perhaps none before it steps
 *   J:renew(workers, goes_on) -> boolean    fork so many now, which alone do the
 *                                   job: has the pool no others?
 *   J:feed(items, i, j, star [, most]) -> true, modules     encode items[i..j], in
 *                                   at most so many bytes. Or nil, message
 *   J:pull(source, most, before, star, indexed) -> n, more, modules  encode what up to
 *                                   `most` calls give, after `before` tasks
 *   J:call(...) -> true, modules    encode one task with these arguments. Or
 *                                   nil, message
 *   J:submit()                      what was encoded last and not submitted
 *   J:feed_inherited(n)   J:seal()   J:pump()
 *   J:list(n) -> table              for n results: with room, so that it need not
 *                                   grow (from then on, gc_pause.h)
 *   J:collect(results) -> n [, outcome]     first results, by index, of the n
 *                                   outcomes that are there, up to the first
 *                                   that is no value, which is given as well
 *   J:next() -> index, outcome or nil, results...   or nothing
 *   J:gather(values, others, order or nil) -> n [, outcome]     as collect: a
 *                                   result that is one in values, and others
 *                                   as {n=, nil, results...}; into order goes
 *                                   the index of each, as they ended
 *   J:printed() -> table            index -> what the task printed, when captured
 *   J:cancel([from [, to]])   J:drop()   J:done() -> boolean
 *   J:watch() -> id                 has P:ended say when it is over
 *   J:rests() -> boolean            has all that was fed its outcome, or must the
 *                                   rest wait for the consumer?
 *   J:process() -> pid, gone, exitcode, signal   J:signal(number)
 */
#ifndef LUAS_CORE_H
#define LUAS_CORE_H

#include <lua.h>

/* Pushes the module table. */
int luas__core_open(lua_State *L);

#endif
