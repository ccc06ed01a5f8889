/*
 * What a forked child keeps of the descriptors that the host had open at the fork.
 *
 * A pipe or a socket is open until the last process has closed it. A child that kept the
 * host's would keep its peers from ever seeing the end; what the host has closed would stay in
 * its epoll sets, and its ports and locks would stay taken. So a child gives them up.
 *
 * Always kept are stdin, stdout and stderr, and what the program was started with
 * (heritage.h).
 *
 * The host: 1. luas__descriptors_look, before a row of forks. In each child: 2. closes what
 * belongs to pools; 3. luas__descriptors_cut. In the host: 4. where luas__descriptors_matter
 * it waits for 3 before it closes anything; 5. luas__descriptors_release.
 */
#ifndef LUAS_DESCRIPTORS_H
#define LUAS_DESCRIPTORS_H

#include "fd_set.h"

/* What the host has open. If it has threads of its own it does not know that: another thread may
   open more before the fork. Then each child looks for itself, which takes longer. */
typedef struct luas__descriptors {
    bool is_alone;          /* the host has no threads but the library's */
    bool is_known;
    luas__fd_set others;    /* neither the library's, nor kept always */
    luas__fd_set files;     /* of those: regular files that are not locked, and the like */
} luas__descriptors;

#define LUAS__DESCRIPTORS_INIT {.is_known = false}

typedef enum luas__keeping {
    /*
     * Regular files that are not locked, folders and terminals. The number of any other
     * descriptor leads to an O_PATH descriptor from then on. An object that has inherited the
     * number gets EBADF when it uses it, and can close it. No new file gets the number
     * before that.
     */
    LUAS__KEEP_FILES,
    LUAS__KEEP_ALL,
    LUAS__KEEP_NONE     /* all are closed: no object in the child knows a number */
} luas__keeping;

typedef struct luas__kept {
    luas__keeping keeping;
    luas__fd_set fds;   /* these in any case; if it is partial: all */
} luas__kept;

/* `own` are those of the library, to which this adds others that are always kept; `threads` is
   how many threads the library has. Without memory, or /proc, nothing is known. */
void luas__descriptors_look(luas__descriptors *d, luas__fd_set *own, int threads);

/* May there be something that the host could close, and that would stay open in a child? */
bool luas__descriptors_matter(const luas__descriptors *d);

/* Gives up what is neither in *kept nor in *more, which may be NULL. */
void luas__descriptors_cut(const luas__descriptors *d, const luas__kept *kept,
                           const luas__fd_set *more);

void luas__descriptors_release(luas__descriptors *d);

#endif
