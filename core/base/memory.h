/* How much memory a process has: bytes resident, or 0 where nobody can say
   (it has ended, or the system has no /proc). */
#ifndef LUAS_MEMORY_H
#define LUAS_MEMORY_H

#include <stddef.h>
#include <sys/types.h>

size_t luas__procfs_rss(pid_t pid);

#endif
