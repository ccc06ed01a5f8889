/*
 * Which processes live? Each process that uses an arena has a seat in it: a lock that it holds
 * as long as it lives. So asking needs no system call, and a reused pid cannot mislead.
 *
 * Seats are reused. Each process in a seat has its own generation. Objects have one word for
 * each seat (LUAS__SEATS words). The upper half of such a word is the generation of its
 * writer: a word that a dead process left there does not count.
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
    _Atomic uint32_t generation;    /* of the process that has it, or had it last */
    _Atomic uint32_t left;          /* the generation that left it, instead of dying */
    _Atomic int32_t pid, worker;
    _Atomic int32_t joins;          /* the pid that it waits for, or 0 */
    _Atomic uint64_t full;          /* the queue in which it waits for room, or 0 */
} luas__seat;

/* Takes a free seat; looks from `first` on. Returns its index, or -1. */
int luas__seat_take(luas__seat *seats, uint32_t count, uint32_t first);

/* Leaves a seat of this process. */
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

/* The lower half of a word, if a process of that generation wrote it; else 0. */
static inline uint32_t luas__seat_count(uint64_t word, uint32_t generation)
{
    return (uint32_t)(word >> 32) == generation ? (uint32_t)word : 0;
}

#endif
