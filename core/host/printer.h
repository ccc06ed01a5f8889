/*
 * Writes the results of a job to stdout, without a Lua value for each of them: for what runs at the
 * command line (lua/luas/shell.lua).
 *
 *   printer(behind, ordered) -> P      each text has `behind` written behind it
 *   print(J, P) -> n [, outcome]     writes what has come, up to the first outcome that is no value,
 *                                   which is given as well. n are over: printed, in order
 *   P:flush() -> true               or nil, message: it cannot be written
 *   text_of(line, ...) -> text or nothing      what is to be printed for a line: of several
 *                                   values the texts with tabs between them; of true the line,
 *                                   of nil or false nothing
 *   each_record(text, sep, delimiter, number, f [, skipped [, F]])   f(record, number) for each
 *                                   record of a block but the first ones; with F, of fields.h, that has
 *                                   the record, and f gets nil
 *   unreadable(path) -> message or nothing
 *   record() -> number, name, index     of the record that the running task has, or its first
 *                                   one; of another input the index, nil, the index
 */
#ifndef LUAS_PRINTER_H
#define LUAS_PRINTER_H

#include <lauxlib.h>

/* core.text_tools() makes a table of these, and of those of fold.h, fields.h, text_handle.h and tree_handle.h. */
int luas__printer_tools(lua_State *L);

/* core.each_record is one of them: functions that are sent to workers name it. */
int luas__printer_each_record(lua_State *L);

#endif
