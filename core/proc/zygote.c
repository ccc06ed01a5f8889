/* A child that waits to be asked for workers. */
#define _GNU_SOURCE
#include "zygote.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <unistd.h>

#include "clock.h"
#include "error.h"
#include "fd.h"
#include "fdpass.h"

/* A fork of the largest heap takes less; one that takes longer is stopped. */
#define PATIENCE (2 * LUAS__SECOND)

/* Both ends are one program: these go over the socket as they are. */
typedef struct request {
    intptr_t zygote;    /* its pid to the host */
    intptr_t number;    /* as wide as the rest: no bytes between them */
    luas__slot slot;
} request;

/* From the zygote and from the worker itself, for either may be killed before
   it comes to it. */
typedef struct reply {
    uint32_t birth;     /* both ends count them */
    int32_t pid;        /* or why there is none: negative errno */
} reply;

int luas__zygote_prepare(luas__zygote *z)
{
    int ends[2];
    *z = (luas__zygote)LUAS__ZYGOTE_INIT;
    int rc = luas__fdpass_pair(ends);
    z->socket = ends[0];
    z->other = ends[1];
    return rc;
}

void luas__zygote_begin(luas__zygote *z, pid_t pid)
{
    luas__fd_close(&z->other);
    luas__child_adopt(&z->child, pid);
}

luas__zygote luas__zygote_become(luas__zygote *z)
{
    luas__zygote own = LUAS__ZYGOTE_INIT;
    own.socket = z->other;
    z->other = -1;
    return own;
}

void luas__zygote_end(luas__zygote *z)
{
    luas__fd_close(&z->socket);
    luas__child_signal(&z->child, SIGKILL);
}

void luas__zygote_close(luas__zygote *z)
{
    luas__fd_close(&z->socket);
    luas__fd_close(&z->other);
    luas__child_release(&z->child);
}

void luas__zygote_abandon(const luas__zygote *z, luas__fd_closing *closing)
{
    luas__fd_closing_add(closing, z->socket);
    luas__fd_closing_add(closing, z->other);
    luas__fd_closing_add(closing, z->child.watch);
}

/* ---- asking ---- */

static int ask(const luas__zygote *z, const luas__zygote_request *d)
{
    request r = {.zygote = z->child.pid, .number = d->number, .slot = d->slot};
    int fds[] = {d->in, d->out, d->scoreboard, d->prints[0], d->prints[1]}, count = 3;
    while (count < 5 && fds[count] >= 0)
        count++;
    return luas__fdpass_send(z->socket, &r, sizeof r, fds, count) < 0 ? LUAS_ECLOSED : 0;
}

/* Its pid; or why there is none: LUAS_ECLOSED when nobody is left to answer,
   LUAS_ETIMEDOUT when no answer came. */
static int await_reply(const luas__zygote *z)
{
    reply r;
    int64_t left, end = luas__now() + PATIENCE;
    while ((left = end - luas__now()) > 0) {
        int none = 0;
        ssize_t n = luas__fdpass_take(z->socket, &r, sizeof r, NULL, &none, 0);
        if (n == sizeof r && r.birth == z->requests)
            return r.pid;
        if (n == 0)
            return LUAS_ECLOSED;
        struct pollfd watch = {.fd = z->socket, .events = POLLIN};
        if (n == -EAGAIN)
            poll(&watch, 1, (int)(left / LUAS__MS) + 1);
        else if (n < 0)
            break;
    }
    return LUAS_ETIMEDOUT;
}

/* First it is killed, so that what it did is done: a worker that there is by
   then may still say so. */
static int await_last_reply(luas__zygote *z)
{
    luas__child_signal(&z->child, SIGKILL);
    int pid = await_reply(z);
    luas__zygote_end(z);
    return pid == LUAS_ETIMEDOUT ? LUAS_ECLOSED : pid;
}

pid_t luas__zygote_spawn(luas__zygote *z, const luas__zygote_request *wanted)
{
    if (z->socket < 0)
        return LUAS_ECLOSED;
    z->requests++;
    int pid = ask(z, wanted);
    if (pid == 0)
        pid = await_reply(z);
    if (pid == LUAS_ETIMEDOUT)
        pid = await_last_reply(z);
    if (pid == LUAS_ECLOSED)
        luas__zygote_end(z);
    return pid;
}

/* ---- answering ---- */

/* What cannot be said is said by the other of the two; a worker whose host has
   given it up finds its pipes closed. */
static void say(const luas__zygote *z, int pid)
{
    reply r = {.birth = z->requests, .pid = pid};
    (void)luas__fdpass_send(z->socket, &r, sizeof r, NULL, 0);
}

static bool answer(luas__zygote *z, luas__zygote_request *wanted)
{
    request r;
    int fds[5] = {-1, -1, -1, -1, -1}, count = 5;
    ssize_t n = luas__fdpass_take(z->socket, &r, sizeof r, fds, &count, 1);
    if (n != sizeof r && n != -EMFILE)
        _exit(0); /* the host has gone, or wants no more */
    z->requests++;
    /* In another namespace, processes have other numbers than the host sees. */
    int pid = n < 0 ? (int)n : r.zygote != getpid() ? -ENOSYS : luas__child_fork_sibling();
    say(z, pid != 0 ? pid : (int)getpid());
    if (pid == 0) {
        luas__fd_close(&z->socket);
        *wanted = (luas__zygote_request){.number = (int)r.number, .slot = r.slot, .in = fds[0], .out = fds[1],
                               .scoreboard = fds[2], .prints = {fds[3], fds[4]}};
        return true;
    }
    for (int i = 0; i < count; i++)
        luas__fd_close(&fds[i]);
    return false;
}

void luas__zygote_serve(luas__zygote *z, luas__zygote_request *wanted)
{
    while (!answer(z, wanted))
        continue;
}
