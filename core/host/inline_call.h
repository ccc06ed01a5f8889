/*
 * Calls a task in the process that has submitted it. As in a worker, the task has a deadline, its
 * os.exit ends only the task, and tracebacks begin with the task.
 *
 *   core.guard(token, seconds|nil, discard, f, ...)
 *      -> "value", results...
 *      -> "error", value, message, traceback
 *      -> "timeout" [, value, message, traceback]    at the deadline, or stopped
 *      -> "crash", exitcode                          it called os.exit
 *      -> "stopped", value     the error is meant for more than this task (Ctrl-C,
 *                              or the end of the task around it): the caller
 *                              raises it again
 *      discard: true; or "init", if the hook that f sets is to stay
 *   core.stop(token)     stops the running calls with that token (a table)
 *   core.describe(value) -> value, message    of a raised value, as an outcome has them: nil for a
 *                        value that cannot be sent
 *   core.stopped(value) -> boolean     was this raised to stop what runs here (a
 *                        task, or all of it: Ctrl-C)? Who caught it raises it again
 *   core.try(f, ...)     as pcall, which such errors pass
 *
 * The call runs in the caller's thread. So debuggers reach it, and the hooks with which programs
 * raise an error at Ctrl-C. It cannot yield. Calls nest; when a task is stopped all tasks inside
 * of it are stopped as well.
 *
 * A count hook checks the time. It stops the task by one error. If the task still runs half a
 * second later, every instruction of its own code raises an error, and so does each step of
 * a pool, and each call of a task. Coroutines that the task makes have the hook, too. The
 * hook cannot interrupt C. If another hook is set it stays, and there is no deadline. One that the task
 * sets goes with it.
 */
#ifndef LUAS_INLINE_CALL_H
#define LUAS_INLINE_CALL_H

#include <lua.h>
#include <stdbool.h>

int luas__inline_call(lua_State *L);
int luas__inline_call_stop(lua_State *L);
int luas__inline_call_stopped(lua_State *L);
int luas__inline_call_describe(lua_State *L);
int luas__inline_call_try(lua_State *L);

/* For a call that is about to wait: raises if what runs here is to be stopped. Else returns how
   many ns it may wait, at most `timeout`. */
int64_t luas__inline_call_limit(lua_State *L, int64_t timeout);

/* Can the `count` values from index `first` be sent? Messages call them `each`
   (luas__encode_options). Returns 0; or negative, and pushes the reason. */
int luas__inline_call_check_values(lua_State *L, int first, int count, const char *each);

#endif
