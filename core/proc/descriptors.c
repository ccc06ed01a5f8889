/* Finding the descriptors of the host, and giving them up. */
#define _GNU_SOURCE
#include "descriptors.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "fd.h"
#include "heritage.h"
#include "procfs.h"

/* The host looks at so many numbers more than it has descriptors. A child without /proc looks
   up to the other one. */
enum { GAPS = 256, MOST_FDS = 1 << 16 };

/* ---- kinds ---- */

/* Terminals, and the memory devices such as /dev/null. The master's side of a pseudo-terminal
   is a connection, although it says that it is a terminal. */
static bool is_plain_device(int fd, dev_t device)
{
    enum { MEMORY = 1, OLD_MASTERS = 2, TTY_OTHERS = 5, PTMX = 2, MASTERS = 128, SLAVES = 136 };
    unsigned number = major(device);
    if (number == OLD_MASTERS || (number >= MASTERS && number < SLAVES)
        || (number == TTY_OTHERS && minor(device) == PTMX))
        return false;
    return number == MEMORY || isatty(fd);
}

/* A file without a name is the library's own memory, or the like: nobody can lock it. Epoll
   sets, timers and their kin have no type. */
static bool is_file(int fd)
{
    struct stat s;
    if (fstat(fd, &s) < 0)
        return false;
    if (S_ISCHR(s.st_mode))
        return is_plain_device(fd, s.st_rdev);
    if (!S_ISREG(s.st_mode) && !S_ISDIR(s.st_mode) && !S_ISBLK(s.st_mode))
        return false;
    return s.st_nlink == 0 || !luas__procfs_is_locked(fd);
}

static bool is_always_kept(int fd)
{
    return fd <= STDERR_FILENO || luas__heritage_has(fd);
}

/* ---- the host ---- */

/* The folder has a folder for each thread. */
static bool is_alone(int threads)
{
    struct stat folder;
    return stat("/proc/self/task", &folder) == 0 && folder.st_nlink == (nlink_t)threads + 3;
}

static void note(luas__descriptors *d, int fd)
{
    luas__fd_set_add(&d->others, fd);
    if (is_file(fd))
        luas__fd_set_add(&d->files, fd);
}

/* `size` is how many are open, as Linux tells from 6.2 on. That is much faster than to list
   them. */
static void find(luas__descriptors *d, const luas__fd_set *own, long size)
{
    long left = size - (long)luas__fd_set_count(own);
    for (int fd = 0; left > 0 && fd < size + GAPS; fd++)
        if (!luas__fd_set_has(own, fd) && fcntl(fd, F_GETFD) >= 0) {
            note(d, fd);
            left--;
        }
    d->is_known = left == 0 && !d->others.is_partial && !d->files.is_partial;
}

void luas__descriptors_look(luas__descriptors *d, luas__fd_set *own, int threads)
{
    struct stat folder;
    luas__heritage_add_to(own);
    for (int fd = 0; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) >= 0)
            luas__fd_set_add(own, fd);
    d->is_alone = is_alone(threads);
    if (!own->is_partial && d->is_alone && stat("/proc/self/fd", &folder) == 0
        && folder.st_size > 0)
        find(d, own, (long)folder.st_size);
}

bool luas__descriptors_matter(const luas__descriptors *d)
{
    for (int fd = 0; d->is_known && (fd = luas__fd_set_next(&d->others, fd)) >= 0; fd++)
        if (!luas__fd_set_has(&d->files, fd))
            return true;
    return !d->is_known;
}

void luas__descriptors_release(luas__descriptors *d)
{
    luas__fd_set_release(&d->others);
    luas__fd_set_release(&d->files);
}

/* ---- the child ---- */

typedef struct cut {
    const luas__descriptors *host;
    const luas__kept *kept;
    const luas__fd_set *more;
    int blank;          /* the O_PATH descriptor, once there is one; or -1 */
} cut;

static bool is_kept(const cut *c, int fd)
{
    if (fd == c->blank || luas__fd_set_has(&c->kept->fds, fd)
        || (c->more != NULL && luas__fd_set_has(c->more, fd)))
        return true;
    if (c->host->is_known)
        return c->kept->keeping == LUAS__KEEP_FILES && luas__fd_set_has(&c->host->files, fd);
    return is_always_kept(fd) || (c->kept->keeping == LUAS__KEEP_FILES && is_file(fd));
}

/* Where there is no /dev/null, the root. */
static int open_blank(void)
{
    int fd = open("/dev/null", O_PATH | O_CLOEXEC);
    if (fd < 0)
        fd = open("/", O_PATH | O_CLOEXEC);
    if (fd >= 0 && luas__fd_lift(&fd) < 0)
        luas__fd_close(&fd);
    return fd;
}

static void give_up(void *context, int fd)
{
    cut *c = context;
    if (is_kept(c, fd))
        return;
    if (c->kept->keeping == LUAS__KEEP_FILES && c->blank < 0)
        c->blank = open_blank();
    if (c->blank < 0 || dup3(c->blank, fd, O_CLOEXEC) < 0)
        close(fd);
}

static void look_at_all(cut *c)
{
    long most = sysconf(_SC_OPEN_MAX);
    for (int fd = 0; fd < MOST_FDS && (most < 0 || fd < most); fd++)
        if (fcntl(fd, F_GETFD) >= 0)
            give_up(c, fd);
}

void luas__descriptors_cut(const luas__descriptors *d, const luas__kept *kept,
                           const luas__fd_set *more)
{
    cut c = {.host = d, .kept = kept, .more = more, .blank = -1};
    if (kept->keeping == LUAS__KEEP_ALL || kept->fds.is_partial
        || (more != NULL && more->is_partial))
        return;
    if (!d->is_known && luas__procfs_each_fd(0, give_up, &c) < 0)
        look_at_all(&c);
    for (int fd = 0; d->is_known && (fd = luas__fd_set_next(&d->others, fd)) >= 0; fd++)
        give_up(&c, fd);
    luas__fd_close(&c.blank);
}
