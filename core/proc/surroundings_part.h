/*
 * The inside of surroundings: surroundings.c makes, compares and enters them, surroundings_message.c
 * writes and reads them.
 */
#ifndef LUAS_SURROUNDINGS_PART_H
#define LUAS_SURROUNDINGS_PART_H

#include <stdbool.h>
#include <string.h>

#include "surroundings.h"

/* What changes beside variables: no variable has such a name. */
#define DIRECTORY "=directory"
#define LOCALE "=locale"
#define MASK "=mask"
#define TIME_ZONE "=zone"

static inline bool luas__surroundings_part_same(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

/* Have both the same directory? */
bool luas__surroundings_part_is_there(const luas__surroundings *a, const luas__surroundings *b);

/* Copies everything that `from` points to into one block, but takes those of these variables that are
   not NULL. NULL without memory. */
luas__surroundings *luas__surroundings_part_make(const luas__surroundings *from,
                                                 char *const *variables, size_t count);

/* The length of a variable's name; 0 if it has none. */
size_t luas__surroundings_part_name(const char *variable);

/* Where the variable of this name is, or `count`. Some may be NULL. */
size_t luas__surroundings_part_find(char *const *variables, size_t count, const char *name, size_t len);

/* Has this changed between the two, though it may be the same again? */
bool luas__surroundings_part_changed(const luas__surroundings *a, const luas__surroundings *b,
                                     const char *name, size_t len);

#endif
