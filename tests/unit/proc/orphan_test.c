/* Children of a host that is killed, or executes another program, end whatever they do; those of one
   that closes its pool have their time. */
#define _GNU_SOURCE
#include "orphan.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "child.h"
#include "clock.h"
#include "testing.h"

static _Atomic uint32_t closes;
static int requests[2], results[2];
static int hosts_ends[40], ends;    /* no child may keep one */

static void sleep_ms(long ms)
{
    nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000}, NULL);
}

static void hang(void)
{
    for (;;)
        pause();
}

/* ---- what children do ---- */

static void block_all(void)
{
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
    hang();
}

static void handle_all(void handler(int))
{
    for (int s = 1; s < NSIG; s++)
        signal(s, handler);
    hang();
}

static void ignore(void)
{
    handle_all(SIG_IGN);
}

static void on_any(int signo)
{
    (void)signo;
}

static void handle(void)
{
    handle_all(on_any);
}

static void forget_parent(void)
{
    prctl(PR_SET_PDEATHSIG, 0);
    block_all();
}

static void join_parent(void)
{
    setpgid(0, getpgid(getppid()));
    block_all();
}

static void stop(void)
{
    setpgid(0, getpgid(getppid()));
    raise(SIGSTOP);
    block_all();
}

static void close_all(void)
{
    sleep_ms(20);
    close(requests[0]);
    block_all();
}

static void (*const deaf[])(void) = {hang, block_all, ignore, handle, forget_parent, join_parent,
                                     stop, close_all};

enum { DEAF = sizeof deaf / sizeof *deaf };

static pid_t fork_watched(void body(void))
{
    luas__child_forks forks;
    luas__child_forks_begin(&forks);
    pid_t pid = luas__child_fork(&forks);
    if (pid == 0) {
        for (int i = 0; i < ends; i++)
            close(hosts_ends[i]);
        luas__orphan_watch(requests[0], results[1], &closes);
        body();
        _exit(1);
    }
    luas__child_forks_end(&forks);
    return pid;
}

static int open_pipes(void)
{
    if (pipe2(requests, O_CLOEXEC) < 0 || pipe2(results, O_CLOEXEC) < 0)
        return -1;
    hosts_ends[ends++] = requests[1];
    hosts_ends[ends++] = results[0];
    return 0;
}

/* ---- the end of the host ---- */

/* Each child has pipes of its own. */
static void be_host(void end(void))
{
    setpgid(0, 0);
    for (int i = 0; i < DEAF; i++) {
        if (open_pipes() < 0 || fork_watched(deaf[i]) < 0)
            _exit(1);
        close(requests[0]);
        close(results[1]);
    }
    sleep_ms(100);
    end();
    _exit(2);
}

static void kill_self(void)
{
    kill(getpid(), SIGKILL);
}

static void execute_other(void)
{
    execl("/bin/sleep", "sleep", "20", (char *)NULL);
}

/* Readers of the pipe see its end when the last child is gone; what is executed does not
   have it. */
static void check_all_end(void end(void))
{
    int life[2];
    char byte;
    CHECK_INT(pipe2(life, O_CLOEXEC), 0);
    pid_t host = fork();
    CHECK(host >= 0);
    if (host == 0)
        be_host(end);
    close(life[1]);
    struct pollfd p = {.fd = life[0], .events = POLLIN};
    CHECK_INT(poll(&p, 1, (int)(within(10 * LUAS__SECOND) / LUAS__MS)), 1);
    CHECK_INT(read(life[0], &byte, 1), 0);
    close(life[0]);
    kill(host, SIGKILL);
    CHECK_INT(waitpid(host, NULL, 0), host);
}

static void test_none_outlives_a_host_that_is_killed(void)
{
    check_all_end(kill_self);
}

static void test_none_outlives_a_host_that_executes_another_program(void)
{
    check_all_end(execute_other);
}

/* ---- a host that lives ---- */

static double time_until_end(uint32_t is_closing)
{
    closes = is_closing;
    CHECK_INT(open_pipes(), 0);
    pid_t pid = fork_watched(block_all);
    CHECK(pid > 0);
    close(requests[0]);
    close(results[1]);
    int64_t began = luas__now();
    close(requests[1]);
    CHECK_INT(waitpid(pid, NULL, 0), pid);
    close(results[0]);
    return (double)(luas__now() - began) / 1e9;
}

static void test_a_pool_that_closes_gives_time(void)
{
    double gone = time_until_end(0), closing = time_until_end(1);
    CHECK(gone >= 0.5);
    CHECK(closing >= 1);
}

/* ---- the thread ---- */

static void end_well(void)
{
    int errors = luas__orphan_threads() != 1;
    sleep_ms(50);
    pid_t pid = fork();
    if (pid == 0)
        _exit(luas__orphan_threads());
    int status = -1;
    errors += waitpid(pid, &status, 0) != pid || status != 0;
    luas__orphan_exit(errors == 0 ? 7 : 1);
}

static void test_a_child_with_the_thread_forks_and_ends(void)
{
    int status;
    CHECK_INT(luas__orphan_threads(), 0);
    CHECK_INT(open_pipes(), 0);
    pid_t pid = fork_watched(end_well);
    CHECK(pid > 0);
    CHECK_INT(waitpid(pid, &status, 0), pid);
    CHECK_INT(status, 7 << 8);
    for (int i = 0; i < 2; i++) {
        close(requests[i]);
        close(results[i]);
    }
}

int main(void)
{
    RUN(test_none_outlives_a_host_that_is_killed);
    RUN(test_none_outlives_a_host_that_executes_another_program);
    RUN(test_a_pool_that_closes_gives_time);
    RUN(test_a_child_with_the_thread_forks_and_ends);
    return 0;
}
