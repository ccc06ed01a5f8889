/*
 * The quiet process: a child with one thread, forked early, that forks other children for its
 * host. What the host does later is not in them: its memory, its threads and the locks that
 * these hold, its descriptors. So they cost a fork of little memory, and the host forks once.
 *
 * There is one for all pools of a process that want it. The children that it forks are zygotes,
 * one for each pool; those fork the workers. All of them are children of the host.
 *
 * It belongs to the process that forked it. A child of that process has no part in it, and
 * gets one of its own when it needs one.
 */
#ifndef LUAS_QUIET_H
#define LUAS_QUIET_H

#include "surroundings.h"
#include "zygote.h"

/* What a zygote runs in the quiet process's copy. It gets what luas__quiet_bear was given, and
   owns these descriptors. It must not return. */
typedef void luas__quiet_main(luas__zygote *own, int letter, int bulk, int more);

/* Forks it, unless that was done before; then it lasts as long as this process. Returns 0, or
   negative. */
int luas__quiet_prepare(luas__quiet_main *main);

/* luas__quiet_hold forks it, unless that was done before. The last luas__quiet_drop ends it,
   unless it was forked by luas__quiet_prepare. */
int luas__quiet_hold(luas__quiet_main *main);
void luas__quiet_drop(void);

/* Appends to `out` how `around` differs from what is around the quiet process. If that is dead
   another one is forked in its place. The lock of no pool is held. */
int luas__quiet_compare(luas__buffer *out, const luas__surroundings *around);

/* Has it fork a zygote, whose main gets copies of the descriptors; -1: none. Returns 0, or
   negative with *z closed. */
int luas__quiet_bear(luas__zygote *z, int letter, int bulk, int more);

/* Adds its descriptors in this process to the set; false if a thread is changing it. */
bool luas__quiet_list(luas__fd_set *own);

#endif
