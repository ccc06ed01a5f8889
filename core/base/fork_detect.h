/*
 * Tells a process from those that are forked of it. Asked often, as in each
 * call into a pool, it costs no system call where memory can be had that a
 * fork finds empty (madvise(2), MADV_WIPEONFORK; Linux 4.14).
 */
#ifndef LUAS_ORIGIN_H
#define LUAS_ORIGIN_H

#include <stdbool.h>
#include <sys/types.h>
#include <unistd.h>

typedef struct luas__fork_detect {
    pid_t pid;
    const volatile char *mark;  /* 1 in this process, 0 in others; NULL: ask */
} luas__fork_detect;

void luas__fork_detect_open(luas__fork_detect *o);
void luas__fork_detect_close(luas__fork_detect *o);

/* Is this the process that opened it? */
static inline bool luas__fork_detect_is_here(const luas__fork_detect *o)
{
    return o->mark != NULL ? *o->mark != 0 : o->pid == getpid();
}

#endif
