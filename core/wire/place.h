/*
 * Says in words where a value is: steps from the outside in, with commas between them.
 * Fields that follow one another are joined: `result 2, field "a".b[3], key`.
 */
#ifndef LUAS_PLACE_H
#define LUAS_PLACE_H

#include <stdbool.h>

#include "buffer.h"

typedef struct luas__place {
    luas__buffer *text; /* the steps are appended */
    size_t start;       /* where in it the first one begins */
    bool in_field;      /* the last step was a field; another one is joined to it */
    int rc;             /* 0, or LUAS_ENOMEM; after that no step is added */
} luas__place;

/* Of a very deep place callers show only this many steps at either end. */
enum { LUAS__PLACE_SHOWN = 12 };

void luas__place_open(luas__place *p, luas__buffer *text);

/* Adds a step in words. The other one adds a name, of which it shows 100 bytes:
   `global 'x'`. */
void luas__place_step(luas__place *p, const char *words);
void luas__place_named(luas__place *p, const char *before, const char *name, const char *after);

/* Adds a step with a number: `value 2`. */
void luas__place_count(luas__place *p, const char *what, uint32_t count);

/* Adds a field: by a name, of which it shows 100 bytes; by an integer or a float; or by any
   other key in words that have their brackets already. */
void luas__place_field(luas__place *p, const char *name, size_t len);
void luas__place_integer(luas__place *p, int64_t key);
void luas__place_float(luas__place *p, double key);
void luas__place_key(luas__place *p, const char *words);

/* Adds an ellipsis for steps that are left out. */
void luas__place_gap(luas__place *p);

#endif
