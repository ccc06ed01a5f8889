/* Children: what they are born with, how they end, and that they all do. */
#define _GNU_SOURCE
#include "child.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "fork_detect.h"
#include "testing.h"

static void sleep_ms(long ms)
{
    nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000}, NULL);
}

static int fork_child(luas__child *c)
{
    luas__child_forks forks;
    luas__child_forks_begin(&forks);
    pid_t pid = luas__child_fork(&forks);
    if (pid == 0)
        return 0;
    luas__child_forks_end(&forks);
    if (pid > 0)
        luas__child_adopt(c, pid);
    return pid > 0 ? 1 : pid;
}

/* Forks a child that runs `body` and exits with what that gives. */
static luas__child start(int body(void))
{
    luas__child c;
    int rc = fork_child(&c);
    CHECK(rc >= 0);
    if (rc == 0)
        _exit(body());
    return c;
}

/* Waits as an owner would, for at most ten seconds. */
static int status_of(luas__child *c)
{
    struct pollfd watch = {.fd = c->watch, .events = POLLIN};
    for (int i = 0; i < 1000 && !luas__child_reap(c); i++)
        poll(&watch, c->watch >= 0 ? 1 : 0, 10);
    CHECK_INT(c->pid, 0);
    luas__child_release(c);
    CHECK_INT(c->watch, -1);
    return c->status;
}

static int hang(void)
{
    while (pause() < 0)
        continue;
    return 1;
}

static int exit_seven(void)
{
    return 7;
}

static void test_exit_status(void)
{
    luas__child c = start(exit_seven);
    CHECK(c.pid > 0);
    CHECK_INT(status_of(&c), 7 << 8);
    CHECK_INT(luas__child_reap(&c), 1);
    luas__child_signal(&c, SIGKILL);        /* nobody is left to get it */
    luas__child_signal_group(&c, SIGKILL);
}

static void test_ended_by_a_signal(void)
{
    luas__child c = start(hang);
    CHECK_INT(luas__child_reap(&c), 0);
    luas__child_signal(&c, SIGTERM);
    CHECK_INT(status_of(&c), SIGTERM);
}

static int check_birth(void)
{
    struct sigaction action;
    sigset_t mask;
    char byte;
    sigprocmask(SIG_SETMASK, NULL, &mask);
    for (int i = 1; i < NSIG; i++)
        if (sigismember(&mask, i) == 1)
            return 1;
    sigaction(SIGTERM, NULL, &action);
    if (action.sa_handler != SIG_DFL)
        return 2;
    sigaction(SIGPIPE, NULL, &action);
    if (action.sa_handler != SIG_DFL)
        return 3;
    if (getpgrp() != getpid())
        return 4;
    return read(STDIN_FILENO, &byte, 1) == 0 ? 0 : 5;
}

static void test_born_with_defaults(void)
{
    sigset_t all, before;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, &before);
    void (*term)(int) = signal(SIGTERM, SIG_IGN), (*broken)(int) = signal(SIGPIPE, SIG_IGN);
    luas__child c = start(check_birth);
    sigset_t after;
    sigprocmask(SIG_SETMASK, NULL, &after);
    CHECK(sigismember(&after, SIGTERM) == 1);
    sigprocmask(SIG_SETMASK, &before, NULL);
    CHECK(signal(SIGTERM, term) == SIG_IGN && signal(SIGPIPE, broken) == SIG_IGN);
    CHECK_INT(status_of(&c), 0);
}

/* What was printed before the fork comes out once. */
static void test_output_is_not_doubled(void)
{
    int out[2], saved = dup(STDOUT_FILENO);
    char text[64];
    CHECK(saved >= 0);
    CHECK_INT(pipe2(out, O_CLOEXEC), 0);
    dup2(out[1], STDOUT_FILENO);
    printf("once");
    luas__child c;
    int rc = fork_child(&c);
    CHECK(rc >= 0);
    if (rc == 0) {
        fflush(NULL);
        _exit(0);
    }
    fflush(stdout);
    CHECK_INT(status_of(&c), 0);
    dup2(saved, STDOUT_FILENO);
    close(saved);
    close(out[1]);
    CHECK_INT(read(out[0], text, sizeof text), 4);
    close(out[0]);
}

/* ---- groups ---- */

static int fork_and_hang(void)
{
    pid_t grandchild = fork();
    if (grandchild < 0)
        return 1;
    return hang();
}

/* Readers of this pipe see its end when the last process that has it is gone. */
static void check_group_ends(int wanted, void end(const luas__child *))
{
    int life[2];
    char byte;
    CHECK_INT(pipe2(life, O_CLOEXEC), 0);
    luas__child c = start(fork_and_hang);
    close(life[1]);
    sleep_ms(50);
    end(&c);
    CHECK_INT(status_of(&c), wanted);
    struct pollfd p = {.fd = life[0], .events = POLLIN};
    CHECK_INT(poll(&p, 1, 10000), 1);
    CHECK_INT(read(life[0], &byte, 1), 0);
    close(life[0]);
}

static void end_group(const luas__child *c)
{
    luas__child_signal_group(c, SIGKILL);
}

static void end_alone(const luas__child *c)
{
    luas__child_signal(c, SIGKILL);
}

static void test_what_a_child_started_ends_with_it(void)
{
    check_group_ends(SIGKILL, end_group);
    check_group_ends(SIGKILL, end_alone); /* found dead, its group is ended */
}

/* ---- no orphans ---- */

static int parent_of_hanging(void)
{
    luas__child c;
    for (int i = 0; i < 3; i++) {
        int rc = fork_child(&c);
        if (rc <= 0)
            return rc == 0 ? hang() : 1;
    }
    return hang();
}

static void test_children_end_with_a_killed_parent(void)
{
    int life[2];
    char byte;
    CHECK_INT(pipe2(life, O_CLOEXEC), 0);
    pid_t parent = fork();
    CHECK(parent >= 0);
    if (parent == 0)
        _exit(parent_of_hanging());
    close(life[1]);
    sleep_ms(50);
    kill(parent, SIGKILL);
    CHECK_INT(waitpid(parent, NULL, 0), parent);
    struct pollfd p = {.fd = life[0], .events = POLLIN};
    CHECK_INT(poll(&p, 1, 10000), 1);
    CHECK_INT(read(life[0], &byte, 1), 0);
    close(life[0]);
}

/* ---- where one is ---- */

static luas__fork_detect fork_detect;

static int is_elsewhere(void)
{
    return luas__fork_detect_is_here(&fork_detect);
}

static void test_a_fork_is_not_where_it_came_from(void)
{
    for (int with_mark = 1; with_mark >= 0; with_mark--) {
        luas__fork_detect_open(&fork_detect);
        if (!with_mark)
            luas__fork_detect_close(&fork_detect); /* as where there is none */
        CHECK(luas__fork_detect_is_here(&fork_detect));
        luas__child c = start(is_elsewhere);
        CHECK_INT(status_of(&c), 0);
        CHECK(luas__fork_detect_is_here(&fork_detect));
        luas__fork_detect_close(&fork_detect);
    }
}

/* ---- an application that has the system reap ---- */

/* Does the kernel still know what became of a process that was reaped? */
static int status_is_kept(void)
{
    struct utsname system;
    int version = 0, minor = 0;
    return uname(&system) == 0 && sscanf(system.release, "%d.%d", &version, &minor) == 2
        && version * 1000 + minor >= 6015;
}

static void check_status(luas__child *c, int wanted)
{
    int has_watch = c->watch >= 0, status = status_of(c);
    CHECK(status == wanted || (status == -1 && !(has_watch && status_is_kept())));
}

static void test_status_when_children_are_ignored(void)
{
    signal(SIGCHLD, SIG_IGN);
    luas__child c = start(exit_seven);
    check_status(&c, 7 << 8);
    c = start(hang);
    luas__child_signal(&c, SIGKILL);
    check_status(&c, SIGKILL);
    c = start(hang);
    CHECK_INT(luas__child_reap(&c), 0);
    luas__child_signal(&c, SIGTERM);
    check_status(&c, SIGTERM);
    signal(SIGCHLD, SIG_DFL);
}

static void test_status_when_the_application_reaps_all(void)
{
    luas__child c = start(exit_seven);
    CHECK_INT(waitpid(-1, NULL, 0), c.pid);
    check_status(&c, 7 << 8);
    c = start(hang);
    luas__child_signal(&c, SIGKILL);
    CHECK_INT(waitpid(-1, NULL, 0), c.pid);
    check_status(&c, SIGKILL);
}

int main(void)
{
    RUN(test_exit_status);
    RUN(test_ended_by_a_signal);
    RUN(test_born_with_defaults);
    RUN(test_output_is_not_doubled);
    RUN(test_what_a_child_started_ends_with_it);
    RUN(test_children_end_with_a_killed_parent);
    RUN(test_a_fork_is_not_where_it_came_from);
    RUN(test_status_when_children_are_ignored);
    RUN(test_status_when_the_application_reaps_all);
}
