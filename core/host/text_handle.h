/*
 * Texts for Lua (lua/luas/lines.lua), whose records are tasks.
 *
 *   text(path or file, {sep=, block=, whole=, delimiter=}) -> T    or nil, message
 *   T:record([single]) -> string    of a text of blocks a block, unless `single`. nil at the end; false after a signal, to be called again; or
 *                                   nil, message
 *   T:ready() -> boolean            would reading not wait?
 *   T:place() -> name, number, byte     of the next record
 *   T:take_blocks(size)             from now on it is a text of blocks
 *   T:close()
 *   cut(J, T, most) -> n, more [, message]   feeds the next passage, of at most so many records;
 *                                   after a signal none
 */
#ifndef LUAS_TEXT_HANDLE_H
#define LUAS_TEXT_HANDLE_H

#include <lauxlib.h>

extern const luaL_Reg luas__text_handle_functions[];

#endif
