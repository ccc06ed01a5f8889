/* Permits, counted by their holders. */
#include "shared_semaphore.h"

#include <errno.h>

#include "bell.h"
#include "error.h"

typedef struct semaphore {
    char owners[LUAS__BLOCK_HEAD];
    luas__robust lock;
    luas__bell bell;
    uint32_t permits;
    uint32_t out;
    luas__seat_word held[LUAS__SEATS];
} semaphore;

static semaphore *semaphore_of(const luas__object *o)
{
    return (semaphore *)(void *)o->at;
}

int luas__shared_semaphore_new(luas__arena *a, uint32_t permits, luas__object *o)
{
    luas__object made = {.at = NULL};
    int rc = luas__arena_new(a, LUAS__SHARED_SEMAPHORE, sizeof(semaphore), 4096, &made);
    if (rc < 0)
        return rc;
    semaphore_of(&made)->permits = permits;
    rc = luas__robust_init(&semaphore_of(&made)->lock);
    if (rc < 0)
        luas__arena_drop(&made);
    else
        *o = made;
    return rc;
}

/* With the lock held: without those of the dead. */
static void recount(const luas__object *o)
{
    semaphore *s = semaphore_of(o);
    luas__seat *seats = luas__arena_seats(o->arena);
    uint32_t count = luas__arena_seat_count(o->arena);
    s->out = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint64_t word = atomic_load(&s->held[i]);
        if ((uint32_t)word != 0 && luas__seat_lives(&seats[i], (uint32_t)(word >> 32)))
            s->out += (uint32_t)word;
        else if (word != 0)
            atomic_store(&s->held[i], 0);
    }
}

static int lock(const luas__object *o)
{
    int rc = luas__robust_lock(&semaphore_of(o)->lock, LUAS__SLICE);
    if (rc == LUAS__DIED)
        recount(o);
    return rc < 0 ? rc : 0;
}

static uint32_t own_count(const luas__object *o)
{
    return luas__seat_count(atomic_load(&semaphore_of(o)->held[o->arena->seat]),
                            o->arena->generation);
}

/* With the lock held. */
static void change(const luas__object *o, uint32_t by)
{
    semaphore *s = semaphore_of(o);
    atomic_store(&s->held[o->arena->seat],
                 luas__seat_make(o->arena->generation, own_count(o) + by));
    s->out += by;
}

int luas__shared_semaphore_take(const luas__object *o)
{
    semaphore *s = semaphore_of(o);
    int rc = luas__arena_reserve_hold(o->arena);
    if (rc < 0 || (rc = lock(o)) < 0)
        return rc;
    if (s->out >= s->permits)
        recount(o);
    rc = s->out < s->permits ? 0 : LUAS_ETIMEDOUT;
    if (rc == 0)
        change(o, 1);
    luas__robust_unlock(&s->lock);
    if (rc == 0)
        luas__arena_add_hold(o->arena, o);
    return rc;
}

int luas__shared_semaphore_await(const luas__object *o, int64_t ns)
{
    semaphore *s = semaphore_of(o);
    uint32_t rings = luas__bell_listen(&s->bell);
    return luas__shared_semaphore_count(o) > 0 ? 0 : luas__bell_wait(&s->bell, rings, ns);
}

int luas__shared_semaphore_release(const luas__object *o)
{
    semaphore *s = semaphore_of(o);
    if (own_count(o) == 0)
        return -EPERM;
    int rc = luas__robust_lock_briefly(&s->lock);
    if (rc < 0)
        return rc;
    if (rc == LUAS__DIED)
        recount(o);
    change(o, (uint32_t)-1);
    luas__robust_unlock(&s->lock);
    luas__bell_ring(&s->bell);
    luas__arena_remove_hold(o->arena, o);
    return 0;
}

uint32_t luas__shared_semaphore_count(const luas__object *o)
{
    semaphore *s = semaphore_of(o);
    if (lock(o) < 0)
        return 0;
    recount(o);
    uint32_t free = s->permits > s->out ? s->permits - s->out : 0;
    luas__robust_unlock(&s->lock);
    return free;
}
