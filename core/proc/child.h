/*
 * A child process that was forked without exec. Only child.c knows what is special to
 * Linux here (pidfd, the parent-death signal).
 *
 * The caller: 1. luas__child_forks_begin, luas__child_fork for each child,
 * luas__child_forks_end. In the child: 2. close the descriptors of the host, run, and end
 * with _exit. In the parent: 3. luas__child_adopt; 4. wait until `watch` is readable, or
 * where `watch` is -1 call luas__child_reap from time to time; 5. luas__child_reap until
 * it returns 1; 6. luas__child_release.
 */
#ifndef LUAS_CHILD_H
#define LUAS_CHILD_H

#include <signal.h>
#include <sys/types.h>

typedef struct luas__child {
    pid_t pid;      /* 0: none. Also the id of the process group that it leads */
    int watch;      /* readable once the child has ended; -1 without pidfds */
    int status;     /* once reaped, as waitpid gives it; -1: unknown, because the
                       application or, where it ignores SIGCHLD, the system has reaped the
                       child, and the kernel is older than Linux 6.15 */
} luas__child;

#define LUAS__CHILD_INIT {0, -1, 0}

/*
 * Several forks in a row. Before the first one stdio is flushed as far as that does not wait
 * (streams.h). Signals are blocked until the last one. After each fork the parent
 * copies every page that it writes to, so it should write little between two forks.
 */
typedef struct luas__child_forks {
    pid_t parent;
    sigset_t mask;          /* of the parent, before the forks */
    int lets_fork;          /* scheduling.h: the parent's thread may fork only until the end */
    long most;              /* us; a child that takes longer to get ready is killed by SIGALRM, as
                               it hangs in a lock (locks.h). 0: no limit. The caller may set it
                               between begin and the first fork */
    int count;
    int handled[NSIG];      /* the `count` signals that the parent handles or ignores */
} luas__child_forks;

void luas__child_forks_begin(luas__child_forks *f);
void luas__child_forks_end(luas__child_forks *f);   /* in the parent */

/*
 * Returns the child's pid, 0 in the child, a negative errno on failure. The child leads a
 * process group of its own. It has default signal handlers, an empty signal mask, and
 * /dev/null as stdin. It is scheduled as usual, on all CPUs (scheduling.h, cpus.h). exit() in the
 * child flushes stdio and skips the exit handlers of the host.
 *
 * It does not outlive its parent (orphan.h).
 */
pid_t luas__child_fork(const luas__child_forks *f);

/* In the parent: fills *c for the child with this pid. */
void luas__child_adopt(luas__child *c, pid_t pid);

/*
 * In a child with a single thread: forks another child of its parent, a sibling. The
 * sibling is set up like this child. Returns its pid, 0 in the sibling, a negative errno on
 * failure (-ENOSYS without Linux and glibc). Handlers of pthread_atfork do not run: they ran
 * when this child was forked. The rest is as after fork(). The parent must be told the pid;
 * it then adopts the sibling like a child that it forked itself.
 */
pid_t luas__child_fork_sibling(void);

/* Returns 0 while the child runs. Once it has ended, reaps it, sets `status` and returns 1. */
int luas__child_reap(luas__child *c);

/* Waits for a child that was killed, some seconds at most, and reaps it. */
void luas__child_await(luas__child *c);

/* Does it run? Not if it has ended, or is stopped. */
int luas__child_runs(const luas__child *c);

/* Is it stopped, by SIGSTOP for example? */
int luas__child_is_stopped(const luas__child *c);

/* Sends a signal to the child, or to its whole group. Does nothing once it was reaped. */
void luas__child_signal(const luas__child *c, int signal);
void luas__child_signal_group(const luas__child *c, int signal);

/* Closes `watch`. */
void luas__child_release(luas__child *c);

#endif
