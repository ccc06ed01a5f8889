/*
 * A child process that was forked without exec. What is Linux-only about
 * processes (pidfd, the parent-death signal) is in child.c and nowhere else.
 *
 * The caller: 1. luas__child_forks_begin, luas__child_fork for each child,
 * luas__child_forks_end; in the child 2. it closes what is not the child's and runs,
 * ending in _exit; in the parent 3. luas__child_adopt, 4. it waits for `watch` to
 * become readable, or calls luas__child_reap from time to time where `watch` is
 * -1; 5. luas__child_reap until it gives 1; 6. luas__child_release.
 */
#ifndef LUAS_CHILD_H
#define LUAS_CHILD_H

#include <signal.h>
#include <sys/types.h>

typedef struct luas__child {
    pid_t pid;      /* 0: none. Also the id of the process group it leads */
    int watch;      /* readable once the child has ended; -1 without pidfds */
    int status;     /* as waitpid gives it, once reaped; -1: unknown, because
                       the application had the system reap its children */
} luas__child;

#define LUAS__CHILD_INIT {0, -1, 0}

/*
 * Forks one right after the other. Before them stdio is flushed, or what is
 * buffered would be printed by all; signals wait until they are over. A parent
 * copies each page that it writes to after a fork, so it had better write little
 * between two.
 */
typedef struct luas__child_forks {
    pid_t parent;
    sigset_t mask;          /* of the parent, before */
    int count;
    int handled[NSIG];      /* signals that the parent handles or ignores: `count` */
} luas__child_forks;

void luas__child_forks_begin(luas__child_forks *f);
void luas__child_forks_end(luas__child_forks *f);   /* in the parent */

/*
 * The child's pid, 0 in the child, negative errno on failure. The child leads a
 * process group of its own; its signal handlers are the default ones and its
 * mask empty, its stdin is /dev/null. exit() there flushes stdio and skips the
 * handlers of the host.
 *
 * When its parent has ended it gets SIGUSR1, and half a second later it is killed,
 * with its group.
 */
pid_t luas__child_fork(const luas__child_forks *f);

/* In a child: is it known that its parent has ended? */
int luas__child_is_orphan(void);

/* In a child whose parent has gone, or has no more use for it: flushes stdio, and ends
   the group. */
_Noreturn void luas__child_end_orphan(void);

/* The parent has *c for the child of that pid. */
void luas__child_adopt(luas__child *c, pid_t pid);

/*
 * In a child, which has a single thread: forks another child of its parent, set
 * up as it is itself. Its pid, 0 in the new one, negative errno on failure (-ENOSYS
 * without Linux and glibc). No handlers of pthread_atfork run; they have when this
 * child was forked. All else is as after fork. The parent, told of the pid, adopts it
 * as its own.
 */
pid_t luas__child_fork_sibling(void);

/* 1 once the child has ended (and is reaped, status set), 0 while it runs. */
int luas__child_reap(luas__child *c);

/* Waits some seconds at most for a child that was killed; reaps it. */
void luas__child_await(luas__child *c);

/* Is it stopped (by SIGSTOP, say), and has nobody let it go on? */
int luas__child_is_stopped(const luas__child *c);

/* Sends a signal to the child alone, or to its whole group; a child that was
   reaped is left alone. */
void luas__child_signal(const luas__child *c, int signal);
void luas__child_signal_group(const luas__child *c, int signal);

/* Closes `watch`. */
void luas__child_release(luas__child *c);

#endif
