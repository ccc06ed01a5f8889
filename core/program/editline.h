/*
 * libedit, loaded when there is a line to edit. Scripts run without it, and each worker has some
 * 20 mappings less to copy. (Lua 5.5's interpreter loads readline in this way.)
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

/* Loads the library. Returns NULL on success: then all functions of *lib can be called. Else
   returns the reason in words, valid as long as *lib and until the next call of dlopen or the
   like. */
const char *luas__editline_load(luas__editline *lib);

#endif
