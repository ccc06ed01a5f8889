/* Claims and the result ring, in memory shared by host and worker. */
#define _GNU_SOURCE
#include "scoreboard.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fd.h"

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
    void *p = mmap(NULL, sizeof(luas__scoreboard), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    return p == MAP_FAILED ? NULL : p;
}

int luas__scoreboard_share(luas__scoreboard **p)
{
#ifdef MFD_CLOEXEC
    int fd = memfd_create("luas", MFD_CLOEXEC);
    if (fd < 0)
        return -errno;
    *p = ftruncate(fd, sizeof(luas__scoreboard)) == 0 ? luas__scoreboard_attach(fd) : NULL;
    int error = errno;
    if (*p != NULL)
        return fd;
    luas__fd_close(&fd);
    return -error;
#else
    (void)p;
    return -ENOSYS;
#endif
}

void luas__scoreboard_hide(luas__scoreboard *p)
{
#ifdef MADV_DONTFORK
    madvise(p, sizeof *p, MADV_DONTFORK); /* if not, forks cost a little more */
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

static void copy_in(luas__scoreboard *p, uint64_t at, const char *bytes, size_t len)
{
    size_t offset = (size_t)(at % LUAS__RING);
    size_t first = LUAS__RING - offset < len ? LUAS__RING - offset : len;
    memcpy(p->ring + offset, bytes, first);
    if (first < len)
        memcpy(p->ring, bytes + first, len - first);
}

int luas__ring_commit(luas__scoreboard *p, const char *bytes, size_t len)
{
    uint64_t head = atomic_load_explicit(&p->head, memory_order_relaxed);
    uint64_t tail = atomic_load_explicit(&p->tail, memory_order_relaxed);
    if (len > LUAS__RING - (head - tail))
        return 0;
    copy_in(p, head, bytes, len);
    atomic_store_explicit(&p->head, head + len, memory_order_release);
    return 1;
}

size_t luas__ring_unwritten(luas__scoreboard *p, const char **bytes)
{
    uint64_t head = atomic_load_explicit(&p->head, memory_order_relaxed);
    uint64_t tail = atomic_load_explicit(&p->tail, memory_order_relaxed);
    size_t offset = (size_t)(tail % LUAS__RING);
    *bytes = p->ring + offset;
    size_t piece = LUAS__RING - offset;
    return head - tail < piece ? (size_t)(head - tail) : piece;
}

void luas__ring_written(luas__scoreboard *p, size_t n)
{
    /* Sequentially consistent: the host must see it before the ring changes. */
    atomic_fetch_add(&p->tail, n);
}

void luas__ring_bypassed(luas__scoreboard *p, size_t n)
{
    atomic_fetch_add(&p->tail, n);
    atomic_fetch_add(&p->head, n);
}

static void copy_out(luas__scoreboard *p, uint64_t at, char *to, size_t len)
{
    size_t offset = (size_t)(at % LUAS__RING);
    size_t first = LUAS__RING - offset < len ? LUAS__RING - offset : len;
    memcpy(to, p->ring + offset, first);
    memcpy(to + first, p->ring, len - first);
}

int64_t luas__ring_peek(luas__scoreboard *p, uint64_t from, luas__buffer *out)
{
    uint64_t head = atomic_load(&p->head);
    if (head <= from || head - from > LUAS__RING)
        return 0;
    size_t len = (size_t)(head - from);
    int rc = luas__buffer_reserve(out, len);
    if (rc < 0)
        return rc;
    copy_out(p, from, luas__buffer_end(out), len);
    /* The worker reuses only what it has written out: if that passed `from`
       meanwhile, the copy may be torn, and the pipe has the bytes anyway. */
    atomic_thread_fence(memory_order_seq_cst);
    if (atomic_load(&p->tail) > from)
        return 0;
    out->len += len;
    return (int64_t)len;
}
