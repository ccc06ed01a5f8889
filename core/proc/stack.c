/* Another stack for a child. */
#define _GNU_SOURCE
#include "stack.h"

#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#ifdef __GLIBC__
#include <ucontext.h>

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#endif

/* What AddressSanitizer is told of a change of stacks. */
#ifdef SANITIZED
void __sanitizer_start_switch_fiber(void **fake, const void *bottom, size_t size);
void __sanitizer_finish_switch_fiber(void *fake, const void **bottom, size_t *size);
#endif

enum { UNLIMITED = 8 << 20 };   /* what is usual where there is no limit */

/* Where the main thread's stack begins. glibc exports it, and declares it in no header. */
extern void *__libc_stack_end __attribute__((weak));

typedef struct start {
    void (*body)(void *argument);
    void *argument;
} start;

static size_t usual_size(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_STACK, &limit) < 0 || limit.rlim_cur > (rlim_t)1 << 30)
        return UNLIMITED;
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    return ((size_t)limit.rlim_cur + page - 1) / page * page;
}

static int is_in_main_stack(size_t size)
{
    char here;
    if (&__libc_stack_end == NULL)
        return 1; /* nobody knows */
    return (uintptr_t)__libc_stack_end - (uintptr_t)&here < size;
}

/* The lowest page stays closed: who needs more than there is gets SIGSEGV. */
static void *map_stack(size_t size)
{
    void *stack = mmap(NULL, size, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
    if (stack == MAP_FAILED)
        return NULL;
    (void)mprotect(stack, (size_t)sysconf(_SC_PAGESIZE), PROT_NONE);
    (void)madvise(stack, size, MADV_NOHUGEPAGE);
    return stack;
}

/* The two halves of a pointer to a start: makecontext passes numbers only. */
static void enter(unsigned high, unsigned low)
{
    const start *s = (const start *)(uintptr_t)((uint64_t)high << 32 | low);
#ifdef SANITIZED
    __sanitizer_finish_switch_fiber(NULL, NULL, NULL);
#endif
    s->body(s->argument);
}

static void change_to(void *stack, size_t size, const start *s)
{
    ucontext_t context;
    uint64_t at = (uintptr_t)s;
    if (getcontext(&context) < 0)
        return;
    context.uc_stack.ss_sp = stack;
    context.uc_stack.ss_size = size;
    context.uc_link = NULL;
    makecontext(&context, (void (*)(void))enter, 2, (unsigned)(at >> 32), (unsigned)at);
#ifdef SANITIZED
    __sanitizer_start_switch_fiber(NULL, stack, size);
#endif
    setcontext(&context);
}

static void run_elsewhere(void body(void *), void *argument)
{
    start s = {body, argument};
    size_t size = usual_size();
    void *stack = is_in_main_stack(size) ? NULL : map_stack(size);
    if (stack != NULL)
        change_to(stack, size, &s);
}
#else
static void run_elsewhere(void body(void *), void *argument)
{
    (void)body;
    (void)argument;
}
#endif

void luas__stack_run(void body(void *), void *argument)
{
    run_elsewhere(body, argument);
    body(argument);
    abort();
}
