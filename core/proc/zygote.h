/*
 * A zygote: an idle child that keeps the host as it was at the fork, and that
 * workers can be forked of when the host has long gone on. They are children of
 * the host like those that it forks itself (clone(2), CLONE_PARENT; Linux and glibc
 * only: elsewhere luas__zygote_begin works and luas__zygote_spawn fails).
 *
 * The host: 1. luas__zygote_prepare, a fork, luas__zygote_begin; 2. luas__zygote_spawn
 * for each worker; 3. luas__zygote_end; 4. luas__child_reap(&z->child) until that
 * gives 1; 5. luas__zygote_close. The child: luas__zygote_become; it closes what it is
 * not to keep of the host's descriptors and calls luas__zygote_serve, which returns in
 * workers only. It ends with the host, and when it is told to.
 */
#ifndef LUAS_ZYGOTE_H
#define LUAS_ZYGOTE_H

#include "bulk.h"
#include "child.h"
#include "fd.h"

typedef struct luas__zygote {
    luas__child child;
    int socket;         /* this side's end; -1: no workers come from it any more */
    int other;          /* the child's, until it has it; -1: it has */
    uint32_t requests;    /* that were asked for */
} luas__zygote;

#define LUAS__ZYGOTE_INIT {LUAS__CHILD_INIT, -1, -1, 0}

/* What the host gives to a worker that a zygote forks. */
typedef struct luas__zygote_request {
    int number;
    luas__slot slot;
    int in, out;        /* its ends of the pipes */
    int scoreboard;           /* luas__scoreboard_share's */
    int prints[2];      /* for luas__output_become; -1: the zygote's streams */
} luas__zygote_request;

/* 0, or negative with nothing left behind. */
int luas__zygote_prepare(luas__zygote *z);

/* In the host, which has forked it. */
void luas__zygote_begin(luas__zygote *z, pid_t pid);

/* In the child: leaves *z to be abandoned and gives what it goes on with. */
luas__zygote luas__zygote_become(luas__zygote *z);

/* Host: forks a worker: its pid, for luas__child_adopt, or negative. The descriptors of
   the wanted stay the caller's. A zygote that is dead, or does not answer within some
   seconds, is ended. */
pid_t luas__zygote_spawn(luas__zygote *z, const luas__zygote_request *wanted);

/* Zygote: waits. Returns in each new worker, which owns the descriptors. */
void luas__zygote_serve(luas__zygote *z, luas__zygote_request *wanted);

/* Host: kills it; harmless when it was ended before. */
void luas__zygote_end(luas__zygote *z);

/* Host: closes what is open, once the child has been reaped. */
void luas__zygote_close(luas__zygote *z);

/* In a forked child: gives its copies of the host's descriptors to be closed. */
void luas__zygote_abandon(const luas__zygote *z, luas__fd_closing *closing);

#endif
