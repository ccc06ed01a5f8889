/*
 * A zygote: an idle child that keeps the host's memory as it was at the fork. When the host
 * has changed since, workers that must see the old state are forked from the zygote. The
 * host sends it a request with the descriptors of the new worker, over a socket. The zygote
 * forks a *sibling* of itself (clone(2) with CLONE_PARENT): a child of the host, which
 * watches and reaps it like one that it forked itself. This needs Linux and glibc. On other
 * systems luas__zygote_begin works, but luas__zygote_spawn fails.
 *
 * The host: 1. luas__zygote_prepare, a fork, luas__zygote_begin, and if it wants to
 * luas__zygote_await; 2. luas__zygote_spawn for each worker; 3. luas__zygote_end;
 * 4. luas__child_reap(&z->child) until it returns 1; 5. luas__zygote_close. The child: 1. luas__zygote_become; 2. closes those descriptors of
 * the host that it must not keep; 3. luas__zygote_serve, which returns only in workers. The
 * zygote ends when the host ends, or when the host tells it to.
 */
#ifndef LUAS_ZYGOTE_H
#define LUAS_ZYGOTE_H

#include <stdbool.h>

#include "bulk.h"
#include "child.h"
#include "fd.h"

typedef struct luas__zygote {
    luas__child child;
    int socket;         /* this side's end; -1: no more workers can be forked from it */
    int other;          /* the child's end, in the host until the fork; -1 after it */
    uint32_t requests;  /* how many requests were made */
} luas__zygote;

#define LUAS__ZYGOTE_INIT {LUAS__CHILD_INIT, -1, -1, 0}

/* What a zygote gets from the host for a new worker. */
typedef struct luas__zygote_request {
    int number;
    luas__slot slot;
    int in, out;        /* the worker's ends of the pipes; each of these descriptors may be -1 */
    int scoreboard;     /* the descriptor of luas__scoreboard_share */
    int prints[2];      /* for luas__output_become; -1: the zygote's streams */
} luas__zygote_request;

/* Returns 0, or negative with nothing left behind. */
int luas__zygote_prepare(luas__zygote *z);

/* In the host, after the fork. */
void luas__zygote_begin(luas__zygote *z, pid_t pid);

/* In the host, before any request: waits until the zygote is ready for requests, and has given
   up what it does not keep; some seconds at most. Returns false if it is not ready then. */
bool luas__zygote_await(const luas__zygote *z);

/* In the child: returns the zygote's own side. *z keeps the copies of the host's descriptors,
   for luas__zygote_abandon. */
luas__zygote luas__zygote_become(luas__zygote *z);

/* Host: has the zygote fork a worker. Returns its pid, for luas__child_adopt, or negative.
   The caller keeps its descriptors in `wanted`. A zygote that is dead, or does not answer
   within some seconds, is ended. */
pid_t luas__zygote_spawn(luas__zygote *z, const luas__zygote_request *wanted);

/* Zygote: answers requests until it ends. Returns only in each new worker, which owns the
   descriptors in *wanted. */
void luas__zygote_serve(luas__zygote *z, luas__zygote_request *wanted);

/* Host: kills the zygote. Does nothing if that was done before. */
void luas__zygote_end(luas__zygote *z);

/* Host: closes what is open, once the child has been reaped. */
void luas__zygote_close(luas__zygote *z);

/* In a forked child: adds its copies of the host's descriptors to `closing`. */
void luas__zygote_abandon(const luas__zygote *z, luas__fd_closing *closing);

#endif
