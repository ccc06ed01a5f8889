/* A child that waits to be asked for workers. */
#define _GNU_SOURCE
#include "zygote.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "error.h"
#include "fd.h"
#include "fdpass.h"

/* How long the host waits for a zygote. Even the fork of the largest heap takes less. A
   zygote that takes longer is stopped, by SIGSTOP for example. */
#define PATIENCE (2 * LUAS__SECOND)

/* Host and zygote are the same program, so these structs go over the socket as they are. */
typedef struct request {
    intptr_t zygote;    /* the zygote's pid, as the host sees it */
    intptr_t number;    /* the worker's; all fields have one width, so there is no padding */
    intptr_t there;     /* which of its descriptors come with this: bits, in the order of FDS */
    luas__slot slot;
} request;

/* The descriptors of a worker, in order. */
enum { FDS = 5 };

/* Both the zygote and the new worker send this reply: each of them may be killed before it
   can. The host takes whichever comes first. */
typedef struct reply {
    uint32_t birth;     /* number of the request; both ends count them */
    int32_t pid;        /* the worker's; or a negative errno: why there is none */
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
    int all[FDS] = {d->in, d->out, d->scoreboard, d->prints[0], d->prints[1]}, fds[FDS], count = 0;
    for (int i = 0; i < FDS; i++)
        if (all[i] >= 0) {
            r.there |= (intptr_t)1 << i;
            fds[count++] = all[i];
        }
    return luas__fdpass_send(z->socket, &r, sizeof r, fds, count) < 0 ? LUAS_ECLOSED : 0;
}

/* Waits for the reply to the current request; replies to earlier ones are dropped. Returns
   the worker's pid, or the reason why there is none: LUAS_ECLOSED when nobody is left who
   could answer, LUAS_ETIMEDOUT when no answer came. */
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

/* The zygote did not answer in time, but it may have forked all the same. So it is killed
   first: after that it forks no more. A worker that exists by then sends its own reply, for
   which this waits. */
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

/* Sends the reply. A failure does not matter: the other of the two sends it as well. A worker
   that the host has given up finds its pipes closed and ends. */
static void say(const luas__zygote *z, int pid)
{
    reply r = {.birth = z->requests, .pid = pid};
    (void)luas__fdpass_send(z->socket, &r, sizeof r, NULL, 0);
}

static void read_request(const request *r, const int *fds, luas__zygote_request *wanted)
{
    int all[FDS];
    for (int i = 0; i < FDS; i++)
        all[i] = r->there >> i & 1 ? *fds++ : -1;
    *wanted = (luas__zygote_request){.number = (int)r->number, .slot = r->slot, .in = all[0],
                                     .out = all[1], .scoreboard = all[2],
                                     .prints = {all[3], all[4]}};
}

static bool answer(luas__zygote *z, luas__zygote_request *wanted)
{
    request r;
    int fds[FDS] = {-1, -1, -1, -1, -1}, count = FDS;
    ssize_t n = luas__fdpass_take(z->socket, &r, sizeof r, fds, &count, 1);
    if (n != sizeof r && n != -EMFILE)
        _exit(0); /* the host is gone, or needs no more workers */
    z->requests++;
    /* In another pid namespace the host would see other pids than we report: refuse. */
    int pid = n < 0 ? (int)n : r.zygote != getpid() ? -ENOSYS : luas__child_fork_sibling();
    say(z, pid != 0 ? pid : (int)getpid());
    if (pid == 0) {
        luas__fd_close(&z->socket);
        read_request(&r, fds, wanted);
        return true;
    }
    for (int i = 0; i < count; i++)
        luas__fd_close(&fds[i]);
    return false;
}

/* The first reply, to request 0, says that the zygote is ready. Nobody takes it: the reply to
   a request comes behind it, and earlier ones are dropped. */
bool luas__zygote_await(const luas__zygote *z)
{
    struct pollfd watch = {.fd = z->socket, .events = POLLIN};
    int64_t end = luas__now() + PATIENCE;
    reply r;
    while (luas__now() < end && luas__child_runs(&z->child) && poll(&watch, 1, 20) <= 0)
        continue;
    return recv(z->socket, &r, sizeof r, MSG_PEEK | MSG_DONTWAIT) == sizeof r;
}

void luas__zygote_serve(luas__zygote *z, luas__zygote_request *wanted)
{
    say(z, 0);
    while (!answer(z, wanted))
        continue;
}
