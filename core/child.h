/*
 * A child process that was forked without exec. What is Linux-only about
 * processes (pidfd, the parent-death signal) is in child.c and nowhere else.
 *
 * The caller: 1. luas__child_handled(), then luas__child_fork(); in the child
 * 2. it closes what is not the child's and runs, ending in _exit; in the
 * parent 3. it waits for `watch` to become readable, or calls luas__child_reap
 * from time to time where `watch` is -1; 4. luas__child_reap until it gives 1;
 * 5. luas__child_release.
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

/* Which signals this process handles or ignores: what a child must reset. It
   serves for as many forks as follow with nothing of the application between. */
void luas__child_handled(sigset_t *handled);

/*
 * Flushes stdio and forks. 1 in the parent, 0 in the child, negative errno on
 * failure. The child leads a process group of its own; its signal handlers are
 * the default ones and its mask empty, its stdin is /dev/null, and it is
 * killed when its parent ends. exit() there flushes stdio and skips the
 * handlers of the host.
 */
int luas__child_fork(luas__child *c, const sigset_t *handled);

/*
 * In a child, which has a single thread: forks another child of its parent, set
 * up as it is itself. Its pid, 0 in the new one, negative errno on failure. No
 * handlers of pthread_atfork run; they have when this child was forked. The
 * parent, told of the pid, watches it from luas__child_adopt on.
 */
pid_t luas__child_fork_sibling(void);
void luas__child_adopt(luas__child *c, pid_t pid);

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
