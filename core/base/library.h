/* Libraries that are loaded when something first needs them: SQLite, LMDB and the like. */
#ifndef LUAS_LIBRARY_H
#define LUAS_LIBRARY_H

#include <stddef.h>

/* Loads the first of these names that can be loaded, for the rest of the process: a handle for dlsym;
   or NULL. */
void *luas__library_open(const char *const *names, size_t count);

#endif
