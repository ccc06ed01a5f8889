/*
 * The program's prompt: a terminal with line editing (libedit) for the Lua
 * module luas.repl, which holds the logic. It is given an editor object:
 *
 *   editor:readline(prompt, complete)  the line without its newline; nil at
 *       end of input; false when the user dropped it with Ctrl-C. In `prompt`
 *       what stands between two \1 takes no room on the screen. At Tab
 *       complete(text up to the cursor, columns) says what to insert and, if
 *       nothing, what to list.
 *   editor:remember(text)  makes text the newest entry of the history, 1000
 *       of which are kept in memory.
 *   editor:prepare(path)  makes the file, for this user only, and the folders
 *       on its way, where they are missing; true, or nil and the reason.
 *   editor.terminal  true
 *
 * While a line is edited the terminal is raw, and the editor handles SIGINT, SIGTERM, SIGTSTP
 * and SIGWINCH. Before readline returns it restores everything, and raises a SIGTERM that came
 * again. The editor ends with its handle. A forked child that closes the handle does not touch
 * the terminal.
 */
#ifndef LUAS_PROMPT_H
#define LUAS_PROMPT_H

#include <lua.h>

/* Prints the banner, with the number of workers that a pool has. May raise. */
void luas__prompt_banner(lua_State *L);

/*
 * A lua_CFunction that runs the prompt until its input ends. Its argument is a function like
 * xpcall, which runs each statement. If stdin or stdout is no terminal there is no editor, and
 * luas.repl reads plain lines. On a terminal it leaves SIGINT ignored; the caller restores it.
 * It raises when memory is short, and when the xpcall itself raises.
 */
int luas__prompt(lua_State *L);

#endif
