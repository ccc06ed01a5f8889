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

typedef struct luas__origin {
    pid_t pid;
    const volatile char *mark;  /* 1 in this process, 0 in others; NULL: ask */
} luas__origin;

void luas__origin_open(luas__origin *o);
void luas__origin_close(luas__origin *o);

/* Is this the process that opened it? */
static inline bool luas__origin_is_here(const luas__origin *o)
{
    return o->mark != NULL ? *o->mark != 0 : o->pid == getpid();
}

#endif
