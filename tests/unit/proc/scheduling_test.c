/* What a child has of the thread that forked it: not its policy, its CPUs, or its stack. */
#define _GNU_SOURCE
#include "scheduling.h"

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "child.h"
#include "cpus.h"
#include "stack.h"
#include "testing.h"

/* Returns the exit status of a child that exits with what `body` gives. */
static int in_child(int body(void))
{
    luas__child_forks forks;
    int status = -1;
    luas__child_forks_begin(&forks);
    pid_t pid = luas__child_fork(&forks);
    if (pid == 0)
        _exit(body());
    luas__child_forks_end(&forks);
    CHECK(pid > 0 && waitpid(pid, &status, 0) == pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -status;
}

static int policy(void)
{
    return sched_getscheduler(0);
}

typedef struct work {
    void (*test)(void);
} work;

static void *in_thread(void *argument)
{
    ((work *)argument)->test();
    return NULL;
}

static void run(void test(void), size_t stack)
{
    work w = {test};
    pthread_t thread;
    pthread_attr_t attributes;
    CHECK_INT(pthread_attr_init(&attributes), 0);
    if (stack > 0)
        CHECK_INT(pthread_attr_setstacksize(&attributes, stack), 0);
    CHECK_INT(pthread_create(&thread, &attributes, in_thread, &w), 0);
    CHECK_INT(pthread_join(thread, NULL), 0);
    CHECK_INT(pthread_attr_destroy(&attributes), 0);
}

/* ---- policies ---- */

static void check_policy(int given, int priority, int expected)
{
    if (sched_setscheduler(0, given, &(struct sched_param){.sched_priority = priority}) < 0) {
        printf("SKIP: policy %d is not allowed here\n", given);
        return;
    }
    CHECK_INT(in_child(policy), expected);
    CHECK_INT(sched_getscheduler(0), given);
}

static void test_policies(void)
{
    check_policy(SCHED_FIFO, 10, SCHED_OTHER);
    check_policy(SCHED_RR, 1, SCHED_OTHER);
    check_policy(SCHED_OTHER, 0, SCHED_OTHER);
    check_policy(SCHED_BATCH, 0, SCHED_BATCH);
    check_policy(SCHED_IDLE, 0, SCHED_IDLE);
}

static int nice_value(void)
{
    return getpriority(PRIO_PROCESS, 0);
}

static void test_nice(void)
{
    CHECK_INT(setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), 7), 0);
    CHECK_INT(in_child(nice_value), 7);
}

/* The kernel refuses the fork of such a thread unless its children are not like it. */
static void test_deadline(void)
{
    struct { uint32_t size, policy; uint64_t flags; int32_t nice; uint32_t priority;
             uint64_t runtime, deadline, period; } a =
        {sizeof a, 6, 0, 0, 0, 1000000, 100000000, 100000000}, after = {.size = sizeof a};
    if (syscall(SYS_sched_setattr, 0, &a, 0) < 0) {
        printf("SKIP: no deadlines are allowed here\n");
        return;
    }
    CHECK_INT(in_child(policy), SCHED_OTHER);
    CHECK_INT(in_child(policy), SCHED_OTHER);
    CHECK_INT(syscall(SYS_sched_getattr, 0, &after, sizeof after, 0), 0);
    CHECK(after.policy == 6 && after.flags == a.flags && after.runtime == a.runtime);
}

/* ---- CPUs ---- */

static int count_cpus(void)
{
    cpu_set_t set;
    return sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : -1;
}

static void test_bound_thread(void)
{
    cpu_set_t all, one;
    int cpu = 0, before = luas__cpus_count(), most = count_cpus();
    CHECK_INT(sched_getaffinity(0, sizeof all, &all), 0);
    while (!CPU_ISSET(cpu, &all))
        cpu++;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    CHECK_INT(sched_setaffinity(0, sizeof one, &one), 0);
    CHECK_INT(in_child(count_cpus), most);
    CHECK_INT(luas__cpus_count(), before);
    CHECK_INT(count_cpus(), 1);
}

/* ---- stacks ---- */

/* musl has no setcontext: a child goes on in the stack that it has. */
#ifdef __GLIBC__
enum { CHANGES_STACKS = 1 };
#else
enum { CHANGES_STACKS = 0 };
#endif

static size_t use_stack(size_t bytes)
{
    volatile char page[1 << 12];
    memset((char *)page, 1, sizeof page);
    return bytes <= sizeof page ? 0 : page[99] + use_stack(bytes - sizeof page);
}

static void exit_deep(void *argument)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_STACK, &limit) < 0 || limit.rlim_cur > 4 << 20)
        limit.rlim_cur = 4 << 20;
    _exit(use_stack(limit.rlim_cur / 2) > 0 ? *(int *)argument : 0);
}

static int deep(void)
{
    int status = 7;
    luas__stack_run(exit_deep, &status);
}

static void test_stack(void)
{
    CHECK_INT(in_child(deep), 7);
}

static void enter_small(void *unused)
{
    (void)unused;
    run(test_stack, 1 << 17);
    _exit(7);
}

static int nested(void)
{
    luas__stack_run(enter_small, NULL);
}

/* A child of a thread of a child. */
static void test_nested_stack(void)
{
    CHECK_INT(in_child(nested), 7);
}

int main(void)
{
    if (CHANGES_STACKS) {
        test_stack();
        run(test_stack, 1 << 17);
        run(test_nested_stack, 1 << 17);
    }
    run(test_policies, 0);
    run(test_nice, 0);
    run(test_deadline, 0);
    run(test_bound_thread, 0);
    test_bound_thread();
    return 0;
}
