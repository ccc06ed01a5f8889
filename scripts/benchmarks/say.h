/* What the programs in C say: seconds, or why they end. */
#ifndef SAY_H
#define SAY_H

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

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

#endif
