/* Rounds, and who came to which. */
#include "shared_barrier.h"

#include <errno.h>

#include "bell.h"
#include "error.h"

typedef struct visitor {
    luas__seat_word round;      /* 0: never came */
    int32_t pid, worker;
} visitor;

typedef struct barrier {
    char owners[LUAS__BLOCK_HEAD];
    luas__robust guard;
    luas__bell bell;
    uint32_t n;
    _Atomic uint32_t round;     /* from 1 */
    _Atomic uint32_t resets, broken;
    int32_t pid, worker;        /* who broke it */
    visitor came[LUAS__SEATS];
} barrier;

static barrier *barrier_of(const luas__object *o)
{
    return (barrier *)(void *)o->at;
}

int luas__shared_barrier_new(luas__arena *a, uint32_t n, luas__object *o)
{
    luas__object made = {.at = NULL};
    int rc = luas__arena_new(a, LUAS__SHARED_BARRIER, sizeof(barrier), 4096, &made);
    if (rc < 0)
        return rc;
    barrier_of(&made)->n = n;
    atomic_store(&barrier_of(&made)->round, 1);
    rc = luas__robust_init(&barrier_of(&made)->guard);
    if (rc < 0)
        luas__arena_drop(&made);
    else
        *o = made;
    return rc;
}

/* Every change under this lock is one store. So nothing has to be mended after a death. */
static int guard(const luas__object *o)
{
    int rc = luas__robust_lock_briefly(&barrier_of(o)->guard);
    return rc < 0 ? rc : 0;
}

static void unguard(const luas__object *o)
{
    luas__robust_unlock(&barrier_of(o)->guard);
}

static void break_it(barrier *b, int pid, int worker)
{
    b->pid = pid;
    b->worker = worker;
    atomic_store(&b->broken, 1);
    luas__bell_ring(&b->bell);
}

/* A process that has left its seat does not count as dead, unless it was waiting here. */
static bool has_died(const luas__object *o, uint32_t seat, uint64_t word)
{
    luas__seat *s = &luas__arena_seats(o->arena)[seat];
    uint32_t generation = (uint32_t)(word >> 32);
    return (uint32_t)word != 0 && !luas__seat_lives(s, generation)
        && atomic_load(&s->left) != generation;
}

/* Counts who waits in this round, and records who has died. The guard is held. */
static uint32_t count_waiting(const luas__object *o)
{
    barrier *b = barrier_of(o);
    uint32_t seats = luas__arena_seat_count(o->arena), waiting = 0;
    for (uint32_t i = 0; i < seats; i++) {
        uint64_t word = atomic_load(&b->came[i].round);
        if (has_died(o, i, word)) {
            if (atomic_load(&b->broken) == 0)
                break_it(b, b->came[i].pid, b->came[i].worker);
            atomic_store(&b->came[i].round, 0);
        } else if ((uint32_t)word == atomic_load(&b->round)) {
            waiting++;
        }
    }
    return waiting;
}

static int say_who(const luas__object *o, luas__barrier_visit *v)
{
    v->pid = barrier_of(o)->pid;
    v->worker = barrier_of(o)->worker;
    return -EPIPE;
}

/* Is the round of that visit over, or the barrier broken? 0: neither. */
static int look(const luas__object *o, luas__barrier_visit *v)
{
    barrier *b = barrier_of(o);
    if (atomic_load(&b->resets) != v->resets) {
        v->pid = v->worker = 0;
        return -EPIPE;
    }
    if (atomic_load(&b->round) != v->round)
        return 1;
    return atomic_load(&b->broken) != 0 ? say_who(o, v) : 0;
}

static void next_round(barrier *b)
{
    uint32_t round = atomic_load(&b->round);
    atomic_store(&b->round, round == UINT32_MAX ? 1 : round + 1);
    luas__bell_ring(&b->bell);
}

int luas__shared_barrier_enter(const luas__object *o, luas__barrier_visit *v)
{
    barrier *b = barrier_of(o);
    luas__arena *a = o->arena;
    int rc = guard(o);
    if (rc < 0)
        return rc;
    v->round = atomic_load(&b->round);
    v->resets = atomic_load(&b->resets);
    v->place = count_waiting(o) + 1;
    rc = look(o, v);
    if (rc == 0) {
        visitor *self = &b->came[a->seat];
        self->pid = a->here.pid;
        self->worker = a->who.worker;
        atomic_store(&self->round, luas__seat_make(a->generation, v->round));
        if (v->place >= b->n)
            next_round(b);
        rc = v->place >= b->n;
    }
    unguard(o);
    return rc;
}

int luas__shared_barrier_await(const luas__object *o, luas__barrier_visit *v, int64_t ns)
{
    barrier *b = barrier_of(o);
    uint32_t rings = luas__bell_listen(&b->bell);
    int rc = look(o, v);
    if (rc != 0 || (rc = luas__bell_wait(&b->bell, rings, ns)) < 0 || (rc = look(o, v)) != 0)
        return rc;
    if (luas__robust_try(&b->guard) >= 0) { /* if another has it, that one looks */
        count_waiting(o);
        unguard(o);
    }
    return look(o, v);
}

int luas__shared_barrier_leave(const luas__object *o, luas__barrier_visit *v)
{
    barrier *b = barrier_of(o);
    int rc = guard(o);
    if (rc < 0)
        return rc;
    rc = look(o, v);
    if (rc == 0) {
        break_it(b, o->arena->here.pid, o->arena->who.worker);
        rc = say_who(o, v);
    }
    unguard(o);
    return rc;
}

int luas__shared_barrier_reset(const luas__object *o)
{
    barrier *b = barrier_of(o);
    int rc = guard(o);
    if (rc < 0)
        return rc;
    atomic_fetch_add(&b->resets, 1);
    uint32_t seats = luas__arena_seat_count(o->arena);
    for (uint32_t i = 0; i < seats; i++)
        atomic_store(&b->came[i].round, 0);
    atomic_store(&b->broken, 0);
    luas__bell_ring(&b->bell);
    unguard(o);
    return 0;
}
