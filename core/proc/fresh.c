/* Starting a fresh program, and what it is told. */
#define _GNU_SOURCE
#include "fresh.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "error.h"
#include "fdpass.h"
#include "orphan.h"
#include "scheduling.h"
#include "streams.h"

/* The number of the socket in the program. */
enum { SOCKET = 3 };

/* How long the host waits for a program to say what it is. */
#define PATIENCE (20 * LUAS__SECOND)

/* The descriptors, in order: of one that has another tag the program needs the second. */
enum { FDS = 8, OUT = 1 };

/* The tag is first in all versions; the rest is as both have it if their tags are the same. */
typedef struct message {
    char tag[LUAS__FRESH_TAG];
    luas__slot slot;
    intptr_t host, number;
    intptr_t there;     /* which of the descriptors come with this: bits */
    unsigned char cpus[LUAS__CPUS_SIZE];
} message;

static void write_tag(char *to, const char *tag)
{
    memset(to, 0, LUAS__FRESH_TAG);
    snprintf(to, LUAS__FRESH_TAG, "%s", tag);
}

/* ---- the host ---- */

static int choose_signals(posix_spawnattr_t *a)
{
    sigset_t set;
    sigfillset(&set);
    int rc = posix_spawnattr_setsigdefault(a, &set);
    sigemptyset(&set);
    if (rc == 0)
        rc = posix_spawnattr_setsigmask(a, &set);
    if (rc == 0)
        rc = posix_spawnattr_setpgroup(a, 0);
    return rc != 0 ? rc : posix_spawnattr_setflags(a, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK
                                                      | POSIX_SPAWN_SETPGROUP);
}

static int choose_files(posix_spawn_file_actions_t *f, int socket)
{
    int rc = posix_spawn_file_actions_addopen(f, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    if (rc == 0)
        rc = posix_spawn_file_actions_adddup2(f, socket, SOCKET);
#if defined(__GLIBC__) && __GLIBC_PREREQ(2, 34)
    if (rc == 0)
        rc = posix_spawn_file_actions_addclosefrom_np(f, SOCKET + 1);
#endif
    return rc;
}

static int spawn(pid_t *pid, const char *path, const posix_spawn_file_actions_t *files, int socket,
                 posix_spawnattr_t *attributes, char *const *variables)
{
    char *const words[] = {(char[]){"luas"}, (char[]){"--worker"}, NULL};
    int rc = choose_signals(attributes);
    if (rc == 0)
        rc = choose_files((posix_spawn_file_actions_t *)(uintptr_t)files, socket);
    if (rc == 0)
        rc = posix_spawn(pid, path, files, attributes, words, variables);
    return rc;
}

static pid_t start(const char *path, char *const *variables, int socket)
{
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    pid_t pid = 0;
    int rc = posix_spawn_file_actions_init(&files);
    if (rc != 0)
        return -rc;
    rc = posix_spawnattr_init(&attributes);
    if (rc == 0) {
        int lets_fork = luas__scheduling_let_fork();
        luas__streams_flush(); /* so that lines come in the order in which they were printed */
        rc = spawn(&pid, path, &files, socket, &attributes, variables);
        if (lets_fork)
            luas__scheduling_let_no_fork();
        posix_spawnattr_destroy(&attributes);
    }
    posix_spawn_file_actions_destroy(&files);
    return rc != 0 ? -rc : pid;
}

static int hand_over(int socket, const char *tag, const luas__fresh_request *r)
{
    const luas__zygote_request *w = &r->worker;
    const int all[FDS] = {w->in, w->out, w->scoreboard, w->prints[0], w->prints[1],
                          r->letter, r->bulk, r->shared};
    int fds[FDS], count = 0;
    message m;
    memset(&m, 0, sizeof m);
    write_tag(m.tag, tag);
    m.slot = w->slot;
    m.host = getpid();
    m.number = w->number;
    luas__cpus_give(m.cpus);
    for (int i = 0; i < FDS; i++)
        if (all[i] >= 0) {
            m.there |= (intptr_t)1 << i;
            fds[count++] = all[i];
        }
    return luas__fdpass_send(socket, &m, sizeof m, fds, count);
}

/* It is told before it begins: what lies in the socket outlasts this end of it. */
pid_t luas__fresh_spawn(const char *path, const char *tag, char *const *variables,
                        const luas__fresh_request *r)
{
    int ends[2];
    int rc = luas__fdpass_pair(ends);
    if (rc < 0)
        return rc;
    rc = hand_over(ends[0], tag, r);
    pid_t pid = rc < 0 ? rc : start(path, variables, ends[1]);
    luas__fd_close(&ends[0]);
    luas__fd_close(&ends[1]);
    return pid;
}

/* Waits until it has said something, or has ended. */
static int hear(int socket, char found[LUAS__FRESH_TAG])
{
    int64_t left, end = luas__now() + PATIENCE;
    while ((left = end - luas__now()) > 0) {
        int none = 0;
        ssize_t n = luas__fdpass_take(socket, found, LUAS__FRESH_TAG, NULL, &none, 0);
        if (n != -EAGAIN)
            return n == LUAS__FRESH_TAG ? 0 : LUAS_EPROTO;
        struct pollfd watch = {.fd = socket, .events = POLLIN};
        poll(&watch, 1, (int)(left / LUAS__MS) + 1);
    }
    return LUAS_EPROTO;
}

int luas__fresh_probe(const char *path, const char *tag, char found[LUAS__FRESH_TAG])
{
    extern char **environ;
    luas__child child = LUAS__CHILD_INIT;
    int ends[2];
    int rc = luas__fdpass_pair(ends);
    *found = '\0';
    if (rc < 0)
        return rc;
    pid_t pid = start(path, environ, ends[1]);
    luas__fd_close(&ends[1]);
    if (pid > 0) {
        luas__child_adopt(&child, pid);
        rc = hear(ends[0], found);
        luas__child_signal_group(&child, SIGKILL);
        luas__child_await(&child);
        luas__child_release(&child);
    }
    luas__fd_close(&ends[0]);
    if (pid < 0 || rc < 0) {
        *found = '\0';
        return pid < 0 ? pid : rc;
    }
    found[LUAS__FRESH_TAG - 1] = '\0';
    return strcmp(found, tag) == 0 ? 0 : LUAS_EPROTO;
}

/* ---- the program ---- */

static void say(const char *tag)
{
    char words[LUAS__FRESH_TAG];
    write_tag(words, tag);
    (void)luas__fdpass_send(SOCKET, words, sizeof words, NULL, 0); /* who gives something does not wait for it */
}

static void read_message(const message *m, const int *fds, luas__fresh_request *r)
{
    int all[FDS];
    for (int i = 0; i < FDS; i++)
        all[i] = m->there >> i & 1 ? *fds++ : -1;
    *r = (luas__fresh_request){
        .worker = {.number = (int)m->number, .slot = m->slot, .in = all[0], .out = all[OUT],
                   .scoreboard = all[2], .prints = {all[3], all[4]}},
        .letter = all[5], .bulk = all[6], .shared = all[7]};
}

/* As a child that was forked (child.c). */
static void settle_in(const message *m)
{
    luas__orphan_expect((pid_t)m->host);
    signal(SIGTTOU, SIG_IGN); /* its group is in the terminal's background, but tasks may print */
    luas__scheduling_usual();
    luas__cpus_take(m->cpus);
}

int luas__fresh_take(const char *tag, luas__fresh_request *r, char other[LUAS__FRESH_TAG])
{
    message m;
    int fds[FDS], count = FDS, socket = SOCKET;
    memset(fds, -1, sizeof fds);
    say(tag);
    ssize_t n = luas__fdpass_take(SOCKET, &m, sizeof m, fds, &count, 1);
    if (n == 0 || n == -ECONNRESET)
        return 0;
    if (n < 0)
        return (int)n;
    luas__fd_close(&socket);
    m.tag[LUAS__FRESH_TAG - 1] = '\0';
    memcpy(other, m.tag, LUAS__FRESH_TAG);
    *r = (luas__fresh_request){.worker = {.out = count > OUT ? fds[OUT] : -1}};
    if (n < LUAS__FRESH_TAG || strcmp(m.tag, tag) != 0)
        return LUAS_EPROTO;
    if (n != sizeof m)
        return LUAS_EPROTO;
    settle_in(&m);
    read_message(&m, fds, r);
    return 1;
}
