/*
 * Tells a process from its forked children. Every call into a pool asks this, so it
 * must be cheap. Since Linux 4.14 it needs no system call: a page is mapped that is
 * empty in a forked child (madvise(2), MADV_WIPEONFORK).
 */
#ifndef LUAS_FORK_DETECT_H
#define LUAS_FORK_DETECT_H

#include <stdbool.h>
#include <sys/types.h>
#include <unistd.h>

typedef struct luas__fork_detect {
    pid_t pid;
    const volatile char *mark;  /* 1 in this process, 0 in children; NULL: ask getpid */
} luas__fork_detect;

void luas__fork_detect_open(luas__fork_detect *o);
void luas__fork_detect_close(luas__fork_detect *o);

/* Is this the process that opened it? */
static inline bool luas__fork_detect_is_here(const luas__fork_detect *o)
{
    return o->mark != NULL ? *o->mark != 0 : o->pid == getpid();
}

#endif
