/*
 * Who lives? Each process that uses an arena has a seat in it: a lock that it
 * holds as long as it lives. No pid can be mistaken for another then, and to ask
 * takes no system call.
 *
 * A seat is used again by others; its generation tells them apart. A word of an
 * object that belongs to a process (LUAS__SEATS of them) has the generation in its
 * upper half: what a dead process left there counts for nothing.
 */
#ifndef LUAS_SEAT_H
#define LUAS_SEAT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "robust.h"

enum { LUAS__SEATS = 4096 };

typedef struct luas__seat {
    luas__robust life;
    _Atomic uint32_t generation;    /* of who has it, or had it last */
    _Atomic uint32_t left;          /* that generation went of its own accord */
    _Atomic int32_t pid, worker;
    _Atomic int32_t joins;          /* the pid that it waits for, or 0 */
    _Atomic uint64_t full;          /* the queue that it waits for room in, or 0 */
} luas__seat;

/* Takes a seat that is free, looking from `first` on: its index, or -1. */
int luas__seat_take(luas__seat *seats, uint32_t count, uint32_t first);

/* Leaves it of one's own accord. */
void luas__seat_leave(luas__seat *s);

bool luas__seat_is_taken(luas__seat *s);

/* Does the process of that generation live? */
static inline bool luas__seat_lives(luas__seat *s, uint32_t generation)
{
    return atomic_load(&s->generation) == generation && luas__seat_is_taken(s);
}

/* ---- the words of an object, one for each seat ---- */

typedef _Atomic uint64_t luas__seat_word;

static inline uint64_t luas__seat_make(uint32_t generation, uint32_t n)
{
    return (uint64_t)generation << 32 | n;
}

/* What a process of that generation has in its word. */
static inline uint32_t luas__seat_count(uint64_t word, uint32_t generation)
{
    return (uint32_t)(word >> 32) == generation ? (uint32_t)word : 0;
}

#endif
