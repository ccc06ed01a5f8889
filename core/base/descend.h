/*
 * Ending what a task has started: the processes below this one that began
 * after a given moment, and all below those. What was there before (started
 * by init, or kept by an earlier task) stays. Linux's /proc tells; elsewhere
 * nothing is ended.
 */
#ifndef LUAS_DESCEND_H
#define LUAS_DESCEND_H

#include <stdint.h>

/* `since` in ns of luas__now_coarse(). Sends SIGKILL, does not wait. */
void luas__procfs_kill_tree(int64_t since);

#endif
