/* Robust mutexes of the C library, for processes. */
#define _GNU_SOURCE
#include "robust.h"

#include <errno.h>
#include <time.h>

#include "error.h"

#ifdef __GLIBC__
#if __GLIBC_PREREQ(2, 30)
#define HAS_CLOCKLOCK
#endif
#endif

/* A holder keeps such a lock for microseconds. One that was stopped may be continued within this
   time. */
#define PATIENCE (10 * LUAS__SECOND)

int luas__robust_init(luas__robust *r)
{
    pthread_mutexattr_t a;
    int rc = pthread_mutexattr_init(&a);
    if (rc != 0)
        return -rc;
    rc = pthread_mutexattr_setpshared(&a, PTHREAD_PROCESS_SHARED);
    if (rc == 0)
        rc = pthread_mutexattr_setrobust(&a, PTHREAD_MUTEX_ROBUST);
    if (rc == 0)
        rc = pthread_mutexattr_settype(&a, PTHREAD_MUTEX_ERRORCHECK);
    if (rc == 0)
        rc = pthread_mutex_init(&r->mutex, &a);
    pthread_mutexattr_destroy(&a);
    return -rc;
}

static int result(luas__robust *r, int error)
{
    switch (error) {
    case 0:
        return 0;
    case EOWNERDEAD:
        pthread_mutex_consistent(&r->mutex);
        return LUAS__DIED;
    case EBUSY: case ETIMEDOUT:
        return LUAS_ETIMEDOUT;
    default:
        return -error;
    }
}

/* How often a lock is tried before the process sleeps, and the pauses between. */
enum { TRIES = 20, PAUSES = 4 };

static inline void relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

int luas__robust_try(luas__robust *r)
{
    return result(r, pthread_mutex_trylock(&r->mutex));
}

/* Most holders are quick: it tries again for about a microsecond, which is what going to sleep
   costs, and the holder need not wake anybody then. */
static int try_for_a_moment(luas__robust *r)
{
    int rc = luas__robust_try(r);
    for (int i = 0; i < TRIES && rc == LUAS_ETIMEDOUT; i++) {
        for (int pause = 0; pause < PAUSES; pause++)
            relax();
        rc = luas__robust_try(r);
    }
    return rc;
}

int luas__robust_lock(luas__robust *r, int64_t ns)
{
    int rc = ns > 0 ? try_for_a_moment(r) : luas__robust_try(r);
    if (rc != LUAS_ETIMEDOUT || ns <= 0)
        return rc;
#ifdef HAS_CLOCKLOCK
    int64_t end = luas__now() + ns;
    struct timespec t = {.tv_sec = end / LUAS__SECOND, .tv_nsec = end % LUAS__SECOND};
    return result(r, pthread_mutex_clocklock(&r->mutex, CLOCK_MONOTONIC, &t));
#else
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    int64_t end = (int64_t)t.tv_nsec + ns;
    t.tv_sec += end / LUAS__SECOND;
    t.tv_nsec = end % LUAS__SECOND;
    return result(r, pthread_mutex_timedlock(&r->mutex, &t));
#endif
}

int luas__robust_lock_briefly(luas__robust *r)
{
    int rc = luas__robust_lock(r, LUAS__SLICE);
    for (int64_t waited = LUAS__SLICE; rc == LUAS_ETIMEDOUT && waited < PATIENCE; waited += LUAS__SLICE)
        rc = luas__robust_lock(r, LUAS__SLICE);
    return rc;
}

void luas__robust_unlock(luas__robust *r)
{
    pthread_mutex_unlock(&r->mutex);
}
