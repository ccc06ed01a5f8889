/*
 * libedit, loaded when there is a line to edit: the program runs scripts
 * without it, and each worker that it forks has some 20 mappings less to copy.
 * (Lua 5.5's interpreter loads readline so.)
 */
#ifndef LUAS_EDITLINE_H
#define LUAS_EDITLINE_H

#include <histedit.h>

/* The functions that the prompt uses, by their own names. */
#define LUAS__EDITLINE(F) \
    F(el_init) F(el_end) F(el_set) F(el_wset) F(el_get) F(el_source) F(el_resize) \
    F(el_gets) F(el_line) F(el_insertstr) F(history_init) F(history_end) F(history)

#define LUAS__EDITLINE_FIELD(name) __typeof__(&name) name;
typedef struct luas__editline {
    LUAS__EDITLINE(LUAS__EDITLINE_FIELD)
    char why[200];      /* there is no library */
} luas__editline;
#undef LUAS__EDITLINE_FIELD

/* NULL once all of *lib can be called, for good; else why not, in words that
   stay until *lib goes, or the next call of dlopen and its like. */
const char *luas__editline_load(luas__editline *lib);

#endif
