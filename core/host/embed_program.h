/*
 * The program that workers are where they are fresh: luas itself.
 */
#ifndef LUAS_EMBED_PROGRAM_H
#define LUAS_EMBED_PROGRAM_H

#include "buffer.h"

/* What this library is, for programs and their hosts (fresh.h): the versions of luas and of Lua, and
   what tells builds apart that do not understand each other. */
const char *luas__embed_program_tag(void);

/* This program is luas: called by its main. */
void luas__embed_program_is_luas(void);

/*
 * Finds it, and has it say that it is of this version. `given` is a path; NULL: this program, if that
 * is luas; else the one that was installed with this library, or one in PATH. `path` gets the path,
 * with a zero. On failure that is negative, and `why` gets words, with a zero.
 */
int luas__embed_program_find(const char *given, luas__buffer *path, luas__buffer *why);

#endif
