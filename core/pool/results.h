/*
 * What a C application is given of an outcome: results, or what a call raised,
 * as luas_values with nothing of Lua's in them. What cannot be given is an error.
 */
#ifndef LUAS_RESULTS_H
#define LUAS_RESULTS_H

#include "luas.h"
#include "outcome.h"
#include "plain.h"

/* All zero is a valid empty one. */
typedef struct luas__results {
    luas_value *values;
    int count;
    size_t capacity;
    const char *message, *traceback;    /* of what was raised; "" without */
    luas__buffer text;  /* what the values and those two point into */
    luas__plain plain;
} luas__results;

/*
 * Reads a payload (outcome.h), instead of the one before: the kind that the
 * outcome has for the application, which is LUAS__KIND_ERROR also where a
 * result has no plain form or the bytes are not those of a worker of ours.
 * An error has one value: what was raised, or nil where that has no plain form.
 * Of a timeout or a cancelled call there is only the traceback. LUAS_ENOMEM:
 * it can be read again.
 */
int luas__results_read(luas__results *r, int kind, const char *payload, size_t len);

void luas__results_release(luas__results *r);

#endif
