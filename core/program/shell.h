/*
 * The command line options for one-liners over lines: -p EXPR, -n CODE, --where, --sum and others.
 * The module luas.shell does the work, over the files that follow the options.
 */
#ifndef LUAS_SHELL_H
#define LUAS_SHELL_H

#include <lua.h>
#include <stdbool.h>

/* As luas__reports_parse; 2 for --args, which all other words follow. With one of these options *is_given becomes true, unless it is NULL. */
int luas__shell_parse(bool *is_given, char **argv, int *i, const char **why);

/* Pushes the function that does the work, and its arguments. Returns how many these are. It
   returns an exit status, and for a command line that is wrong a message. */
int luas__shell_push(lua_State *L, char **argv, int first_file);

#endif
