/* Handlers of pthread_atfork, and the registry of pools. */
#define _GNU_SOURCE
#include "atfork.h"

#include <time.h>

#include "clock.h"
#include "error.h"
#include "fd.h"
#include "orphan.h"
#include "pump.h"
#include "snapshots.h"

/* How long a fork waits for a pool, and for one that did not rest at an earlier fork. */
#define PATIENCE LUAS__SECOND
#define LITTLE_PATIENCE (10 * LUAS__MS)

static struct {
    pthread_mutex_t lock;
    _Atomic(pthread_t) holder;
    _Atomic int depth;      /* nested forks of the holder: a handler may fork, too */
    luas__pool *first;
    bool installed;         /* the handlers are registered */
} registry = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* The pool that this thread has left in order to fork, or NULL. It rests, unlocked. */
static _Thread_local const luas__pool *left_here;

static bool holds_all(void)
{
    return registry.depth > 0 && pthread_equal(registry.holder, pthread_self());
}

static bool bring_to_rest(luas__pool *p)
{
    struct timespec end;
    if (p == left_here || pthread_mutex_trylock(&p->lock) == 0)
        return true;
    clock_gettime(CLOCK_REALTIME, &end);
    int64_t ns = end.tv_nsec + (p->atfork.rests ? PATIENCE : LITTLE_PATIENCE);
    end.tv_sec += (time_t)(ns / LUAS__SECOND);
    end.tv_nsec = (long)(ns % LUAS__SECOND);
    return pthread_mutex_timedlock(&p->lock, &end) == 0;
}

/* Each page that is written to here is copied after the fork. So this writes little. */
static void before_fork(void)
{
    if (holds_all()) {
        registry.depth++;
        return;
    }
    pthread_mutex_lock(&registry.lock);
    registry.holder = pthread_self();
    registry.depth = 1;
    for (luas__pool *p = registry.first; p != NULL; p = p->atfork.next)
        if (bring_to_rest(p) != p->atfork.rests)
            p->atfork.rests = !p->atfork.rests;
}

static void after_fork_in_parent(void)
{
    if (!holds_all() || --registry.depth > 0)
        return; /* the child of a nested fork, or the outer fork is not over yet */
    for (luas__pool *p = registry.first; p != NULL; p = p->atfork.next)
        if (p->atfork.rests && p != left_here)
            pthread_mutex_unlock(&p->lock);
    pthread_mutex_unlock(&registry.lock);
}

static void unlink_pool(luas__pool *p)
{
    *p->atfork.link = p->atfork.next;
    if (p->atfork.next != NULL)
        p->atfork.next->atfork.link = p->atfork.link;
}

/* By these the pool's processes learn that their host has ended. A child of the application may
   live on after it. */
static void hang_up(luas__pool *p)
{
    for (int i = 0; i < p->nworkers; i++) {
        luas__fd_close(&p->workers[i]->link.request);
        luas__fd_close(&p->workers[i]->link.result);
    }
    for (luas__snapshot *k = p->snapshots; k != NULL; k = k->next)
        luas__fd_close(&k->zygote.socket);
}

static void after_fork_in_child(void)
{
    bool is_ours = left_here != NULL; /* then it closes all of them, as one */
    pthread_mutex_init(&registry.lock, NULL);
    registry.depth = 0;
    left_here = NULL;
    for (luas__pool *p = registry.first; p != NULL; p = p->atfork.next) {
        pthread_mutex_init(&p->lock, NULL);
        luas__pump_renew(p);
        if (!p->atfork.rests)
            unlink_pool(p);
        else if (!is_ours)
            hang_up(p);
    }
}

/* Called with the registry's lock, or before any thread can take it. */
static int install(void)
{
    if (!registry.installed)
        registry.installed = pthread_atfork(before_fork, after_fork_in_parent,
                                            after_fork_in_child) == 0;
    return registry.installed ? 0 : LUAS_ENOMEM;
}

/* Runs when the library is loaded. Handlers that run before a fork run in reverse order: so
   ours, registered early, run after those of the application. */
__attribute__((constructor)) static void install_early(void)
{
    (void)install(); /* if it fails, the first pool tries again */
}

int luas__atfork_add(luas__pool *p)
{
    pthread_mutex_lock(&registry.lock);
    int rc = install();
    if (rc == 0) {
        p->atfork.rests = true;
        p->atfork.next = registry.first;
        p->atfork.link = &registry.first;
        if (p->atfork.next != NULL)
            p->atfork.next->atfork.link = &p->atfork.next;
        registry.first = p;
    }
    pthread_mutex_unlock(&registry.lock);
    return rc;
}

void luas__atfork_remove(luas__pool *p)
{
    pthread_mutex_lock(&registry.lock);
    unlink_pool(p);
    pthread_mutex_unlock(&registry.lock);
}

static void add_copies(const luas__pool *p, const luas__worker *self, luas__fd_closing *closing)
{
    luas__poller_abandon(&p->poller, closing);
    for (int i = 0; i < p->nworkers; i++)
        luas__worker_abandon(p->workers[i], p->workers[i] == self, closing);
    luas__sink_abandon_all(&p->sinks, closing);
    luas__snapshots_abandon(p, closing);
    luas__fd_closing_add(closing, p->bulk.fd);
}

static void close_copies(luas__pool *p, const luas__worker *self)
{
    luas__fd_closing closing = LUAS__FD_CLOSING_INIT;
    add_copies(p, self, &closing);
    luas__fd_closing_end(&closing);
    p->poller = (luas__poller)LUAS__POLLER_INIT;
}

/* Returns false if a thread is changing the pool. */
static bool list_pool(luas__pool *p, luas__fd_set *own, int *threads)
{
    luas__fd_closing listing = {.set = own};
    if (p != left_here && pthread_mutex_trylock(&p->lock) != 0)
        return false;
    add_copies(p, NULL, &listing);
    *threads += p->pumping.pump != NULL;
    if (p != left_here)
        pthread_mutex_unlock(&p->lock);
    return true;
}

bool luas__atfork_list_own(luas__fd_set *own, int *threads)
{
    bool all = true;
    *threads = luas__orphan_threads();
    pthread_mutex_lock(&registry.lock);
    for (luas__pool *p = registry.first; p != NULL && all; p = p->atfork.next)
        if (luas__fork_detect_is_here(&p->fork_detect))
            all = list_pool(p, own, threads);
    pthread_mutex_unlock(&registry.lock);
    return all;
}

void luas__atfork_close_copies(luas__pool *p)
{
    close_copies(p, NULL);
}

/* Leaves alone a pool that did not rest at the fork, and one that was abandoned before. */
void luas__atfork_abandon(luas__pool *p, const luas__worker *self)
{
    if (!p->atfork.rests || p->poller.fd < 0)
        return;
    luas__bulk_keep(&p->bulk, self != NULL ? self->slot : (luas__slot){.bytes = NULL});
    close_copies(p, self);
}

void luas__atfork_abandon_all(void)
{
    for (luas__pool *p = registry.first; p != NULL; p = p->atfork.next)
        luas__atfork_abandon(p, NULL);
}

void luas__atfork_leave(luas__pool *p)
{
    p->atfork.left = true;
    left_here = p;
    pthread_mutex_unlock(&p->lock);
}

void luas__atfork_return(luas__pool *p)
{
    pthread_mutex_lock(&p->lock);
    left_here = NULL;
    p->atfork.left = false;
    luas__pump_resume(p);
}
