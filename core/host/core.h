/*
 * The module "luas.core": pools and jobs of the core for Lua. lua/luas/pool.lua builds the
 * public interface on it. It is not public itself.
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
 *   core.baseline, core.baseline_of_state, core.is_at_baseline, core.note_changes   baseline.h
 *   core.report(message)            tells people: by luas.report of the script's, or
 *                                   the program, or else the reporter, or as a
 *                                   warning of Lua's
 *   core.reporter(f)                f(message) does, where Lua is neither the program's
 *                                   nor an application's
 *   core.ends_alone() -> boolean    is nobody told that a script has ended?
 *   core.sentinel, core.at_close, core.in_finalizer     sentinel.h
 *   core.at_end(f)                  the program calls f() when a script has ended well, and
 *                                   before it closes the state; a worker f(true) before
 *                                   it ends
 *   core.traceback(message or nil, level [, below])   as debug.traceback, without levels of the library
 *                                   and the `below` outermost ones (traceback.h)
 *   core.levels() -> n              of the stack, with that of the caller
 *   core.call(f, ...) -> f's results        An error of level 2 in f names no line of the library,
 *                        wherever f is called.
 *   core.caller() -> "file:line: "  of the script that called, or ""
 *   core.called()                   says that code of the user was called (user_calls.h).
 *                                   Calls from C are counted without it
 *   core.cpus() -> n                that this process may use
 *   core.pid()   core.parent()      of this process
 *   core.worker() -> number, spawned, name  in its pool, nil in a host; whether it
 *                                   is a process that was spawned; such as "calc 1"
 *   core.task_seq() -> number           of the task that runs here: not the last one's; 0
 *                                   between tasks, and in a host
 *   core.workers() -> n or nil      that the program's -j asks for
 *   core.cluster() -> table or nil  what the program's command line says of a cluster: cluster, key, ca, nkey
 *   core.now() -> seconds           of a clock that only goes forward
 *   core.sleep(seconds)             or until a signal comes
 *   core.joining([pid])             this process waits for that one's end, however
 *                                   long; without it: no longer
 *   core.isatty(fd) -> boolean      core.version: a string
 *   core.shared                     the module `shared` (share_open.h)
 *   core.each_record                printer.h
 *   core.text_tools() -> table      what few scripts need: text_handle.h, tree_handle.h, fields.h, printer.h
 *   core.cluster_tools() -> table   what pools over many machines need: cluster_handle.h, cluster_pack.h
 *
 *   core.fresh_program(path or nil) -> path or nil, why   fresh_pool.h
 *
 *   P:job(policy or fields) -> J    start a job
 *   P:step([seconds [, again]]) -> happened, forked     drive once: did anything
 *                                   happen, and were workers forked whose modules
 *                                   may differ from those of earlier ones?
 *                                   `again`: the same loop made the last call of
 *                                   this, and no code of the user has run since
 *                                   that was not counted. After a signal nothing
 *                                   has happened, so that Lua can run the hook
 *                                   that the handler has set
 *   P:stop() P:terminate() P:close() P:resize(n)
 *   P:trim() -> n                   workers without a task are told to exit: how many
 *   P:keep_time(boolean)            workers end when they have been idle, also while no
 *                                   call drives the pool
 *   P:breed()                       forks a zygote of the host as it is now, which
 *                                   forks the workers of shipped jobs from then on
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
 * `modules` below is a table whose keys are the names of the modules that are referred to. The
 * caller checks whether the workers have these as they are now. If feed, pull or call return
 * such a table nothing is submitted yet: J:submit() does that. If they return nil there are no
 * modules, and the tasks are submitted.
 *
 *   J:carry(f, forced) -> true, modules   ship f; unless forced, only if that is
 *                                   correct and f is not too large. Or nil, why not
 *   J:inherit(f, inputs or nil, workers, goes_on [, waits [, keeps_files]])   fork up to so many workers for
 *                                   this job, which inherit f and the inputs. If
 *                                   the host goes on meanwhile some are forked at
 *                                   once, and a zygote for the others; if it
 *                                   waits they are forked when it steps. Without
 *                                   room it raises, or gives nil if it `waits`
 *   J:renew(workers, goes_on [, waits]) -> boolean or nil   fork so many now, which alone
 *                                   do this job; true if the pool has no others.
 *                                   nil without room, if it `waits`
 *   J:feed(items, i, j, star [, most]) -> true, modules     encode items[i..j], in
 *                                   at most so many bytes. Or nil, message
 *   J:pull(source, most, before, star, indexed) -> n, more, modules [, who, value,
 *                                   traceback]  encode what up to `most` calls give,
 *                                   after `before` tasks. What was raised meanwhile
 *                                   ends that: by the "source", or for an "item" that
 *                                   cannot be sent
 *   J:call(...) -> true, modules    encode one task with these arguments. Or
 *                                   nil, message
 *   J:submit()                      what was encoded last and not submitted
 *   J:keys(list)                    the keys of the next tasks, as numbers (limit.h)
 *   J:spare_keys(n) -> list         of n numbers those that other keys may have
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
 *   J:asked() -> outcome or nothing     that the owner has to decide on (retries.h); the
 *                                   same until it is answered
 *   J:answer(again)                 what becomes of its task
 *   J:printed() -> table            index -> what the task printed, when captured
 *   J:cancel([from [, to]])   J:start_no_more()   J:drop()   J:done() -> boolean
 *   J:watch() -> id                 has P:ended say when it is over
 *   J:rests() -> boolean            has all that was fed its outcome, or must the
 *                                   rest wait for the consumer?
 *   J:process() -> pid, gone, exitcode, signal   J:signal(number)
 */
#ifndef LUAS_CORE_H
#define LUAS_CORE_H

#include <lua.h>

/* Registry: a function, when the library is in use: what the program calls when a script
   has ended well (lua/luas/ending.lua). */
#define LUAS__AT_END_KEY "luas.at_end"

/* Pushes the module table. */
int luas__core_open(lua_State *L);

#endif
