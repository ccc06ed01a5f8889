/* A robust lock, and a record of who has it. */
#include "shared_lock.h"

#include <errno.h>
#include <string.h>

#include "error.h"

typedef struct shared_lock {
    char owners[LUAS__BLOCK_HEAD];
    luas__robust lock;
    _Atomic uint64_t holder;    /* seat and generation of the holder; 0: nobody */
    uint32_t depth;             /* how often the holder took it */
    uint32_t recursive;
    uint32_t abandoned;         /* a task ended with it */
    int32_t pid, worker;        /* of the last holder; pid 0: it died before it recorded them */
    int64_t task;
    uint64_t serial;            /* of the task whose input is below */
    uint64_t seat;              /* of the process of that task */
    size_t len;
    char input[LUAS__MOST_INPUT];
} shared_lock;

static shared_lock *lock_of(const luas__object *o)
{
    return (shared_lock *)(void *)o->at;
}

/* Never 0, because generations are never 0. */
static uint64_t self(const luas__arena *a)
{
    return (uint64_t)a->seat << 32 | a->generation;
}

int luas__shared_lock_new(luas__arena *a, bool recursive, luas__object *o)
{
    luas__object made = {.at = NULL};
    int rc = luas__arena_new(a, LUAS__SHARED_LOCK, sizeof(shared_lock), sizeof(shared_lock), &made);
    if (rc < 0)
        return rc;
    lock_of(&made)->recursive = recursive;
    rc = luas__robust_init(&lock_of(&made)->lock);
    if (rc < 0)
        luas__arena_drop(&made);
    else
        *o = made;
    return rc;
}

bool luas__shared_lock_is_own(const luas__object *o)
{
    return atomic_load_explicit(&lock_of(o)->holder, memory_order_relaxed) == self(o->arena);
}

/* Records the holder. The input is written once for each task, however often it takes the lock.
   */
static void sign(shared_lock *l, const luas__arena *a)
{
    const luas__who *who = &a->who;
    uint64_t me = self(a);
    l->worker = who->worker;
    l->task = who->task;
    if (l->serial != who->serial || l->seat != me) {
        l->len = who->input != NULL && who->len <= sizeof l->input ? who->len : 0;
        if (l->len > 0)
            memcpy(l->input, who->input, l->len);
        l->serial = who->serial;
        l->seat = me;
    }
    l->pid = a->here.pid;
    atomic_store_explicit(&l->holder, me, memory_order_relaxed);
}

static void tell(const shared_lock *l, luas__death *death)
{
    death->pid = l->pid;
    death->worker = l->pid != 0 ? l->worker : 0;
    death->task = l->pid != 0 ? l->task : 0;
    death->len = l->pid != 0 && l->len <= sizeof l->input ? l->len : 0;
    memcpy(death->input, l->input, death->len);
}

/* The holder takes the lock again. */
static int deepen(shared_lock *l)
{
    if (!l->recursive)
        return -EDEADLK;
    if (l->depth == UINT32_MAX)
        return LUAS_ETOOBIG;
    l->depth++;
    return 0;
}

int luas__shared_lock_take(const luas__object *o, int64_t ns, luas__death *death)
{
    shared_lock *l = lock_of(o);
    if (luas__shared_lock_is_own(o))
        return deepen(l);
    int rc = luas__arena_reserve_hold(o->arena);
    if (rc < 0 || (rc = luas__robust_lock(&l->lock, ns)) < 0)
        return rc;
    if (l->abandoned)
        rc = LUAS__DIED;
    if (rc == LUAS__DIED)
        tell(l, death);
    l->abandoned = 0;
    l->depth = 1;
    sign(l, o->arena);
    luas__arena_add_hold(o->arena, o);
    return rc;
}

static void let_go(const luas__object *o, bool abandons)
{
    shared_lock *l = lock_of(o);
    atomic_store_explicit(&l->holder, 0, memory_order_relaxed);
    l->abandoned = abandons;
    if (!abandons)
        l->pid = 0;
    luas__robust_unlock(&l->lock);
    luas__arena_remove_hold(o->arena, o);
}

int luas__shared_lock_release(const luas__object *o)
{
    if (!luas__shared_lock_is_own(o))
        return -EPERM;
    if (--lock_of(o)->depth == 0)
        let_go(o, false);
    return 0;
}

uint32_t luas__shared_lock_depth(const luas__object *o)
{
    return luas__shared_lock_is_own(o) ? lock_of(o)->depth : 0;
}

void luas__shared_lock_leave(const luas__object *o)
{
    let_go(o, false);
}

int luas__shared_lock_retake(const luas__object *o, uint32_t depth, int64_t ns,
                             luas__death *death)
{
    int rc = luas__shared_lock_take(o, ns, death);
    if (rc >= 0)
        lock_of(o)->depth = depth;
    return rc;
}

void luas__shared_lock_abandon(const luas__object *o)
{
    let_go(o, true);
}
