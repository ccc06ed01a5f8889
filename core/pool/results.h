/*
 * Outcomes for a C application: the results of a call, or what it raised, as luas_values. They
 * need no Lua. A result that has no such form makes the call an error.
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
    const char *message, *traceback;    /* of what was raised; "" if nothing was */
    luas__buffer text;  /* the values and these two point into it */
    luas__plain plain;
} luas__results;

/*
 * Reads a payload (outcome.h); the one before is forgotten. Returns the kind that the
 * application sees. That is LUAS__KIND_ERROR also when a result has no plain form, or when the
 * bytes are not what a worker sends. An error has one value: what was raised, or nil if that
 * has no plain form. A timeout or a cancelled call has only the traceback. After LUAS_ENOMEM
 * the payload can be read again.
 */
int luas__results_read(luas__results *r, int kind, const char *payload, size_t len);

void luas__results_release(luas__results *r);

#endif
