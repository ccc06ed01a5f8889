/* Children of a host that has ended, or has executed another program. */
#define _GNU_SOURCE
#include "orphan.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

#ifdef __linux__
#include <sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <ucontext.h>
#endif

/* For so long (us) a child may go on without its host, or with one that closes its pool. */
enum { ORPHAN_TIME = 500000, CLOSING_TIME = 1000000 };

/* A worker that has no task sees the end of the pipe itself, within this time (us). */
enum { TIME_TO_SEE = 20000 };

static struct {
    pid_t host;     /* the process that forked this one */
    pid_t leader;   /* this one: the group that it began with is its own */
    pid_t watched;  /* the process that has the thread */
    volatile sig_atomic_t is_orphan;
} self;

enum { IN, OUT, ENDS };

static struct {
    struct pollfd ends[ENDS];       /* of the pipes */
    const _Atomic uint32_t *closes; /* NULL: not watched yet */
} watched;

int luas__orphan_is(void)
{
    return self.is_orphan;
}

int luas__orphan_threads(void)
{
    return self.watched != 0 && self.watched == getpid();
}

/* A task may have gone to another group, even to that of the host. */
static void end_group(void)
{
    kill(-self.leader, SIGKILL);
    kill(self.leader, SIGKILL);
}

static bool has_hung_up(void)
{
    struct pollfd end = {.fd = watched.ends[IN].fd};
    return watched.closes != NULL && poll(&end, 1, 0) == 1 && (end.revents & POLLHUP) != 0;
}

/* In a child that a task has forked this ends that child, and not the worker. */
void luas__orphan_exit(int status)
{
    if (getpid() == self.leader && (self.is_orphan || getppid() != self.host || has_hung_up()))
        end_group();
    _exit(status);
}

void luas__orphan_end(void)
{
    self.is_orphan = 1;
    signal(SIGPIPE, SIG_IGN);
    fflush(NULL);
    luas__orphan_exit(1);
}

/* ---- the signal ---- */

#ifdef __linux__
static void handle(int signo, void handler(int, siginfo_t *, void *))
{
    struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_RESTART | SA_SIGINFO};
    sigaction(signo, &action, NULL);
}

static void on_time_over(int signo, siginfo_t *info, void *context)
{
    (void)signo;
    (void)info;
    (void)context;
    end_group();
}

/* The kernel sends the parent-death signal also when only the thread that forked has ended.
   Then the parent process is still there, and this child goes on. */
static void on_parent_death(int signo, siginfo_t *info, void *context)
{
    (void)signo;
    (void)info;
    if (getppid() == self.host || getpid() != self.leader)
        return;
    self.is_orphan = 1;
    handle(SIGALRM, on_time_over);
    sigdelset(&((ucontext_t *)context)->uc_sigmask, SIGALRM);
    signal(SIGPIPE, SIG_IGN);
    setitimer(ITIMER_REAL, &(struct itimerval){.it_value = {.tv_usec = ORPHAN_TIME}}, NULL);
    raise(SIGUSR1);
}
#endif

/* The death signal is not SIGKILL, because the processes that tasks have started must end, too,
   and what tasks wrote to files must not be lost. (A group that is stopped when its parent ends
   gets SIGCONT and SIGHUP from the kernel, and ends by these.) */
void luas__orphan_expect(pid_t host)
{
    if (host != 0)
        self.host = host;
    self.leader = getpid();
    self.is_orphan = 0;
    watched.closes = NULL;
#ifdef __linux__
    handle(SIGUSR2, on_parent_death);
    prctl(PR_SET_PDEATHSIG, SIGUSR2);
#endif
    if (getppid() != self.host) /* it ended before prctl: no signal will come */
        _exit(1);
}

/* ---- the thread ---- */

#ifdef __linux__
/* The thread must leave the C library alone: it has the other thread's errno and all else that
   belongs to a thread. So this is a system call, which is not to fail. */
static int wait_for(struct pollfd *ends, long us)
{
    struct {
        long s, ns;     /* as the kernel has it, also where time_t is wider */
    } time = {us / 1000000, us % 1000000 * 1000};
    return (int)syscall(SYS_ppoll, ends, ends != NULL ? ENDS : 0, us < 0 ? NULL : &time, NULL, 0);
}
#else
static int wait_for(struct pollfd *ends, long us)
{
    return poll(ends, ends != NULL ? ENDS : 0, us < 0 ? -1 : (int)(us / 1000));
}
#endif

#if defined(__clang__) || defined(__GNUC__)
#define IN_THREAD __attribute__((no_sanitize_address))
#else
#define IN_THREAD
#endif

/* A task may have closed one of the pipes, or both. Then the wait ends when the host closes its
   end, and says that there is no such descriptor. Returns false if one cannot wait here. */
IN_THREAD static bool await_end(void)
{
    long time = -1;
    while (wait_for(watched.ends, time) >= 0) {
        time = ORPHAN_TIME;
        for (int i = 0; i < ENDS; i++) {
            if (watched.ends[i].revents & (POLLHUP | POLLERR))
                return true;
            if (watched.ends[i].revents & POLLNVAL)
                watched.ends[i].fd = -1;
            if (watched.ends[i].fd >= 0)
                time = -1;
        }
        if (getppid() != self.host)
            return true;
    }
    return false;
}

/* All signals are blocked here: so those for the process go to the task. */
IN_THREAD static void watch(void)
{
    if (!await_end())
        return;
    wait_for(NULL, TIME_TO_SEE);
    self.is_orphan = 1;
    signal(SIGPIPE, SIG_IGN);
    kill(self.leader, SIGUSR1);
    wait_for(NULL, atomic_load(watched.closes) != 0 ? CLOSING_TIME : ORPHAN_TIME);
    end_group();
}

#ifdef __linux__
static int run(void *unused)
{
    (void)unused;
    watch();
    return 0;
}

/* gcc says it by a macro, and clang by a feature. */
#if defined(__has_feature) && !defined(__SANITIZE_THREAD__)
#if __has_feature(thread_sanitizer)
#define __SANITIZE_THREAD__ 1
#endif
#endif
#ifdef __SANITIZE_THREAD__
/* ThreadSanitizer ends a process with a thread that it has not seen begin. */
enum { CANNOT_START = 1 };
#else
enum { CANNOT_START = 0 };
#endif

/* Not pthread_create: from then on the C library would lock its streams and its heap for each
   use. */
static int start(void)
{
    if (CANNOT_START)
        return -ENOSYS;
    static _Alignas(64) char stack[16 << 10];
    int flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM;
    return clone(run, stack + sizeof stack, flags, NULL);
}

/* A task that has stopped its own process holds up the thread, too. So the kernel is asked for
   SIGCONT when nobody can read what this process writes. */
static void ask_to_be_continued(int out)
{
    int flags = fcntl(out, F_GETFL);
    if (flags >= 0 && fcntl(out, F_SETOWN, self.leader) == 0 && fcntl(out, F_SETSIG, SIGCONT) == 0)
        (void)fcntl(out, F_SETFL, flags | O_ASYNC);
}
#else
static void *run(void *unused)
{
    watch();
    return unused;
}

static int start(void)
{
    pthread_t thread;
    int rc = pthread_create(&thread, NULL, run, NULL);
    if (rc == 0)
        pthread_detach(thread);
    return -rc;
}

static void ask_to_be_continued(int out)
{
    (void)out;
}
#endif

void luas__orphan_watch(int in, int out, const _Atomic uint32_t *closes)
{
    sigset_t all, before;
    watched.ends[IN] = (struct pollfd){.fd = in};
    watched.ends[OUT] = (struct pollfd){.fd = out};
    watched.closes = closes;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    if (start() >= 0)
        self.watched = self.leader;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    ask_to_be_continued(out);
}
