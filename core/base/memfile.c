/* Files in memory (memfd_create). */
#define _GNU_SOURCE
#include "memfile.h"

#include <errno.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "fd.h"

#ifdef MFD_CLOEXEC
/* Where the size of files is limited, making one larger ends the process by a signal. */
static bool may_be_so_large(size_t size)
{
    struct rlimit limit;
    return getrlimit(RLIMIT_FSIZE, &limit) < 0 || limit.rlim_cur >= size;
}

int luas__memfile_make(size_t size)
{
    if (!may_be_so_large(size))
        return -EFBIG;
    int fd = memfd_create("luas", MFD_CLOEXEC);
    int rc = fd < 0 ? -errno : luas__fd_lift(&fd);
    if (rc == 0 && ftruncate(fd, (off_t)size) < 0)
        rc = -errno;
    if (rc < 0)
        luas__fd_close(&fd);
    return rc < 0 ? rc : fd;
}
#else
int luas__memfile_make(size_t size)
{
    (void)size;
    return -ENOSYS;
}
#endif

/* No memory is set aside for pages that nobody writes to. */
void *luas__memfile_map(int fd, size_t size)
{
#ifdef MAP_NORESERVE
    int flags = MAP_SHARED | MAP_NORESERVE;
#else
    int flags = MAP_SHARED;
#endif
    void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, flags, fd, 0);
    return p == MAP_FAILED ? NULL : p;
}
