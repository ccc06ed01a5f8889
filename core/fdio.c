/* Reading and writing descriptors; EINTR is handled here and nowhere else. */
#define _GNU_SOURCE
#include "fdio.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

/* Out of the way of stdin, stdout and stderr, which a child replaces, also
   where the application has closed its own. */
static int lift(int *fd)
{
    if (*fd > STDERR_FILENO)
        return 0;
    int above = fcntl(*fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    if (above < 0)
        return -errno;
    close(*fd);
    *fd = above;
    return 0;
}

int luas__pipe(int fds[2])
{
    if (pipe2(fds, O_CLOEXEC) < 0) {
        fds[0] = fds[1] = -1;
        return -errno;
    }
    int rc = lift(&fds[0]);
    if (rc == 0)
        rc = lift(&fds[1]);
    if (rc < 0) {
        luas__close(&fds[0]);
        luas__close(&fds[1]);
    }
    return rc;
}

int luas__set_nonblocking(int fd)
{
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
        return -errno;
    return 0;
}

void luas__close(int *fd)
{
    if (*fd >= 0)
        close(*fd); /* after EINTR Linux has closed it all the same */
    *fd = -1;
}

void luas__close_copy(int fd)
{
    if (fd >= 0)
        close(fd);
}

ssize_t luas__read_some(int fd, luas__buffer *b, size_t most)
{
    int rc = luas__buffer_reserve(b, most);
    if (rc < 0)
        return rc;
    ssize_t n;
    do
        n = read(fd, luas__buffer_end(b), most);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return -errno;
    b->len += (size_t)n;
    return n;
}

int luas__write_some(int fd, luas__buffer *b)
{
    while (b->len > 0) {
        ssize_t n = write(fd, luas__buffer_bytes(b), b->len);
        if (n >= 0)
            luas__buffer_consume(b, (size_t)n);
        else if (errno != EINTR)
            return -errno;
    }
    return 0;
}

static int wait_writable(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLOUT};
    return poll(&p, 1, -1) < 0 && errno != EINTR ? -errno : 0;
}

int luas__write_waiting(int fd, const char *bytes, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, bytes, len);
        if (n >= 0) {
            bytes += n;
            len -= (size_t)n;
        } else if (errno == EAGAIN) {
            int rc = wait_writable(fd);
            if (rc < 0)
                return rc;
        } else if (errno != EINTR) {
            return -errno;
        }
    }
    return 0;
}
