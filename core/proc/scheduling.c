/* Policies of a thread. */
#define _GNU_SOURCE
#include "scheduling.h"

#include <sched.h>
#include <stdint.h>
#include <unistd.h>

#ifdef __linux__
#include <sys/syscall.h>
#endif

#if defined(__linux__) && defined(SYS_sched_setattr)
/* As in linux/sched/types.h, which headers of some C libraries do not go with. */
typedef struct attributes {
    uint32_t size, policy;
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
    uint64_t runtime, deadline, period;
} attributes;

enum { POLICY_DEADLINE = 6, FLAG_RESET_ON_FORK = 1 };

static int is_deadline(void)
{
    int policy = sched_getscheduler(0);
    return policy >= 0 && (policy & ~SCHED_RESET_ON_FORK) == POLICY_DEADLINE;
}

static int get(attributes *a)
{
    return syscall(SYS_sched_getattr, 0, a, sizeof *a, 0) == 0;
}

int luas__scheduling_let_fork(void)
{
    attributes a = {.size = sizeof a};
    if (!is_deadline() || !get(&a) || (a.flags & FLAG_RESET_ON_FORK) != 0)
        return 0;
    a.flags |= FLAG_RESET_ON_FORK;
    return syscall(SYS_sched_setattr, 0, &a, 0) == 0;
}

void luas__scheduling_let_no_fork(void)
{
    attributes a = {.size = sizeof a};
    if (!get(&a))
        return;
    a.flags &= ~(uint64_t)FLAG_RESET_ON_FORK;
    (void)syscall(SYS_sched_setattr, 0, &a, 0); /* without the right to, the flag stays */
}
#else
int luas__scheduling_let_fork(void)
{
    return 0;
}

void luas__scheduling_let_no_fork(void)
{
}
#endif

/* A policy that the system lets a thread have, it lets it give up. */
void luas__scheduling_usual(void)
{
    int policy = sched_getscheduler(0);
#ifdef SCHED_RESET_ON_FORK
    policy = policy < 0 ? policy : policy & ~SCHED_RESET_ON_FORK;
#endif
    if (policy == SCHED_FIFO || policy == SCHED_RR)
        (void)sched_setscheduler(0, SCHED_OTHER, &(struct sched_param){.sched_priority = 0});
}
