/*
 * A child must not outlive its host, nor a host that executes another program. It learns of
 * that in two ways:
 *
 * - The kernel sends SIGUSR2 when the parent has ended. A task can block or handle that, and it
 *   does not come when the parent executes another program.
 * - A thread waits for the end of the request pipe. The host alone has its other end, which is
 *   closed when the host ends or executes. A task cannot hold that thread up.
 *
 * A task that runs by then gets SIGUSR1, for which it is stopped: what it has written to files
 * is flushed. Half a second later the process is killed, with its group.
 *
 * Where there is no room for the thread the signal is all there is.
 */
#ifndef LUAS_ORPHAN_H
#define LUAS_ORPHAN_H

#include <stdatomic.h>
#include <stdint.h>
#include <sys/types.h>

/* In a child of `host`, right after the fork: asks for the signal. 0: it is a sibling of the process
   that forked it. */
void luas__orphan_expect(pid_t host);

/* In a child that will run what is the user's: starts the thread. `in` and `out` are its ends of
   the pipes from and to its host. If *closes is not 0 at the end, the host is there and closes its
   pool: it will wait for the child for a second at most. */
void luas__orphan_watch(int in, int out, const _Atomic uint32_t *closes);

/* How many threads does this process have for that: 1 or 0? */
int luas__orphan_threads(void);

/* Is it known that the host has ended? */
int luas__orphan_is(void);

/* In a child whose host has gone, or has no more use for it: flushes stdio, and ends the
   group. */
_Noreturn void luas__orphan_end(void);

/* _exit. If the host has gone this ends the group, too: nobody else will. */
_Noreturn void luas__orphan_exit(int status);

#endif
