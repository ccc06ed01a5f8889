/*
 * Options of the command line about what is seen of a run: --bar, --report FILE,
 * --trace FILE, --joblog FILE, --tag, --output MODE. The module luas.run does it.
 */
#ifndef LUAS_REPORTS_H
#define LUAS_REPORTS_H

#include <lua.h>
#include <stdbool.h>

typedef struct luas__reports {
    bool bar;
    const char *report, *trace, *joblog, *output;   /* NULL: not given */
} luas__reports;

/*
 * Takes the option at argv[*i], if it is one of these, with its argument, which is
 * attached to it by `=` or the next word: *i moves on to that. 1; 0 when it is none of
 * these; -1 with *why when it is used wrongly. With `r` NULL it is only passed over.
 */
int luas__reports_parse(luas__reports *r, char **argv, int *i, const char **why);

/* Begins: false and a message is pushed where a file cannot be written. */
bool luas__reports_begin(lua_State *L, const luas__reports *r, bool prompt);

/* Writes what is to be written at the end. Also done where the script exits without
   coming back; once only. */
void luas__reports_end(lua_State *L);

#endif
