/* Processes that wait have tickets. */
#include "shared_condition.h"

#include "bell.h"
#include "arena_keep.h"
#include "error.h"

/* The states in the word of a process; from FIRST_TICKET on it is a ticket. */
enum { NOT_WAITING, NOTIFIED, FIRST_TICKET };

typedef struct condition {
    char owners[LUAS__BLOCK_HEAD];
    luas__robust guard;
    luas__bell bell;
    uint64_t lock;
    uint32_t ticket;            /* the next one to be given */
    luas__seat_word waits[LUAS__SEATS];
} condition;

static condition *condition_of(const luas__object *o)
{
    return (condition *)(void *)o->at;
}

int luas__shared_condition_new(luas__arena *a, uint64_t lock, luas__object *o)
{
    luas__object made = {.at = NULL};
    int rc = luas__arena_new(a, LUAS__SHARED_CONDITION, sizeof(condition), 4096, &made);
    if (rc < 0)
        return rc;
    condition_of(&made)->lock = lock;
    condition_of(&made)->ticket = FIRST_TICKET;
    rc = luas__robust_init(&condition_of(&made)->guard);
    if (rc == 0 && lock != 0)
        rc = luas__arena_keep_add(&made, &lock, 1);
    if (rc < 0)
        luas__arena_drop(&made);
    else
        *o = made;
    return rc;
}

uint64_t luas__shared_condition_lock(const luas__object *o)
{
    return condition_of(o)->lock;
}

/* Every change under this lock is one store. So nothing has to be mended after a death. */
static int guard(const luas__object *o)
{
    int rc = luas__robust_lock_briefly(&condition_of(o)->guard);
    return rc < 0 ? rc : 0;
}

static luas__seat_word *own_word(const luas__object *o)
{
    return &condition_of(o)->waits[o->arena->seat];
}

static uint32_t own_state(const luas__object *o)
{
    return luas__seat_count(atomic_load(own_word(o)), o->arena->generation);
}

static void set_own(const luas__object *o, uint32_t state)
{
    atomic_store(own_word(o), luas__seat_make(o->arena->generation, state));
}

int luas__shared_condition_enter(const luas__object *o)
{
    condition *c = condition_of(o);
    int rc = guard(o);
    if (rc < 0)
        return rc;
    set_own(o, c->ticket);
    c->ticket = c->ticket == UINT32_MAX ? FIRST_TICKET : c->ticket + 1;
    luas__robust_unlock(&c->guard);
    return 0;
}

/* The seat that has waited longest, or -1. Tickets wrap. */
static int find_first(const luas__object *o)
{
    condition *c = condition_of(o);
    luas__seat *seats = luas__arena_seats(o->arena);
    uint32_t count = luas__arena_seat_count(o->arena), oldest = 0;
    int first = -1;
    for (uint32_t i = 0; i < count; i++) {
        uint64_t word = atomic_load(&c->waits[i]);
        uint32_t age = c->ticket - (uint32_t)word;
        if ((uint32_t)word >= FIRST_TICKET && (first < 0 || age > oldest)
            && luas__seat_lives(&seats[i], (uint32_t)(word >> 32))) {
            first = (int)i;
            oldest = age;
        }
    }
    return first;
}

int luas__shared_condition_notify(const luas__object *o, uint32_t n)
{
    condition *c = condition_of(o);
    int rc = guard(o), seat;
    if (rc < 0)
        return rc;
    for (; n > 0 && (seat = find_first(o)) >= 0; n--) {
        uint64_t word = atomic_load(&c->waits[seat]);
        atomic_store(&c->waits[seat], luas__seat_make((uint32_t)(word >> 32), NOTIFIED));
    }
    luas__robust_unlock(&c->guard);
    luas__bell_ring(&c->bell);
    return 0;
}

/* Takes the notice of a process that has died. Returns true if there was one. */
static bool inherit(const luas__object *o)
{
    condition *c = condition_of(o);
    luas__seat *seats = luas__arena_seats(o->arena);
    uint32_t count = luas__arena_seat_count(o->arena);
    for (uint32_t i = 0; i < count; i++) {
        uint64_t word = atomic_load(&c->waits[i]);
        if ((uint32_t)word == NOTIFIED && !luas__seat_lives(&seats[i], (uint32_t)(word >> 32))) {
            atomic_store(&c->waits[i], 0);
            return true;
        }
    }
    return false;
}

int luas__shared_condition_leave(const luas__object *o)
{
    condition *c = condition_of(o);
    int rc = guard(o);
    if (rc < 0)
        return rc;
    rc = own_state(o) == NOTIFIED;
    set_own(o, NOT_WAITING);
    luas__robust_unlock(&c->guard);
    return rc;
}

int luas__shared_condition_await(const luas__object *o, int64_t ns)
{
    condition *c = condition_of(o);
    uint32_t rings = luas__bell_listen(&c->bell);
    if (own_state(o) != NOTIFIED) {
        int rc = luas__bell_wait(&c->bell, rings, ns);
        if (rc < 0)
            return rc;
    }
    if (own_state(o) == NOTIFIED)
        return luas__shared_condition_leave(o);
    int rc = guard(o);
    if (rc < 0)
        return 0;
    bool inherited = inherit(o);
    if (inherited)
        set_own(o, NOTIFIED);
    luas__robust_unlock(&c->guard);
    return inherited ? luas__shared_condition_leave(o) : 0;
}
