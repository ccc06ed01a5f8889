/* System calls of the programs that measure limits. One that fails ends them. */
#ifndef LIMITS_H
#define LIMITS_H

#include <errno.h>
#include <unistd.h>

#include "say.h"

static inline void write_all(int fd, const char *bytes, size_t n)
{
    while (n > 0) {
        ssize_t done = write(fd, bytes, n);
        if (done < 0 && errno != EINTR)
            die("write");
        if (done > 0) {
            bytes += done;
            n -= (size_t)done;
        }
    }
}

static inline pid_t fork_child(void)
{
    pid_t pid = fork();
    if (pid < 0)
        die("fork");
    return pid;
}

static inline void open_pipe(int ends[2])
{
    if (pipe(ends) != 0)
        die("pipe");
}

#endif
