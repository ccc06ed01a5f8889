/*
 * Makes forks safe. Any thread may fork this process at any time: the library, the
 * application, another library. The child gets a copy of every pool. If another thread is
 * changing a pool at that moment, the copy is half changed, and its lock stays locked
 * for good, because that thread does not exist in the child.
 *
 * So handlers of pthread_atfork make all pools *rest* during a fork. Before the fork they
 * lock the registry, which lists all pools of the process, and then each pool. After it
 * the parent unlocks them, and the child initializes the locks anew. Therefore a child
 * finds every pool whole: it can close its copy, and read the outcomes that had come.
 *
 * Locks are taken in this order: 1. the registry's; 2. the pools', the youngest first;
 * 3. those of malloc and stdio. Only the handlers hold the locks of several pools. A thread
 * that holds the lock of a pool takes neither the registry's nor another pool's, and does
 * not fork: an owner that wants to fork calls luas__atfork_leave. Locks of the application
 * come before all of these. It may hold them when it calls the library; and its handlers
 * run before ours, because ours are registered first, when the library is loaded.
 *
 * No fork waits for good. If a pool does not rest within a second (a debugger may have stopped
 * its thread), the fork goes ahead without it, and so do later ones. The child
 * then does not touch its copy of that pool, and the copy's descriptors stay open.
 *
 * The registry is the only thing that the pools of a process share. It is global, because
 * the handlers have no argument.
 */
#ifndef LUAS_ATFORK_H
#define LUAS_ATFORK_H

#include "state.h"

/* Adds the pool to the registry. From here on its descriptors are opened and closed only
   with its lock held. Returns 0, or negative. */
int luas__atfork_add(luas__pool *p);

/* Removes the pool from the registry. It has closed its descriptors by then. */
void luas__atfork_remove(luas__pool *p);

/* In a forked child: closes its copies of the pool's descriptors, and unmaps the memory that
   the pool shares with workers. If the child is the worker `self` it keeps what belongs to
   that; else `self` is NULL. A second call does nothing. */
void luas__atfork_abandon(luas__pool *p, const luas__worker *self);

/* In a zygote of the pool: closes the descriptors only. */
void luas__atfork_close_copies(luas__pool *p);

/* Call it when the pool was left. Adds the descriptors of all pools of this process to the set,
   and counts their threads. Returns false if it cannot know all, because a thread is changing
   a pool. */
bool luas__atfork_list_own(luas__fd_set *own, int *threads);

/* In a child that the library has forked: abandons all pools of the host. */
void luas__atfork_abandon_all(void);

/* Called with the pool's lock. luas__atfork_leave unlocks the pool, so that this thread can
   fork; the other one locks it again. In between nobody changes the pool: the library's
   thread does not touch it, and this thread must not. */
void luas__atfork_leave(luas__pool *p);
void luas__atfork_return(luas__pool *p);

#endif
