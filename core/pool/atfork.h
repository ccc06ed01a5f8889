/*
 * Forks of this process, whoever makes them: the library in whatever thread, the
 * application, another library. The child has a copy of every pool. What another
 * thread was about to change is half changed there, and its lock is never given back.
 *
 * So handlers of pthread_atfork see to it that all pools rest while the process forks.
 * Before it they take the lock of the registry and that of each pool; after it the
 * parent gives them back, and the child makes them new. In a child every pool can be
 * abandoned, then, and what is left of its jobs can be read.
 *
 * Locks are taken in this order: 1. the registry's; 2. the pools', the youngest first;
 * 3. those of malloc and stdio. Only the handlers have more than one pool's. Who has a
 * pool's takes no other of these two, and does not fork: an owner that wants to leaves
 * its pool first. Locks of the application come before all of these: it may hold them
 * when it calls the library, and its own handlers take them first, as they are
 * registered after the library was loaded.
 *
 * Nothing waits for good. A pool that does not rest within a second, as one that prints
 * what nobody reads, is not waited for longer, nor at the forks that follow. The child
 * leaves its copy alone, and so keeps its descriptors.
 *
 * The registry is the one thing that the pools of a process share, as a handler has no
 * argument.
 */
#ifndef LUAS_ATFORK_H
#define LUAS_ATFORK_H

#include "state.h"

/* From here on forks know the pool, which rests in all but its descriptors: they are
   opened and closed with its lock. 0, or negative. */
int luas__atfork_add(luas__pool *p);

/* No fork knows it any more; it has no descriptors by then. */
void luas__atfork_remove(luas__pool *p);

/* In a forked child: closes its copies of the pool's descriptors and gives up what the pool
   shares with workers, but for what the worker that it is goes on with, or NULL. Again, it
   does nothing. */
void luas__atfork_abandon(luas__pool *p, const luas__worker *self);

/* In a zygote of the pool's: only that about the descriptors. */
void luas__atfork_close_copies(luas__pool *p);

/* The same of all pools of its host, in a child that the library has forked. */
void luas__atfork_abandon_all(void);

/* With the pool's lock: gives it back so that this thread can fork, and takes it again.
   Meanwhile the pool stays as it is: the library's thread does not touch it, nor may
   this one. */
void luas__atfork_leave(luas__pool *p);
void luas__atfork_return(luas__pool *p);

#endif
