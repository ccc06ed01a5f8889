/* What the programs that measure limits share. A call that fails ends them. */
#ifndef LIMITS_H
#define LIMITS_H

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static inline void die(const char *what)
{
    perror(what);
    exit(EXIT_FAILURE);
}

static inline double now(void)
{
    struct timespec t;
    if (clock_gettime(CLOCK_MONOTONIC, &t) != 0)
        die("clock_gettime");
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static inline void say_seconds(double seconds)
{
    if (printf("seconds %.9f\n", seconds) < 0 || fflush(stdout) != 0)
        die("stdout");
}

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
