/*
 * The command line options for seeing a run: --bar, --report FILE, --trace FILE, --joblog FILE,
 * --tag, --output MODE; and --journal FILE, with --resume, --resume-failed, --on-change HOW, --explain. The module luas.run does the work.
 */
#ifndef LUAS_REPORTS_H
#define LUAS_REPORTS_H

#include <lua.h>
#include <stdbool.h>

typedef struct luas__reports {
    bool bar;
    const char *report, *trace, *joblog, *output;   /* NULL: not given */
    const char *journal, *resume, *on_change, *explain; /* likewise */
} luas__reports;

/*
 * Reads the option at argv[*i], if it is one of these. Its argument is attached by `=`, or is
 * the next word: then *i moves on to that. Returns 1; 0 when it is another option; -1 and *why
 * when it is used wrongly. With `r` NULL the option is only skipped.
 */
int luas__reports_parse(luas__reports *r, char **argv, int *i, const char **why);

/* An option that was given without --journal, and says nothing without it; or NULL. */
const char *luas__reports_misfit(const luas__reports *r);

/* Begins. If a file cannot be written it pushes a message and returns false. */
bool luas__reports_begin(lua_State *L, const luas__reports *r, bool prompt);

/* Writes the files that are written at the end, once. Also called when the script exits by
   os.exit. */
void luas__reports_end(lua_State *L);

#endif
