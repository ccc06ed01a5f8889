/*
 * A worker that is a fresh program, `luas --worker`: it has nothing of its host's memory, and an
 * address layout of its own. Starting it costs the same however large the host is, and needs no fork
 * of it (posix_spawn). It is a child of the host, as a worker that was forked.
 *
 * The host: luas__fresh_probe, once, and luas__fresh_spawn for each worker. The program:
 * luas__fresh_take, first of all. Between them is a socket, on which the program first says what it is:
 * a `tag` of the caller's, which has the version. Two programs with different tags do not understand
 * each other beyond that.
 */
#ifndef LUAS_FRESH_H
#define LUAS_FRESH_H

#include "cpus.h"
#include "zygote.h"

/* Bytes of a tag, with the zero at its end. */
enum { LUAS__FRESH_TAG = 96 };

/* What the program is given. Of the descriptors letter, bulk and shared may be -1. */
typedef struct luas__fresh_request {
    luas__zygote_request worker;
    int letter;         /* what it has to do, in the words of the caller */
    int bulk;           /* the descriptor of the pool's luas__bulk */
    int shared;         /* that of an arena */
} luas__fresh_request;

/*
 * Host: starts the program. `variables` are its environment; the rest is the caller's:
 * its directory, its stdout and stderr. It has no other descriptors. Signals are as in a program that
 * was just started, stdin is empty, and it leads a process group. Returns its pid, for
 * luas__child_adopt, or negative. The caller keeps its descriptors in *r.
 */
pid_t luas__fresh_spawn(const char *path, const char *tag, char *const *variables,
                        const luas__fresh_request *r);

/* Host: is this a program with that tag? LUAS_EPROTO: no, it has the one that `found` gets, "" if it
   says none in some seconds. -errno: it cannot be started. Waits for it. */
int luas__fresh_probe(const char *path, const char *tag, char found[LUAS__FRESH_TAG]);

/*
 * Program: says its tag, and takes what it is given. Returns 1, and owns the descriptors in *r; 0 if
 * nothing comes, since the host only wanted to know the tag; LUAS_EPROTO if the host has the tag
 * `other`: then only r->worker.out can be used. -errno: no host has started it.
 */
int luas__fresh_take(const char *tag, luas__fresh_request *r, char other[LUAS__FRESH_TAG]);

#endif
