/* Time as the engine counts it: nanoseconds of CLOCK_MONOTONIC. */
#ifndef LUAS_CLOCK_H
#define LUAS_CLOCK_H

#include <stdint.h>
#include <time.h>

#define LUAS__MS INT64_C(1000000)
#define LUAS__SECOND INT64_C(1000000000)

static inline int64_t luas__now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * LUAS__SECOND + t.tv_nsec;
}

/* Several times cheaper, but only precise to a few milliseconds. */
static inline int64_t luas__now_coarse(void)
{
    struct timespec t;
#ifdef CLOCK_MONOTONIC_COARSE
    clock_gettime(CLOCK_MONOTONIC_COARSE, &t);
#else
    clock_gettime(CLOCK_MONOTONIC, &t);
#endif
    return (int64_t)t.tv_sec * LUAS__SECOND + t.tv_nsec;
}

/* What the CPU has spent on this thread. It stands while others have the CPU. */
static inline int64_t luas__now_spent(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (int64_t)t.tv_sec * LUAS__SECOND + t.tv_nsec;
}

/* Seconds to nanoseconds. More than 30 years means for ever. */
static inline int64_t luas__seconds(double s)
{
    return s < 1e9 ? (int64_t)(s * 1e9) : INT64_MAX / 4;
}

#endif
