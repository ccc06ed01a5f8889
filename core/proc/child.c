/* Forking, watching and reaping one child. */
#define _GNU_SOURCE
#include "child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cpus.h"
#include "fd.h"
#include "locks.h"
#include "orphan.h"
#include "scheduling.h"
#include "streams.h"

#ifdef __linux__
#include <linux/futex.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#endif

static void reset_signals(const luas__child_forks *f)
{
    struct sigaction standard = {.sa_handler = SIG_DFL};
    for (int i = 0; i < f->count; i++)
        sigaction(f->handled[i], &standard, NULL);
    /* The group of a worker is in the terminal's background, but its tasks may print. */
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    sigaction(SIGTTOU, &ignore, NULL);
    sigset_t none;
    sigemptyset(&none);
    pthread_sigmask(SIG_SETMASK, &none, NULL);
}

#ifdef __GLIBC__
static void leave_at_once(int status, void *unused)
{
    (void)unused;
    fflush(NULL);
    luas__orphan_exit(status);
}
#endif

/* An exit() in the child must not run the exit handlers of the host, and must not move the
   read positions of files that both have open. Handlers run in reverse order: so this one,
   registered last, runs first. */
static void skip_exit_handlers(void)
{
#ifdef __GLIBC__
    on_exit(leave_at_once, NULL);
#endif
}

/* open takes the number that close has just freed. */
static void empty_stdin(void)
{
    close(STDIN_FILENO);
    int null = open("/dev/null", O_RDONLY);
    (void)null; /* if open fails, stdin stays closed */
}

static int open_watch(pid_t pid)
{
#ifdef SYS_pidfd_open
    return (int)syscall(SYS_pidfd_open, pid, 0); /* pidfds are always close-on-exec */
#else
    (void)pid;
    return -1;
#endif
}

void luas__child_adopt(luas__child *c, pid_t pid)
{
    setpgid(pid, pid); /* parent and child both do it: whoever is first needs it done */
    *c = (luas__child){.pid = pid, .watch = open_watch(pid)};
}

void luas__child_forks_begin(luas__child_forks *f)
{
    struct sigaction action;
    sigset_t all;
    f->parent = getpid();
    f->count = 0;
    f->most = 0;
    for (int s = 1; s < NSIG; s++)
        if (sigaction(s, NULL, &action) == 0 && action.sa_handler != SIG_DFL)
            f->handled[f->count++] = s;
    luas__streams_flush();
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &f->mask);
    f->lets_fork = luas__scheduling_let_fork();
}

void luas__child_forks_end(luas__child_forks *f)
{
    if (f->lets_fork)
        luas__scheduling_let_no_fork();
    pthread_sigmask(SIG_SETMASK, &f->mask, NULL);
}

pid_t luas__child_fork(const luas__child_forks *f)
{
    pid_t pid = fork();
    if (pid != 0)
        return pid < 0 ? -errno : pid;
    setpgid(0, 0);
    reset_signals(f);
    luas__orphan_expect(f->parent);
    if (f->most > 0)
        luas__locks_set_alarm(f->most);
    luas__scheduling_usual();
    luas__cpus_unbind();
    luas__streams_purge();
    empty_stdin();
    skip_exit_handlers();
    if (f->most > 0) {
        luas__locks_try();
        luas__locks_set_alarm(0);
    }
    return 0;
}

/*
 * fork() cannot make a child for our parent: only clone with CLONE_PARENT can. The bare
 * system call leaves two things wrong in the child, which fork() of the C library puts
 * right. So this does, too:
 *
 * - The thread's id. The C library keeps a copy of it, for the owners of mutexes, raise and
 *   pthread_kill. As for fork(), the kernel is told to write the new id to that place.
 * - The list of robust mutexes, which the kernel walks when their owner dies. The kernel has
 *   forgotten where the list is and is told again. As after fork(), the list is empty.
 *
 * fork() does more in a child, but nothing of it is needed here (glibc 2.36 and 2.42:
 * posix/fork.c, sysdeps/nptl/_Fork.c, sysdeps/nptl/fork.h):
 *
 * - It resets the locks of malloc, stdio, the loader, NSS, the unwinder, abort and stacks.
 *   The fork() that made this process reset them. Since then it has had one thread: this
 *   one, which holds none of them.
 * - It cleans up malloc's arenas, the stacks of other threads, their unfinished
 *   pthread_onces, and the threads behind timers and mq_notify. There have been no other
 *   threads since.
 * - rseq, thread-local storage and the stack of signal handlers stay valid: the kernel or
 *   the copied memory keeps them. The kernel wipes the state of getrandom.
 * - Since 2.25 glibc keeps no copy of the process id.
 * - It runs the handlers of pthread_atfork. There is no way to call these from here. They
 *   ran when this process was forked. So a library that relies on such a handler to get
 *   different random numbers in each child gets the same ones in all siblings.
 */
#if defined(__linux__) && defined(PR_GET_TID_ADDRESS) && !defined(__s390__) && !defined(__CRIS__)
typedef struct thread {
    void *number;                   /* where the C library keeps the thread's id */
    struct robust_list_head *held;  /* NULL: the kernel knows of no list */
    size_t size;                    /* of that head, in bytes */
} thread;

/* Only for glibc: another C library has a lock at the place where glibc keeps the id. So
   there are no siblings without glibc. */
static int find_thread(thread *t)
{
    if (prctl(PR_GET_TID_ADDRESS, &t->number, 0, 0, 0) < 0
        || syscall(SYS_get_robust_list, 0, &t->held, &t->size) < 0)
        return -1;
    if (t->number != NULL && *(pid_t *)t->number == (pid_t)syscall(SYS_gettid))
        return 0;
    errno = ENOSYS;
    return -1;
}

/* The result is not checked, and fork() does not check it either: if this fails, it failed
   for the parent, too. */
static void hold_nothing(const thread *t)
{
    if (t->held == NULL)
        return;
    t->held->list.next = &t->held->list;
    t->held->list_op_pending = NULL;
    syscall(SYS_set_robust_list, t->held, t->size);
}

static pid_t clone_sibling(void)
{
    thread t = {.number = NULL};
    if (find_thread(&t) < 0)
        return -1;
    unsigned long flags = CLONE_PARENT | CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID | SIGCHLD;
    /* Kernels differ in which of the two arguments is the place of the id. The other one
       belongs to a flag that is not set, so both get the same. */
    pid_t pid = (pid_t)syscall(SYS_clone, flags, NULL, NULL, t.number, t.number);
    if (pid == 0)
        hold_nothing(&t);
    return pid;
}
#else
static pid_t clone_sibling(void)
{
    errno = ENOSYS;
    return -1;
}
#endif

pid_t luas__child_fork_sibling(void)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pid_t pid = clone_sibling();
    int error = errno;
    if (pid == 0) {
        setpgid(0, 0);
        luas__orphan_expect(0);
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return pid < 0 ? -error : pid;
}

/* A worker that was killed may leave subprocesses. They are in its process group. The group's
   id cannot be reused before the worker is reaped, so no stranger gets the signal. */
static void end_group_of_killed(const luas__child *c)
{
    siginfo_t info;
    memset(&info, 0, sizeof info);
    if (waitid(P_PID, (id_t)c->pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0
        && info.si_pid == c->pid && info.si_code != CLD_EXITED)
        kill(-c->pid, SIGKILL);
}

#if defined(__linux__)
/* As in linux/pidfd.h since 6.15, which gives the status for as long as there is a pidfd,
   whoever has reaped the process. */
typedef struct pidfd_info {
    uint64_t mask, cgroup;
    uint32_t ids[11];
    int32_t status;
} pidfd_info;

#define GET_INFO _IOWR(0xFF, 11, pidfd_info)
#define INFO_EXIT (UINT64_C(1) << 3)

static int status_of_reaped(const luas__child *c)
{
    pidfd_info info = {.mask = INFO_EXIT};
    if (c->watch >= 0 && ioctl(c->watch, GET_INFO, &info) == 0 && (info.mask & INFO_EXIT) != 0)
        return info.status;
    return -1;
}
#else
static int status_of_reaped(const luas__child *c)
{
    (void)c;
    return -1;
}
#endif

int luas__child_reap(luas__child *c)
{
    if (c->pid == 0)
        return 1;
    end_group_of_killed(c);
    pid_t got;
    do
        got = waitpid(c->pid, &c->status, WNOHANG);
    while (got < 0 && errno == EINTR);
    if (got == 0)
        return 0;
    if (got < 0)
        c->status = status_of_reaped(c);
    c->pid = 0;
    return 1;
}

/* A killed child ends at once, unless it hangs in a system call. */
void luas__child_await(luas__child *c)
{
    struct pollfd watch = {.fd = c->watch, .events = POLLIN};
    for (int tries = 0; tries < 5000 && !luas__child_reap(c); tries++)
        poll(&watch, c->watch >= 0 ? 1 : 0, 1);
}

int luas__child_runs(const luas__child *c)
{
    siginfo_t info;
    memset(&info, 0, sizeof info);
    return c->pid > 0
        && waitid(P_PID, (id_t)c->pid, &info, WEXITED | WSTOPPED | WNOHANG | WNOWAIT) == 0
        && info.si_pid == 0;
}

int luas__child_is_stopped(const luas__child *c)
{
    siginfo_t info;
    memset(&info, 0, sizeof info);
    return c->pid > 0
        && waitid(P_PID, (id_t)c->pid, &info, WSTOPPED | WNOHANG | WNOWAIT) == 0
        && info.si_pid == c->pid;
}

void luas__child_signal(const luas__child *c, int signal)
{
    if (c->pid > 0)
        kill(c->pid, signal);
}

void luas__child_signal_group(const luas__child *c, int signal)
{
    if (c->pid > 0 && kill(-c->pid, signal) < 0)
        kill(c->pid, signal);
}

void luas__child_release(luas__child *c)
{
    luas__fd_close(&c->watch);
}
