/*
 * The entries of an arena: which are free, which are objects, and who has these. A file of the inside.
 *
 * An entry changes with the lock held. If its holder dies the lists of free entries are rebuilt by the
 * next one. "Returns" without more: 0, or negative.
 */
#ifndef LUAS_ARENA_ENTRY_H
#define LUAS_ARENA_ENTRY_H

#include "arena_head.h"

typedef _Atomic uint64_t luas__owner_word;

int luas__arena_entry_lock(luas__arena *a);
void luas__arena_entry_unlock(luas__arena *a);

/* ---- with the lock held ---- */

/* Takes a free entry with a zeroed block of that size. Returns its index, or negative. The other one
   gives back an entry that has not become an object. */
int luas__arena_entry_take(luas__arena *a, uint64_t size);
void luas__arena_entry_give_up(luas__arena *a, uint32_t i);

/* Sets the bit of this process. */
void luas__arena_entry_own(luas__arena *a, const luas__entry *e);

/* Clears the bits of the process that had this seat before. */
void luas__arena_entry_clear_owner(luas__arena *a);

/* Frees all objects that nobody has any more. */
void luas__arena_entry_sweep(luas__arena *a);

/* ---- without it ---- */

/* Counts bytes that the object uses. LUAS_ENOMEM: they are too many. */
int luas__arena_entry_charge(luas__arena *a, luas__entry *e, uint64_t bytes);

/* Frees the object of that generation if nobody has it, unless others hold the lock: then a later sweep
   does. */
void luas__arena_entry_free_if_unwanted(luas__arena *a, uint32_t i, uint32_t generation);

/* The bits by seat, and that of this process in its word. */
luas__owner_word *luas__arena_entry_owners(const luas__arena *a, const luas__entry *e);
uint64_t luas__arena_entry_own_bit(const luas__arena *a);

/* Does another object keep it, or may a message have it? */
bool luas__arena_entry_is_kept(const luas__arena *a, const luas__entry *e);

#endif
