/*
 * Calling a task in the process that submitted it, with what a worker of its
 * own would have given: a deadline, an os.exit that ends the task only, and a
 * traceback that begins with the task.
 *
 *   core.guard(token, seconds|nil, discard, f, ...)
 *      -> "value", results...
 *      -> "error", value, message, traceback
 *      -> "timeout" [, value, message, traceback]    at the deadline, or stopped
 *      -> "crash", exitcode                          it called os.exit
 *      -> "stopped", value     what was raised is meant for more than this task
 *                              (Ctrl-C, the end of the task around it): the
 *                              caller raises it again
 *   core.stop(token)     stops the running calls with that token (a table)
 *   core.stopped(value) -> boolean     was this raised to stop what runs here (a
 *                        task, or all of it: Ctrl-C)? Who caught it raises it again
 *
 * The call is in the caller's own thread, so that debuggers, and the hooks with
 * which programs raise an error at Ctrl-C, reach it. It cannot yield. Calls
 * nest; a task that is stopped takes those inside it with it.
 *
 * A count hook keeps the time. It stops the task by an error, once; what still
 * runs half a second later is ended by errors at every instruction. Coroutines
 * that the task makes have the hook too. It cannot interrupt C, and a hook of
 * somebody else's is left in place, without a deadline then.
 */
#ifndef LUAS_LUA_GUARD_H
#define LUAS_LUA_GUARD_H

#include <lua.h>
#include <stdbool.h>

/*
 * Registry: what the program raised at its last signal, as text; false when
 * none came yet. Not there at all under an interpreter that is not ours: then
 * a message that ends as that of `lua` does is one.
 */
#define LUAS__STOPPED_KEY "luas.stopped"

int luas__inline_call(lua_State *L);
int luas__inline_call_stop(lua_State *L);
int luas__inline_call_stopped(lua_State *L);

/* Can the `count` values from index `first`, each called so (luas__encode_options), travel?
   0; or negative, and pushes why not. */
int luas__inline_call_check_values(lua_State *L, int first, int count, const char *each);

#endif
