/* A word on which processes sleep. */
#define _GNU_SOURCE
#include "bell.h"

#include <errno.h>
#include <limits.h>
#include <time.h>
#include <unistd.h>

#ifdef __linux__
#include <linux/futex.h>
#include <sys/syscall.h>
#endif

#include "clock.h"
#include "error.h"
#include "robust.h"

int luas__bell_wait(luas__bell *b, uint32_t rings, int64_t ns)
{
    ns = ns < LUAS__SLICE ? ns : LUAS__SLICE;
    if (ns <= 0)
        return 0;
    struct timespec t = {.tv_nsec = ns};
#ifdef SYS_futex
    long rc = syscall(SYS_futex, &b->rings, FUTEX_WAIT, rings, &t, NULL, 0);
#else
    (void)rings;
    t.tv_nsec = ns < LUAS__MS ? ns : LUAS__MS;
    int rc = nanosleep(&t, NULL);
#endif
    return rc < 0 && errno == EINTR ? LUAS_EINTR : 0;
}

void luas__bell_wake(luas__bell *b)
{
    if (atomic_exchange(&b->listeners, 0) == 0)
        return;
    atomic_fetch_add(&b->rings, 1);
#ifdef SYS_futex
    syscall(SYS_futex, &b->rings, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
#endif
}
