/*
 * What Linux's /proc tells of processes. Elsewhere nothing is known, and
 * nothing is ended.
 */
#ifndef LUAS_PROCFS_H
#define LUAS_PROCFS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * Ends what a task has started: sends SIGKILL to the processes below this one
 * that began after `since` (ns of luas__now_coarse()), and to all below those.
 * What was there before (started by init, or kept by an earlier task) stays.
 * Does not wait.
 */
void luas__procfs_kill_tree(int64_t since);

/* Resident bytes that the process shares with no other; 0 where nobody can say, as
   when it has ended. */
size_t luas__procfs_rss(pid_t pid);

#endif
