/*
 * Pipes between processes that carry Lua values: the module "luas.channel",
 * which process.pipe() is made of. Not public itself.
 *
 *   channel.pair() -> a, b          two ends; what one sends the other receives
 *   end:send(...) -> true           waits while the other has much to read
 *   end:flush() -> true             goes on with what a signal left unsent
 *   end:recv([seconds]) -> true, values...   or false when the time ran out,
 *                                   nil when no process has the other end open
 *   end:close()   end:is_open() -> boolean   end:fileno() -> fd
 *
 * Waits return to Lua after a signal with the string "signal", so that hooks can
 * run; the Lua layer calls again, flush after send.
 * A fork inherits both ends; values cannot carry an end.
 */
#ifndef LUAS_PIPE_H
#define LUAS_PIPE_H

#include <lua.h>

int luas__pipe_open(lua_State *L);

#endif
