/*
 * Snapshots of the host. The tasks of an inheriting job see the host as it was when the job was
 * submitted. If the host goes on while the job runs, a zygote keeps the host as it was.
 * Workers that replace others are forked from the zygote. (spawner.h forks the zygote.)
 *
 * A pool may also have a mother: a zygote of no job, which forks its workers for any job.
 *
 * The pool's lock is held.
 */
#ifndef LUAS_SNAPSHOTS_H
#define LUAS_SNAPSHOTS_H

#include "state.h"

typedef struct luas__snapshot {
    luas__zygote zygote;
    struct luas__snapshot *next;
    const luas__job *job;       /* NULL: the snapshot was ended */
    uint32_t id;
    int definitions;            /* how many of the job's definitions it has */
    bool may_hang;              /* the host had threads: workers may hang in locks (deadlock.h) */
    luas__surroundings *around; /* what was around the host; or NULL */
} luas__snapshot;

/* The snapshot with this number if its zygote can fork, or NULL. */
luas__snapshot *luas__snapshots_find(const luas__pool *p, uint32_t id);

/* The pool's mother, if it can fork, or NULL. */
luas__snapshot *luas__snapshots_mother(const luas__pool *p);

/* Frees a snapshot that is in no list any more, and whose zygote has ended. */
void luas__snapshots_release(luas__snapshot *k);

/* Are there zygotes of other snapshots? */
bool luas__snapshots_has_others(const luas__pool *p, uint32_t id);

/* Ends the snapshot of a job; ends all; frees those that have ended; waits until all that were
   told to end are reaped, for which the lock is not needed. */
void luas__snapshots_end(luas__pool *p, const luas__job *job);
void luas__snapshots_end_all(luas__pool *p);
void luas__snapshots_free(luas__pool *p);
void luas__snapshots_await(luas__pool *p);

/* In a forked child: adds the descriptors to `closing`. */
void luas__snapshots_abandon(const luas__pool *p, luas__fd_closing *closing);

#endif
