/* The entries of an arena, with the lock that changes them. */
#define _GNU_SOURCE
#include "arena_entry.h"

#include <string.h>

#include "error.h"

enum { WORDS = LUAS__SEATS / 64 };

/* Seats whose processes live. */
typedef struct living {
    uint64_t bits[WORDS];
} living;

luas__owner_word *luas__arena_entry_owners(const luas__arena *a, const luas__entry *e)
{
    return (luas__owner_word *)(void *)((char *)a->head + e->at);
}

static uint32_t class_of(uint64_t size)
{
    uint32_t class = 12;
    while (UINT64_C(1) << class < size)
        class++;
    return class;
}

void luas__arena_entry_give_up(luas__arena *a, uint32_t i)
{
    luas__entry *e = luas__arena_head_entry(a, i);
    uint32_t *list = &a->head->free[class_of(e->size)];
    e->next = *list;
    *list = i;
}

/* Frees the entry and gives the memory of its block back; it reads as zeros from then on. */
static void free_entry(luas__arena *a, uint32_t i)
{
    luas__entry *e = luas__arena_head_entry(a, i);
    atomic_store(&e->state, ENTRY_CHANGING);
    if (luas__arena_map_discard(a, e->at, e->size) < 0)
        memset((char *)a->head + e->at, 0, e->size);
    atomic_fetch_sub(&a->head->used, atomic_exchange(&e->charged, 0));
    atomic_store(&e->packed_at, 0);
    memset(e->keepers, 0, sizeof e->keepers);
    e->stays = 0;
    atomic_fetch_sub(&a->head->reserved, e->size);
    atomic_store(&e->state, ENTRY_FREE);
    luas__arena_entry_give_up(a, i);
}

/* Rebuilds the lists after a process died with the lock. The states of the entries are right. */
static void rebuild(luas__arena *a)
{
    luas__arena_head *h = a->head;
    memset(h->free, 0, sizeof h->free);
    h->objects = 0;
    uint64_t used = 0, reserved = 0;
    for (uint32_t i = 1; i <= h->made; i++) {
        luas__entry *e = luas__arena_head_entry(a, i);
        if (atomic_load(&e->state) == ENTRY_USED) {
            h->objects++;
            reserved += e->size;
        } else if (atomic_load(&e->state) == ENTRY_CHANGING)
            free_entry(a, i);
        else
            luas__arena_entry_give_up(a, i);
        used += atomic_load(&e->charged);
    }
    atomic_store(&h->used, used);
    atomic_store(&h->reserved, reserved);
}

int luas__arena_entry_lock(luas__arena *a)
{
    int rc = luas__robust_lock_briefly(&a->head->lock);
    if (rc == LUAS__DIED)
        rebuild(a);
    return rc < 0 ? rc : 0;
}

void luas__arena_entry_unlock(luas__arena *a)
{
    luas__robust_unlock(&a->head->lock);
}

/* ---- who has what ---- */

uint64_t luas__arena_entry_own_bit(const luas__arena *a)
{
    return UINT64_C(1) << a->seat % 64;
}

void luas__arena_entry_own(luas__arena *a, const luas__entry *e)
{
    atomic_fetch_or(&luas__arena_entry_owners(a, e)[a->seat / 64], luas__arena_entry_own_bit(a));
}

static void find_living(const luas__arena *a, living *l)
{
    memset(l, 0, sizeof *l);
    uint32_t seats = atomic_load(&a->head->seats);
    for (uint32_t i = 0; i < seats; i++)
        if (luas__seat_is_taken(&luas__arena_seats(a)[i]))
            l->bits[i / 64] |= UINT64_C(1) << i % 64;
}

static bool is_packed(const luas__arena *a, const luas__entry *e)
{
    int64_t packed = atomic_load(&e->packed_at);
    return packed != 0 && packed >= atomic_load(&a->head->settled);
}

/* With the lock held. */
static bool has_keeper(const luas__arena *a, const luas__entry *e)
{
    for (int i = 0; i < LUAS__KEEPERS; i++) {
        const luas__entry *keeper = luas__arena_head_entry(a, (uint32_t)e->keepers[i].id);
        if (e->keepers[i].count > 0 && atomic_load(&keeper->state) == ENTRY_USED
            && atomic_load(&keeper->generation) == (uint32_t)(e->keepers[i].id >> 32))
            return true;
    }
    return e->stays != 0;
}

bool luas__arena_entry_is_kept(const luas__arena *a, const luas__entry *e)
{
    return has_keeper(a, e) || is_packed(a, e);
}

static bool is_wanted(const luas__arena *a, const luas__entry *e, const living *l)
{
    if (luas__arena_entry_is_kept(a, e))
        return true;
    const luas__owner_word *words = luas__arena_entry_owners(a, e);
    for (uint32_t i = 0; i <= (atomic_load(&a->head->seats) - 1) / 64; i++)
        if ((atomic_load(&words[i]) & l->bits[i]) != 0)
            return true;
    return false;
}

/* With the lock held. */
void luas__arena_entry_sweep(luas__arena *a)
{
    luas__arena_head *h = a->head;
    living l;
    find_living(a, &l);
    for (uint32_t i = 1; i <= h->made; i++) {
        luas__entry *e = luas__arena_head_entry(a, i);
        if (atomic_load(&e->state) == ENTRY_USED && !is_wanted(a, e, &l)) {
            h->objects--;
            free_entry(a, i);
        }
    }
    h->sweep_at = 2 * h->objects + 64;
    h->swept = luas__now_coarse();
}

/* Clears the bits of the process that had this seat before. */
void luas__arena_entry_clear_owner(luas__arena *a)
{
    for (uint32_t i = 1; i <= a->head->made; i++) {
        const luas__entry *e = luas__arena_head_entry(a, i);
        if (atomic_load(&e->state) == ENTRY_USED)
            atomic_fetch_and(&luas__arena_entry_owners(a, e)[a->seat / 64], ~luas__arena_entry_own_bit(a));
    }
}

int luas__arena_entry_take(luas__arena *a, uint64_t size)
{
    luas__arena_head *h = a->head;
    uint32_t class = class_of(size), i = class < LUAS__CLASSES ? h->free[class] : 0;
    if (i != 0) {
        h->free[class] = luas__arena_head_entry(a, i)->next;
        return (int)i;
    }
    size = UINT64_C(1) << class;
    if (class >= LUAS__CLASSES || h->made + 1 >= LUAS__OBJECTS || size > h->size - h->bump)
        return LUAS_ENOMEM;
    i = h->made + 1;
    luas__entry *e = luas__arena_head_entry(a, i);
    e->at = h->bump;
    e->size = size;
    h->bump += size;
    h->made = i;
    return (int)i;
}

int luas__arena_entry_charge(luas__arena *a, luas__entry *e, uint64_t bytes)
{
    luas__arena_head *h = a->head;
    uint64_t before = atomic_fetch_add(&h->used, bytes);
    if (before + bytes > h->limit || before + bytes < before) {
        atomic_fetch_sub(&h->used, bytes);
        return LUAS_ENOMEM;
    }
    atomic_fetch_add(&e->charged, bytes);
    return 0;
}

void luas__arena_entry_free_if_unwanted(luas__arena *a, uint32_t i, uint32_t generation)
{
    living l;
    luas__entry *e = luas__arena_head_entry(a, i);
    int rc = luas__robust_try(&a->head->lock);
    if (rc < 0)
        return; /* a later sweep frees it */
    if (rc == LUAS__DIED)
        rebuild(a);
    if (atomic_load(&e->state) == ENTRY_USED && atomic_load(&e->generation) == generation) {
        find_living(a, &l);
        if (!is_wanted(a, e, &l)) {
            a->head->objects--;
            free_entry(a, i);
        }
    }
    luas__arena_entry_unlock(a);
}
