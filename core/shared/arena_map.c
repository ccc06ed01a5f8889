/* Makes, maps and lays out the file of an arena. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "arena_head.h"
#include "error.h"
#include "fd.h"

#ifndef MAP_NORESERVE
#define MAP_NORESERVE 0
#endif

/* Bytes of address space. Less than the second is not enough. */
#define LARGEST (UINT64_C(64) << 30)
#define SMALLEST (2 * LUAS__BLOCKS_AT)

/* Seats are made when they are wanted: each takes memory. */
enum { SEATS_A_TIME = 32 };

_Static_assert(sizeof(luas__arena_head) <= LUAS__PAGE_SIZE, "the head fits its page");
_Static_assert(LUAS__SEATS_AT + LUAS__SEATS * sizeof(luas__seat) <= LUAS__ENTRIES_AT, "seats");
_Static_assert(LUAS__ENTRIES_AT + LUAS__OBJECTS * sizeof(luas__entry) <= LUAS__BLOCKS_AT, "entries");

int luas__arena_map_create(void)
{
#ifdef MFD_CLOEXEC
    int fd = memfd_create("luas-shared", MFD_CLOEXEC);
    if (fd >= 0 && fd <= STDERR_FILENO) { /* the application has closed a standard stream */
        int low = fd;
        fd = fcntl(low, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
        close(low);
    }
    return fd < 0 ? -errno : fd;
#else
    return -ENOSYS;
#endif
}

/* A line of a file that has one number, or `none`. */
static uint64_t read_number(const char *path, uint64_t none)
{
    unsigned long long n;
    FILE *f = fopen(path, "re");
    if (f == NULL)
        return none;
    if (fscanf(f, "%llu", &n) != 1)
        n = none;
    fclose(f);
    return n;
}

/* Half of the machine's memory. Nothing else limits what is written to the arena. */
static uint64_t usual_limit(void)
{
    uint64_t all = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
    uint64_t group = read_number("/sys/fs/cgroup/memory.max", UINT64_MAX);
    uint64_t old = read_number("/sys/fs/cgroup/memory/memory.limit_in_bytes", UINT64_MAX);
    all = group < all ? group : all;
    return (old < all ? old : all) / 2;
}

static uint64_t random_name(void)
{
    uint64_t name = 0;
    int fd = open("/dev/urandom", O_RDONLY | O_CLOEXEC);
    if (fd >= 0 && read(fd, &name, sizeof name) != sizeof name)
        name = 0;
    luas__fd_close(&fd);
    if (name == 0)
        name = (uint64_t)luas__now() * UINT64_C(0x9e3779b97f4a7c15) ^ (uint64_t)getpid() << 40;
    return name >> 1 | 1;
}

static void *map(int fd, uint64_t size)
{
    void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, 0);
#ifdef MADV_DONTDUMP
    if (p != MAP_FAILED)
        madvise(p, size, MADV_DONTDUMP); /* else a core file would contain all of it */
#endif
    return p;
}

/* The largest file that this process may write. Beyond that size SIGXFSZ would kill it. */
static uint64_t largest_file(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur < LARGEST)
        return limit.rlim_cur & ~(uint64_t)(LUAS__PAGE_SIZE - 1);
    return LARGEST;
}

/* Where address space is limited, maps the largest power of two that fits. */
static int map_new(luas__arena *a)
{
    void *p = MAP_FAILED;
    uint64_t size = largest_file();
    for (; size >= SMALLEST; size /= 2)
        if ((p = map(a->fd, size)) != MAP_FAILED)
            break;
    if (p == MAP_FAILED)
        return -ENOMEM;
    if (ftruncate(a->fd, (off_t)size) < 0) {
        int error = errno;
        munmap(p, size);
        return -error;
    }
    a->head = p;
    a->size = size;
    return 0;
}

static int lay_out(luas__arena *a)
{
    luas__arena_head *h = a->head;
    int rc = luas__robust_init(&h->lock);
    if (rc < 0)
        return rc;
    h->size = a->size;
    h->limit = a->limit != 0 ? a->limit : usual_limit();
    h->bump = LUAS__BLOCKS_AT;
    h->sweep_at = 64;
    h->name = random_name();
    return 0;
}

static int map_old(luas__arena *a, uint64_t size)
{
    void *p = map(a->fd, size);
    if (p == MAP_FAILED)
        return -errno;
    a->head = p;
    a->size = size;
    return a->head->name != 0 ? 0 : lay_out(a); /* 0: the process that began it was killed */
}

static int map_file(luas__arena *a)
{
    struct stat s;
    if (fstat(a->fd, &s) < 0)
        return -errno;
    if (s.st_size > 0)
        return map_old(a, (uint64_t)s.st_size);
    int rc = map_new(a);
    return rc < 0 ? rc : lay_out(a);
}

/* One process lays the file out. It holds a lock of the file for that, because there is no lock
   in the memory yet. The kernel drops that lock when the process dies. */
int luas__arena_map_open(luas__arena *a)
{
    struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    int rc;
    while ((rc = fcntl(a->fd, F_SETLKW, &whole)) < 0 && errno == EINTR)
        continue;
    if (rc < 0)
        return -errno;
    rc = map_file(a);
    whole.l_type = F_UNLCK;
    fcntl(a->fd, F_SETLK, &whole);
    if (rc < 0)
        luas__arena_map_close(a);
    return rc;
}

void luas__arena_map_close(luas__arena *a)
{
    if (a->head != NULL)
        munmap(a->head, a->size);
    a->head = NULL;
}

int luas__arena_map_discard(const luas__arena *a, uint64_t from, uint64_t len)
{
    int rc;
    do
        rc = fallocate(a->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)from, (off_t)len);
    while (rc < 0 && errno == EINTR);
    return rc < 0 ? -errno : 0;
}

int luas__arena_map_seats(luas__arena *a)
{
    uint32_t seats = atomic_load(&a->head->seats), end = seats + SEATS_A_TIME;
    if (end > LUAS__SEATS)
        return -EAGAIN;
    for (uint32_t i = seats; i < end; i++) {
        int rc = luas__robust_init(&luas__arena_seats(a)[i].life);
        if (rc < 0)
            return rc;
    }
    atomic_store(&a->head->seats, end);
    return 0;
}
