/*
 * A process may be killed between being woken for a lock and taking it. If another one has taken the
 * lock by then nobody knows any more that more are waiting. They find the lock all the same, and soon.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <unistd.h>

#include "clock.h"
#include "robust.h"
#include "testing.h"

#ifdef __GLIBC__
/* In the word of the lock: somebody waits. */
#define WAITERS 0x80000000u

typedef struct page {
    luas__robust lock;
    _Atomic int has_lock;
} page;

static _Atomic unsigned *word_of(page *p)
{
    return (_Atomic unsigned *)(void *)&p->lock.mutex.__data.__lock;
}

static void test_a_wake_up_that_is_lost(void)
{
    page *p = mmap(NULL, sizeof *p, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(p != MAP_FAILED);
    CHECK_INT(luas__robust_init(&p->lock), 0);
    CHECK_INT(luas__robust_try(&p->lock), 0);
    pid_t waiter = fork();
    CHECK(waiter >= 0);
    if (waiter == 0) {
        p->has_lock = luas__robust_lock_briefly(&p->lock) == 0;
        _exit(0);
    }
    for (int i = 0; i < 5000 && (*word_of(p) & WAITERS) == 0; i++)
        usleep(1000);
    CHECK((atomic_fetch_and(word_of(p), ~WAITERS) & WAITERS) != 0);
    int64_t begun = luas__now();
    luas__robust_unlock(&p->lock);
    CHECK_INT(waitpid(waiter, NULL, 0), waiter);
    CHECK_INT(p->has_lock, 1);
    CHECK(luas__now() - begun < 5 * LUAS__SECOND); /* ten is when it gives up */
    munmap(p, sizeof *p);
}
#endif

int main(void)
{
#ifdef __GLIBC__
    RUN(test_a_wake_up_that_is_lost);
#endif
    return 0;
}
