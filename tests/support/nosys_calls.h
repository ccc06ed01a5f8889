/*
 * System calls that fail when a test wants them to: `fault` says which, where
 * and how, `until_failure` how many of them still succeed. The linker puts the
 * functions below before the library's (--wrap).
 */
#ifndef LUAS_NOSYS_CALLS_H
#define LUAS_NOSYS_CALLS_H

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>

/* ---- what fails, and where ---- */

enum call {
    READ, WRITE, CLOSE, PIPE, FCNTL, POLL, EPOLL_CREATE, EPOLL_CTL, EPOLL_WAIT, EVENTFD,
    TIMER_CREATE, TIMER_SET, MMAP, FORK, PIDFD_OPEN, WAITPID, WAITID, SETPGID, KILL, OPEN,
    THREAD, DUP, PRCTL, SIGACTION, SIGMASK, SOCKETPAIR, SENDMSG, RECVMSG, MEMFD, FTRUNCATE, CLONE,
    ROBUST_LIST, MADVISE, CLOSE_RANGE
};

/* A worker is starting until its main runs. */
enum place { HOST, STARTING, SERVING };

static struct fault {
    enum place place;
    enum call call;
    int error;
} fault;

static enum place here;
static _Atomic long until_failure = -1; /* such calls that still succeed; < 0: all do */
static _Atomic long failures_left;
static struct shared {                  /* with workers */
    _Atomic int failed;                 /* calls that did not succeed */
    _Atomic int strayed;                /* workers that have a stream of the host's */
} *shared;

static bool is_due(void)
{
    if (atomic_load(&until_failure) < 0 || atomic_fetch_sub(&until_failure, 1) > 0)
        return false;
    atomic_store(&until_failure, atomic_fetch_sub(&failures_left, 1) > 1 ? 0 : -1);
    return true;
}

static bool fails(enum call call)
{
    if (call != fault.call || here != fault.place || !is_due())
        return false;
    atomic_fetch_add(&shared->failed, 1);
    errno = fault.error;
    return true;
}

/* ---- the calls ---- */

#define WRAP(call, type, name, parameters, arguments) \
    type __real_##name parameters; \
    type __wrap_##name parameters; \
    type __wrap_##name parameters \
    { \
        return fails(call) ? (type)-1 : __real_##name arguments; \
    }

WRAP(READ, ssize_t, read, (int fd, void *bytes, size_t n), (fd, bytes, n))
WRAP(WRITE, ssize_t, write, (int fd, const void *bytes, size_t n), (fd, bytes, n))
WRAP(PIPE, int, pipe2, (int fds[2], int flags), (fds, flags))
WRAP(POLL, int, poll, (struct pollfd *fds, nfds_t n, int timeout), (fds, n, timeout))
WRAP(EPOLL_CREATE, int, epoll_create1, (int flags), (flags))
WRAP(EPOLL_CTL, int, epoll_ctl, (int set, int what, int fd, struct epoll_event *event),
     (set, what, fd, event))
WRAP(EPOLL_WAIT, int, epoll_wait, (int set, struct epoll_event *events, int n, int timeout),
     (set, events, n, timeout))
WRAP(EVENTFD, int, eventfd, (unsigned count, int flags), (count, flags))
WRAP(TIMER_CREATE, int, timerfd_create, (int clock, int flags), (clock, flags))
WRAP(TIMER_SET, int, timerfd_settime,
     (int fd, int flags, const struct itimerspec *new, struct itimerspec *old),
     (fd, flags, new, old))
WRAP(MMAP, void *, mmap, (void *at, size_t len, int prot, int flags, int fd, off_t offset),
     (at, len, prot, flags, fd, offset))
WRAP(MADVISE, int, madvise, (void *at, size_t len, int advice), (at, len, advice))
WRAP(WAITID, int, waitid, (idtype_t type, id_t id, siginfo_t *info, int options),
     (type, id, info, options))
WRAP(SETPGID, int, setpgid, (pid_t pid, pid_t group), (pid, group))
WRAP(DUP, int, dup2, (int from, int to), (from, to))
WRAP(SIGACTION, int, sigaction,
     (int signal, const struct sigaction *new, struct sigaction *old), (signal, new, old))
WRAP(SOCKETPAIR, int, socketpair, (int domain, int type, int protocol, int fds[2]),
     (domain, type, protocol, fds))
WRAP(SENDMSG, ssize_t, sendmsg, (int fd, const struct msghdr *message, int flags),
     (fd, message, flags))
WRAP(RECVMSG, ssize_t, recvmsg, (int fd, struct msghdr *message, int flags),
     (fd, message, flags))
WRAP(MEMFD, int, memfd_create, (const char *name, unsigned flags), (name, flags))
WRAP(FTRUNCATE, int, ftruncate, (int fd, off_t size), (fd, size))

#define DECLARE(type, name, parameters) \
    type __real_##name parameters; \
    type __wrap_##name parameters

DECLARE(int, close, (int fd));
DECLARE(int, kill, (pid_t pid, int signal));
DECLARE(int, fcntl, (int fd, int what, ...));
DECLARE(int, open, (const char *path, int flags, ...));
DECLARE(int, prctl, (int what, ...));
DECLARE(long, syscall, (long number, ...));
DECLARE(pid_t, fork, (void));
DECLARE(pid_t, waitpid, (pid_t pid, int *status, int options));
DECLARE(int, pthread_create, (pthread_t *thread, const pthread_attr_t *attributes,
                              void *(*main)(void *), void *arg));
DECLARE(int, pthread_sigmask, (int how, const sigset_t *new, sigset_t *old));

static long kill_after; /* ms that a SIGKILL takes to be sent */

int __wrap_kill(pid_t pid, int signal)
{
    if (signal == SIGKILL && kill_after > 0)
        sleep_ms(kill_after);
    return fails(KILL) ? -1 : __real_kill(pid, signal);
}

/* What fails to close is closed all the same. */
int __wrap_close(int fd)
{
    int rc = __real_close(fd);
    return fails(CLOSE) ? -1 : rc;
}

int __wrap_fcntl(int fd, int what, ...)
{
    va_list args;
    va_start(args, what);
    int value = what != F_GETFL ? va_arg(args, int) : 0;
    va_end(args);
    return fails(FCNTL) ? -1 : __real_fcntl(fd, what, value);
}

int __wrap_open(const char *path, int flags, ...)
{
    return fails(OPEN) ? -1 : __real_open(path, flags);
}

int __wrap_prctl(int what, ...)
{
    va_list args;
    va_start(args, what);
    unsigned long value = va_arg(args, unsigned long);
    va_end(args);
    return fails(PRCTL) ? -1 : __real_prctl(what, value, 0, 0, 0);
}

long __wrap_syscall(long number, ...)
{
    long given[5];
    va_list args;
    va_start(args, number);
    for (int i = 0; i < 5; i++)
        given[i] = va_arg(args, long);
    va_end(args);
    bool failed = number == SYS_pidfd_open ? fails(PIDFD_OPEN)
                : number == SYS_close_range ? fails(CLOSE_RANGE)
                : number == SYS_get_robust_list ? fails(ROBUST_LIST)
                : number == SYS_clone && fails(CLONE);
    long rc = failed ? -1
        : __real_syscall(number, given[0], given[1], given[2], given[3], given[4]);
    if (number == SYS_clone && rc == 0 && fault.call == SENDMSG)
        atomic_store(&until_failure, -1); /* a zygote's failures are not its worker's */
    return rc;
}

pid_t __wrap_fork(void)
{
    pid_t pid = fails(FORK) ? -1 : __real_fork();
    if (pid == 0)
        here = STARTING;
    return pid;
}

/* The system may have reaped the child already, but not while it runs. */
pid_t __wrap_waitpid(pid_t pid, int *status, int options)
{
    if (fault.error != ECHILD)
        return fails(WAITPID) ? -1 : __real_waitpid(pid, status, options);
    pid_t got = __real_waitpid(pid, status, options);
    return got > 0 && fails(WAITPID) ? -1 : got;
}

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
                          void *(*main)(void *), void *arg)
{
    return fails(THREAD) ? fault.error : __real_pthread_create(thread, attributes, main, arg);
}

int __wrap_pthread_sigmask(int how, const sigset_t *new, sigset_t *old)
{
    return fails(SIGMASK) ? fault.error : __real_pthread_sigmask(how, new, old);
}

#endif
