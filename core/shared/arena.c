/* Objects in an arena: who has them, and when they go. */
#define _GNU_SOURCE
#include "arena.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "arena_entry.h"
#include "array.h"
#include "error.h"
#include "fd.h"

/* How often a process that makes objects looks for ones that nobody has any more. */
#define SWEEP_EVERY LUAS__SECOND

int luas__arena_open(luas__arena *a, uint64_t limit)
{
    *a = (luas__arena)LUAS__ARENA_INIT;
    int fd = luas__arena_map_create();
    if (fd < 0)
        return fd;
    a->fd = fd;
    a->is_root = true;
    a->limit = limit;
    luas__fork_detect_open(&a->here);
    return 0;
}

int luas__arena_join(luas__arena *a, const luas__arena *other)
{
    *a = (luas__arena)LUAS__ARENA_INIT;
    int fd = fcntl(other->fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    if (fd < 0)
        return -errno;
    a->fd = fd;
    a->limit = other->limit;
    luas__fork_detect_open(&a->here);
    return 0;
}

/* ---- seats ---- */

uint32_t luas__arena_seat_count(const luas__arena *a)
{
    return atomic_load(&a->head->seats);
}

static int find_seat(luas__arena *a)
{
    luas__arena_head *h = a->head;
    for (;;) {
        int seat = luas__seat_take(luas__arena_seats(a), atomic_load(&h->seats),
                                   atomic_load(&h->next_seat));
        if (seat >= 0)
            return seat;
        atomic_store(&h->next_seat, atomic_load(&h->seats));
        int rc = luas__arena_map_seats(a);
        if (rc < 0)
            return rc;
    }
}

static int take_seat(luas__arena *a)
{
    int rc = luas__arena_entry_lock(a);
    if (rc < 0)
        return rc;
    rc = find_seat(a);
    if (rc >= 0) {
        a->seat = (uint32_t)rc;
        atomic_store(&a->head->next_seat, a->seat + 1);
        luas__arena_entry_clear_owner(a);
        a->generation = atomic_load(&luas__arena_seats(a)[a->seat].generation);
    }
    luas__arena_entry_unlock(a);
    return rc < 0 ? rc : 0;
}

/* In a forked child: sets the bits of the objects that it has inherited. Some may be gone since
   the fork; luas__arena_has tells. */
static void own_inherited(luas__arena *a)
{
    if (luas__arena_entry_lock(a) < 0)
        return;
    for (uint32_t i = 1; i < a->nuses; i++) {
        const luas__entry *e = luas__arena_head_entry(a, i);
        if (a->uses[i] > 0 && atomic_load(&e->state) == ENTRY_USED)
            luas__arena_entry_own(a, e);
    }
    luas__arena_entry_unlock(a);
}

/* In a forked child: the locks of the parent are not its own. */
static void forget_holds(luas__arena *a)
{
    for (uint32_t i = 0; i < a->nholds; i++)
        a->uses[(uint32_t)a->holds[i].object.id]--;
    a->nholds = 0;
}

static void become_another(luas__arena *a)
{
    luas__fork_detect_close(&a->here);
    luas__fork_detect_open(&a->here);
    a->generation = 0;
    a->is_root = false;
    a->who = (luas__who){.worker = 0};
    forget_holds(a);
}

int luas__arena_enter_slowly(luas__arena *a)
{
    if (a->fd < 0)
        return LUAS_ECLOSED;
    if (!luas__fork_detect_is_here(&a->here))
        become_another(a);
    int rc = a->head == NULL ? luas__arena_map_open(a) : 0;
    if (rc == 0 && a->generation == 0) {
        rc = take_seat(a);
        if (rc == 0)
            own_inherited(a);
    }
    return rc;
}

void luas__arena_close(luas__arena *a)
{
    if (a->head != NULL && a->generation != 0 && luas__fork_detect_is_here(&a->here))
        luas__seat_leave(&luas__arena_seats(a)[a->seat]);
    luas__arena_map_close(a);
    luas__fork_detect_close(&a->here);
    luas__fd_close(&a->fd);
    free(a->uses);
    free(a->holds);
    free(a->packed);
    *a = (luas__arena)LUAS__ARENA_INIT;
}

uint64_t luas__arena_name(const luas__arena *a)
{
    return a->head->name;
}

/* ---- objects ---- */

bool luas__arena_has(const luas__object *o)
{
    const luas__entry *e = luas__arena_head_entry_of(o);
    return atomic_load(&e->generation) == (uint32_t)(o->id >> 32);
}

static int reserve_uses(luas__arena *a, uint32_t i)
{
    size_t before = a->nuses;
    int rc = luas__array_reserve(&a->uses, &a->nuses, (size_t)i + 1, sizeof *a->uses);
    if (a->nuses > before)
        memset(a->uses + before, 0, (a->nuses - before) * sizeof *a->uses);
    return rc;
}

static void give(luas__arena *a, uint32_t i, luas__object *o)
{
    const luas__entry *e = luas__arena_head_entry(a, i);
    a->uses[i]++;
    *o = (luas__object){.arena = a, .at = (char *)a->head + e->at, .kind = (luas__shared_kind)e->kind,
                        .id = (uint64_t)atomic_load(&e->generation) << 32 | i};
}

static int make(luas__arena *a, luas__shared_kind kind, uint64_t size, uint64_t charged)
{
    int i = luas__arena_entry_take(a, size);
    int rc = i < 0 ? i : reserve_uses(a, (uint32_t)i);
    luas__entry *e = luas__arena_head_entry(a, i < 0 ? 0 : (uint32_t)i);
    if (rc == 0)
        rc = luas__arena_entry_charge(a, e, charged);
    if (rc < 0) {
        if (i >= 0)
            luas__arena_entry_give_up(a, (uint32_t)i);
        return rc;
    }
    atomic_store(&e->state, ENTRY_CHANGING);
    e->kind = kind;
    uint32_t generation = atomic_load(&e->generation) + 1;
    atomic_store(&e->generation, generation != 0 ? generation : 1);
    luas__arena_entry_own(a, e);
    a->head->objects++;
    atomic_fetch_add(&a->head->reserved, e->size);
    atomic_store(&e->state, ENTRY_USED);
    return i;
}

int luas__arena_new(luas__arena *a, luas__shared_kind kind, uint64_t size, uint64_t charged,
                    luas__object *o)
{
    int rc = luas__arena_enter(a);
    if (rc < 0 || (rc = luas__arena_entry_lock(a)) < 0)
        return rc;
    luas__arena_head *h = a->head;
    if (h->objects >= h->sweep_at || luas__now_coarse() - h->swept > SWEEP_EVERY)
        luas__arena_entry_sweep(a);
    rc = make(a, kind, size, charged);
    if (rc == LUAS_ENOMEM) {
        luas__arena_entry_sweep(a);
        rc = make(a, kind, size, charged);
    }
    if (rc > 0)
        give(a, (uint32_t)rc, o);
    luas__arena_entry_unlock(a);
    return rc < 0 ? rc : 0;
}

int luas__arena_find(luas__arena *a, uint64_t id, luas__shared_kind kind, luas__object *o)
{
    uint32_t i = (uint32_t)id;
    int rc = luas__arena_enter(a);
    if (rc < 0 || (rc = luas__arena_entry_lock(a)) < 0)
        return rc;
    luas__entry *e = luas__arena_head_entry(a, i < LUAS__OBJECTS ? i : 0);
    if (i == 0 || i > a->head->made || atomic_load(&e->state) != ENTRY_USED
        || atomic_load(&e->generation) != (uint32_t)(id >> 32) || e->kind != (uint32_t)kind)
        rc = LUAS_ECLOSED;
    else
        rc = reserve_uses(a, i);
    if (rc == 0) {
        luas__arena_entry_own(a, e);
        give(a, i, o);
    }
    luas__arena_entry_unlock(a);
    return rc;
}

void luas__arena_retain(const luas__object *o)
{
    o->arena->uses[(uint32_t)o->id]++;
}

bool luas__arena_is_last(const luas__object *o)
{
    return o->arena->uses != NULL && o->arena->uses[(uint32_t)o->id] == 1;
}

void luas__arena_drop(luas__object *o)
{
    luas__arena *a = o->arena;
    uint32_t i = (uint32_t)o->id;
    if (o->at == NULL)
        return;
    o->at = NULL;
    if (a->fd < 0 || a->head == NULL || --a->uses[i] > 0 || a->generation == 0
        || !luas__fork_detect_is_here(&a->here))
        return;
    luas__entry *e = luas__arena_head_entry(a, i);
    if (atomic_load(&e->generation) != (uint32_t)(o->id >> 32))
        return;
    atomic_fetch_and(&luas__arena_entry_owners(a, e)[a->seat / 64], ~luas__arena_entry_own_bit(a));
    luas__arena_entry_free_if_unwanted(a, i, (uint32_t)(o->id >> 32));
}

int luas__arena_charge(const luas__object *o, int64_t bytes)
{
    luas__entry *e = luas__arena_head_entry_of(o);
    if (bytes > 0)
        return luas__arena_entry_charge(o->arena, e, (uint64_t)bytes);
    atomic_fetch_sub(&e->charged, (uint64_t)-bytes);
    atomic_fetch_sub(&o->arena->head->used, (uint64_t)-bytes);
    return 0;
}

void luas__arena_discard(const luas__object *o, uint64_t from, uint64_t len)
{
    const luas__entry *e = luas__arena_head_entry_of(o);
    (void)luas__arena_map_discard(o->arena, e->at + from, len);
}

void luas__arena_settle(luas__arena *a, int64_t before)
{
    if (a->head != NULL)
        atomic_store(&a->head->settled, before);
}

void luas__arena_sweep(luas__arena *a, bool now)
{
    if (a->head == NULL || luas__arena_enter(a) < 0)
        return;
    if (!now && luas__now_coarse() - a->head->swept < SWEEP_EVERY)
        return;
    if (luas__arena_entry_lock(a) < 0)
        return;
    luas__arena_entry_sweep(a);
    luas__arena_entry_unlock(a);
}

bool luas__arena_is_shared(const luas__object *o)
{
    luas__arena *a = o->arena;
    const luas__entry *e = luas__arena_head_entry_of(o);
    const luas__owner_word *words = luas__arena_entry_owners(a, e);
    if (luas__arena_entry_is_kept(a, e))
        return true;
    uint32_t seats = atomic_load(&a->head->seats);
    for (uint32_t i = 0; i < seats; i++)
        if (i != a->seat && (atomic_load(&words[i / 64]) >> i % 64 & 1) != 0
            && luas__seat_is_taken(&luas__arena_seats(a)[i]))
            return true;
    return false;
}

bool luas__arena_is_scarce(const luas__arena *a)
{
    const luas__arena_head *h = a->head;
    return atomic_load(&h->reserved) > h->size / 4 || atomic_load(&h->used) > h->limit / 4;
}

uint64_t luas__arena_limit(const luas__arena *a)
{
    return a->head == NULL ? a->limit : a->head->limit;
}

uint64_t luas__arena_used(const luas__arena *a)
{
    return a->head != NULL ? atomic_load(&a->head->used) : 0;
}

uint32_t luas__arena_objects(const luas__arena *a)
{
    return a->head != NULL ? a->head->objects : 0;
}

/* ---- what is told ---- */

static luas__seat *own_seat(const luas__arena *a)
{
    return &luas__arena_seats(a)[a->seat];
}

void luas__arena_call_worker(luas__arena *a, int worker)
{
    a->who.worker = worker;
    atomic_store(&own_seat(a)->worker, worker);
}

void luas__arena_say_join(luas__arena *a, int pid)
{
    atomic_store(&own_seat(a)->joins, pid);
}

void luas__arena_say_full(luas__arena *a, const luas__object *queue)
{
    atomic_store(&own_seat(a)->full, queue != NULL ? queue->id : 0);
}

/* Does a process of that pid wait for room in the queue? */
static bool fills(const luas__object *queue, int pid)
{
    luas__seat *seats = luas__arena_seats(queue->arena);
    uint32_t count = atomic_load(&queue->arena->head->seats);
    for (uint32_t i = 0; i < count; i++)
        if (atomic_load(&seats[i].pid) == pid && atomic_load(&seats[i].full) == queue->id
            && luas__seat_is_taken(&seats[i]))
            return true;
    return false;
}

bool luas__arena_is_stuck(const luas__object *queue, int *pid)
{
    luas__arena *a = queue->arena;
    const luas__owner_word *words = luas__arena_entry_owners(a, luas__arena_head_entry_of(queue));
    uint32_t count = atomic_load(&a->head->seats);
    *pid = 0;
    for (uint32_t i = 0; i < count; i++) {
        luas__seat *s = &luas__arena_seats(a)[i];
        if (i == a->seat || (atomic_load(&words[i / 64]) >> i % 64 & 1) == 0
            || !luas__seat_is_taken(s) || atomic_load(&s->full) == queue->id)
            continue;
        int joins = atomic_load(&s->joins);
        if (joins == 0 || !fills(queue, joins))
            return false;
        *pid = atomic_load(&s->pid);
    }
    return *pid != 0;
}

/* ---- holds ---- */

int luas__arena_reserve_hold(luas__arena *a)
{
    if (a->nholds >= LUAS__MOST_HELD)
        return LUAS_ETOOBIG;
    return luas__array_reserve(&a->holds, &a->cap_holds, (size_t)a->nholds + 1, sizeof *a->holds);
}

void luas__arena_add_hold(luas__arena *a, const luas__object *o)
{
    a->holds[a->nholds++].object = *o;
    luas__arena_retain(o);
}

/* Looks from the end: it mostly is the last one. */
void luas__arena_remove_hold(luas__arena *a, const luas__object *o)
{
    uint32_t i = a->nholds;
    while (i > 0 && a->holds[i - 1].object.id != o->id)
        i--;
    if (i == 0)
        return;
    luas__object held = a->holds[i - 1].object;
    memmove(&a->holds[i - 1], &a->holds[i], (a->nholds - i) * sizeof *a->holds);
    a->nholds--;
    luas__arena_drop(&held);
}
