/*
 * Where people look, and files for them.
 *
 *   core.line() -> T            a line of progress on stderr (core/proc/line.h)
 *   T:draw(text)                shows it in place of what was; "" erases it
 *   T:say(text)                 writes a whole line above it
 *   P:line(T)                   what workers print and is passed on goes above it
 *   core.columns(fd) -> n       of a terminal; nil: it is none, or does not know
 *   core.file(path) -> F        opened for writing, so that it is known at once
 *                               whether that works: nil and why where not
 *   F:replace(text)             makes it all there is in the file: true, or nil and why
 */
#ifndef LUAS_TERMINAL_H
#define LUAS_TERMINAL_H

#include <lauxlib.h>

void luas__terminal_open(lua_State *L);
extern const luaL_Reg luas__terminal_core[], luas__terminal_pool[];

#endif
