/*
 * Locks of the C library that another thread of the host may hold at a fork. The child has a copy of
 * such a lock, which nobody will ever give back; it hangs when it takes it. fork() frees the locks of
 * malloc, of streams and of the loader in the child, and no others. localtime_r, for example, is one
 * of a logger's threads in a third of all moments.
 *
 * There is no way to free them from outside the C library. But a child can find out, and the host
 * can fork another one at a better moment.
 */
#ifndef LUAS_LOCKS_H
#define LUAS_LOCKS_H

/* In a child: from now on SIGALRM will kill it after so long (us); 0: no more. */
void luas__locks_set_alarm(long us);

/* In a child with that alarm: takes and gives back those that a script's calls take, for local
   times, the locale, the environment and messages. */
void luas__locks_try(void);

#endif
