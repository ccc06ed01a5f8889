/*
 * What /proc on Linux tells about processes. On other systems these functions do
 * nothing.
 */
#ifndef LUAS_PROCFS_H
#define LUAS_PROCFS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * Ends the processes that a task has started: sends SIGKILL to the children of this
 * process that began after `since` (ns of luas__now_coarse()), to all their
 * descendants, and to what else began since then in the group that it leads. Children that
 * began earlier stay: init or an earlier task started them.
 * Does not wait.
 */
void luas__procfs_kill_tree(int64_t since);

/*
 * Does this process, a child of ours, wait for a lock that no other thread of it can give back, as
 * there is none (but for the one of orphan.h)? Returns 0, or a number for that wait: the same one
 * as long as it lasts. It is known of locks of the GNU C library, and of others that count in the
 * same way: unlocked, locked, awaited. Not of condition variables and semaphores, which the handler
 * of a signal may yet change; and not where the system keeps us from looking.
 */
uint64_t luas__procfs_awaited_lock(pid_t pid);

/* Resident bytes that the process shares with no other. 0 when they are not known, for
   example because it has ended. */
size_t luas__procfs_rss(pid_t pid);

/*
 * Calls `visit` with each descriptor of a process (0: this one) in the order of their numbers.
 * `visit` may close the one that it is given, or put another file in its place. Returns 0, or
 * negative with none visited: -errno, or -ENOSYS where there is no such folder. Allocates
 * nothing.
 */
int luas__procfs_each_fd(pid_t pid, void visit(void *context, int fd), void *context);

/* Does this open file of the process have a lock, by flock for example? Locks that belong to
   another process, such as its parent, do not count. */
bool luas__procfs_is_locked(int fd);

#endif
