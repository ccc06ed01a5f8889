/* Copies of a process, made while locks are held in it. The file that includes this
   first defines _GNU_SOURCE. */
#ifndef LUAS_COPY_TESTING_H
#define LUAS_COPY_TESTING_H

#include <unistd.h>

#include "testing.h"

/* As fork, but no handler of pthread_atfork waits for a lock that the caller holds.
   A child that does is killed. */
static inline pid_t fork_while_locked(void)
{
    pid_t child = _Fork();
    if (child == 0)
        alarm(20);
    return child;
}

static inline void check_succeeds(pid_t child)
{
    int status;
    CHECK(child > 0);
    CHECK_INT(waitpid(child, &status, 0), child);
    CHECK_INT(status, 0);
}

#endif
