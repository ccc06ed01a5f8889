/*
 * Where a value stands, in words: steps from the outside in, each after a comma
 * but for fields, which are joined, as in `result 2, field "a".b[3], key`.
 */
#ifndef LUAS_PLACE_H
#define LUAS_PLACE_H

#include <stdbool.h>

#include "buffer.h"

typedef struct luas__place {
    luas__buffer *text; /* the steps are appended */
    size_t start;       /* where in it the first one begins */
    bool in_field;      /* the last step was a field, to which the next one is joined */
    int rc;             /* 0, or LUAS_ENOMEM: then no step is added any more */
} luas__place;

/* Of a very deep place callers tell only so many steps of each end. */
enum { LUAS__PLACE_SHOWN = 12 };

void luas__place_open(luas__place *p, luas__buffer *text);

/* A step of its own; and one with a name, of which 100 bytes are shown: `global 'x'`. */
void luas__place_step(luas__place *p, const char *words);
void luas__place_named(luas__place *p, const char *before, const char *name, const char *after);

/* `value 2`. */
void luas__place_count(luas__place *p, const char *what, uint32_t count);

/* A field by its name, of which 100 bytes are shown; by an integer or a float; or by any other
   key, the words for which have their brackets. */
void luas__place_field(luas__place *p, const char *name, size_t len);
void luas__place_integer(luas__place *p, int64_t key);
void luas__place_float(luas__place *p, double key);
void luas__place_key(luas__place *p, const char *words);

/* Stands for the steps that are left out. */
void luas__place_gap(luas__place *p);

#endif
