/* Mapping the scoreboard, and the claim word. */
#define _GNU_SOURCE
#include "scoreboard.h"

#include <errno.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#ifdef __linux__
#include <linux/futex.h>
#include <sys/syscall.h>
#endif

#include "fd.h"
#include "memfile.h"

#define STARTED(word) ((uint32_t)((word) >> 32))
#define WORD(started, revoked) ((uint64_t)(started) << 32 | (revoked))

luas__scoreboard *luas__scoreboard_map(void)
{
    void *p = mmap(NULL, sizeof(luas__scoreboard), PROT_READ | PROT_WRITE,
                   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return p == MAP_FAILED ? NULL : p; /* all zero */
}

luas__scoreboard *luas__scoreboard_attach(int fd)
{
    return luas__memfile_map(fd, sizeof(luas__scoreboard));
}

int luas__scoreboard_share(luas__scoreboard **p)
{
    int fd = luas__memfile_make(sizeof(luas__scoreboard));
    if (fd < 0)
        return fd;
    *p = luas__scoreboard_attach(fd);
    int error = errno;
    if (*p != NULL)
        return fd;
    luas__fd_close(&fd);
    return -error;
}

void luas__scoreboard_hide(luas__scoreboard *p)
{
#ifdef MADV_DONTFORK
    madvise(p, sizeof *p, MADV_DONTFORK); /* if it fails, forks cost a little more */
#else
    (void)p;
#endif
}

int luas__scoreboard_show(luas__scoreboard *p)
{
#ifdef MADV_DOFORK
    return madvise(p, sizeof *p, MADV_DOFORK) == 0 ? 0 : -errno;
#else
    return (void)p, 0;
#endif
}

void luas__scoreboard_unmap(luas__scoreboard *p)
{
    if (p != NULL)
        munmap(p, sizeof(luas__scoreboard));
}

uint32_t luas__scoreboard_revoke(luas__scoreboard *p, uint32_t last)
{
    uint64_t word = atomic_load(&p->claims);
    while (!atomic_compare_exchange_weak(&p->claims, &word, WORD(STARTED(word), last)))
        ;
    return STARTED(word);
}

uint32_t luas__scoreboard_started(luas__scoreboard *p)
{
    return STARTED(atomic_load(&p->claims));
}

void luas__scoreboard_begin(luas__scoreboard *p)
{
    atomic_store(&p->begun, 1);
#ifdef SYS_futex
    syscall(SYS_futex, &p->begun, FUTEX_WAKE, 1, NULL, NULL, 0);
#endif
}

/* The wait is of less than a second. */
bool luas__scoreboard_await_begin(luas__scoreboard *p, int64_t ns)
{
    struct timespec t = {.tv_nsec = ns};
    long rc = -1;
    if (atomic_load(&p->begun) != 0)
        return true;
#ifdef SYS_futex
    rc = syscall(SYS_futex, &p->begun, FUTEX_WAIT, 0, &t, NULL, 0);
    if (rc < 0 && (errno == EAGAIN || errno == EINTR || errno == ETIMEDOUT))
        rc = 0;
#endif
    if (rc < 0)
        nanosleep(&t, NULL);
    return atomic_load(&p->begun) != 0;
}
