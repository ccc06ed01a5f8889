/* A set of descriptors, as numbers: it does not own them. */
#ifndef LUAS_FD_SET_H
#define LUAS_FD_SET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Starts as {.bits = NULL}. */
typedef struct luas__fd_set {
    uint64_t *bits;
    size_t words, cap;
    bool is_partial;        /* it may lack some that should be in it */
} luas__fd_set;

/* Without memory the set becomes partial. A negative `fd` is none. */
void luas__fd_set_add(luas__fd_set *s, int fd);

static inline bool luas__fd_set_has(const luas__fd_set *s, int fd)
{
    return (size_t)fd / 64 < s->words && s->bits[fd / 64] >> fd % 64 & 1;
}

size_t luas__fd_set_count(const luas__fd_set *s);

/* The first in the set from `fd` on, or -1. */
int luas__fd_set_next(const luas__fd_set *s, int fd);

/* Frees what the set has. *s is then as at the start. */
void luas__fd_set_release(luas__fd_set *s);

#endif
