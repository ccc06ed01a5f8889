/*
 * The terminal, and files for people.
 *
 *   core.line() -> T            a line of progress on stderr (core/proc/line.h)
 *   T:draw(text)                shows it in place of what was; "" erases it
 *   T:say(text)                 writes a whole line above it
 *   P:line(T)                   output of workers that is passed on goes above it
 *   core.columns(fd) -> n       the width of a terminal; nil if it is none or unknown
 *   core.file(path) -> F        opens a file for writing, so that a failure is known at
 *                               once: nil and the reason
 *   F:replace(text)             replaces the contents of the file: true, or nil and why
 */
#ifndef LUAS_TERMINAL_H
#define LUAS_TERMINAL_H

#include <lauxlib.h>

void luas__terminal_open(lua_State *L);
extern const luaL_Reg luas__terminal_core[], luas__terminal_pool[];

#endif
