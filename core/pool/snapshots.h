/*
 * Snapshots of the host that a pool keeps: a zygote for each inheriting job
 * whose host goes on while the job runs. It has what such a job's tasks see, for
 * the workers that take the place of others. (spawner.h forks it.)
 *
 * The pool's lock is held.
 */
#ifndef LUAS_SNAPSHOTS_H
#define LUAS_SNAPSHOTS_H

#include "state.h"

typedef struct luas__snapshot {
    luas__zygote zygote;
    struct luas__snapshot *next;
    const luas__job *job;       /* NULL: it was ended */
    uint32_t id;
    int definitions;            /* of the job's, that it has */
} luas__snapshot;

/* The zygote of this snapshot and how many of its job's definitions are in it, or NULL. */
luas__zygote *luas__snapshots_find(const luas__pool *p, uint32_t id, int *definitions);

/* Are there zygotes of other snapshots? */
bool luas__snapshots_has_others(const luas__pool *p, uint32_t id);

/* Ends a job's, or all; frees those that have ended. Waits, also without the lock, until all
   are reaped that were ended. */
void luas__snapshots_end(luas__pool *p, const luas__job *job);
void luas__snapshots_end_all(luas__pool *p);
void luas__snapshots_free(luas__pool *p);
void luas__snapshots_await(luas__pool *p);

/* In a forked child: gives the descriptors to be closed. */
void luas__snapshots_abandon(const luas__pool *p, luas__fd_closing *closing);

#endif


