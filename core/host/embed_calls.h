/* What a pool of luas.h remembers of a call until it has an outcome: a hash table by number. */
#ifndef LUAS_EMBED_CALLS_H
#define LUAS_EMBED_CALLS_H

#include <stddef.h>

#include "luas.h"

typedef struct luas__call {
    uint64_t number;        /* 0: the slot is empty */
    uint64_t position;      /* in its luas_map */
    void *data;
    luas_receiver *receive; /* or NULL */
    char *label;            /* owned by the table; or NULL */
} luas__call;

/* All zero is empty. */
typedef struct luas__calls {
    luas__call *slots;
    size_t mask;            /* slots - 1; a power of two less one */
    size_t count;
} luas__calls;

/* Makes room for so many more. LUAS_ENOMEM with nothing changed. */
int luas__embed_calls_reserve(luas__calls *c, size_t more);

/* Adds a call, for which there is room. */
void luas__embed_calls_add(luas__calls *c, const luas__call *call);

const luas__call *luas__embed_calls_find(const luas__calls *c, uint64_t number);

/* Removes it. The caller owns the label of what this returns; all zero: there was none. */
luas__call luas__embed_calls_take(luas__calls *c, uint64_t number);

void luas__embed_calls_release(luas__calls *c);

#endif
