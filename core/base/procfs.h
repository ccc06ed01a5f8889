/*
 * What /proc on Linux tells about processes. On other systems these functions do
 * nothing.
 */
#ifndef LUAS_PROCFS_H
#define LUAS_PROCFS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * Ends the processes that a task has started: sends SIGKILL to the children of this
 * process that began after `since` (ns of luas__now_coarse()), to all their
 * descendants, and to what else began since then in the group that it leads. Children that began earlier stay: init or an earlier task started them.
 * Does not wait.
 */
void luas__procfs_kill_tree(int64_t since);

/* Resident bytes that the process shares with no other. 0 when they are not known, for
   example because it has ended. */
size_t luas__procfs_rss(pid_t pid);

#endif
