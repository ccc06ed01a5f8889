/* Reading and writing descriptors; EINTR is handled here and nowhere else. */
#define _GNU_SOURCE
#include "fd.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

int luas__fd_copy(int fd)
{
    int copy = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    return copy < 0 ? -errno : copy;
}

int luas__fd_lift(int *fd)
{
    if (*fd > STDERR_FILENO)
        return 0;
    int above = luas__fd_copy(*fd);
    if (above < 0)
        return above;
    close(*fd);
    *fd = above;
    return 0;
}

int luas__fd_lift_both(int rc, int fds[2])
{
    if (rc < 0) {
        fds[0] = fds[1] = -1;
        return -errno;
    }
    rc = luas__fd_lift(&fds[0]);
    if (rc == 0)
        rc = luas__fd_lift(&fds[1]);
    if (rc < 0) {
        luas__fd_close(&fds[0]);
        luas__fd_close(&fds[1]);
    }
    return rc;
}

int luas__fd_pipe(int fds[2])
{
    return luas__fd_lift_both(pipe2(fds, O_CLOEXEC), fds);
}

int luas__fd_set_nonblocking(int fd)
{
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
        return -errno;
    return 0;
}

int luas__fd_open_unblocking(int fd)
{
    char path[32];
    struct stat st;
    if (fstat(fd, &st) < 0)
        return -errno;
    if (!S_ISFIFO(st.st_mode) && !S_ISCHR(st.st_mode))
        return -EINVAL; /* it would have another offset */
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    int own = open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (own < 0)
        return -errno;
    int rc = luas__fd_lift(&own);
    if (rc < 0)
        luas__fd_close(&own);
    return rc < 0 ? rc : own;
}

void luas__fd_close(int *fd)
{
    if (*fd >= 0)
        close(*fd); /* Linux closes it even when it reports EINTR */
    *fd = -1;
}

void luas__fd_closing_end(luas__fd_closing *c)
{
#ifdef SYS_close_range
    bool closed = c->next - c->first > 1
        && syscall(SYS_close_range, c->first, c->next - 1, 0) == 0;
#else
    bool closed = false;
#endif
    for (int fd = c->first; !closed && fd < c->next; fd++)
        close(fd);
    *c = (luas__fd_closing)LUAS__FD_CLOSING_INIT;
}

void luas__fd_closing_add(luas__fd_closing *c, int fd)
{
    if (fd < 0)
        return;
    if (c->set != NULL) {
        luas__fd_set_add(c->set, fd);
        return;
    }
    if (fd != c->next) {
        luas__fd_closing_end(c);
        c->first = fd;
    }
    c->next = fd + 1;
}

ssize_t luas__fd_read_some(int fd, luas__buffer *b, size_t most)
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

int luas__fd_write_some(int fd, luas__buffer *b)
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

static int wait_for(int fd, short events)
{
    struct pollfd p = {.fd = fd, .events = events};
    return poll(&p, 1, -1) < 0 && errno != EINTR ? -errno : 0;
}

int luas__fd_wait_readable(int fd)
{
    return wait_for(fd, POLLIN);
}

int luas__fd_write_waiting(int fd, const char *bytes, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, bytes, len);
        if (n >= 0) {
            bytes += n;
            len -= (size_t)n;
        } else if (errno == EAGAIN) {
            int rc = wait_for(fd, POLLOUT);
            if (rc < 0)
                return rc;
        } else if (errno != EINTR) {
            return -errno;
        }
    }
    return 0;
}

/* The kernel sends SIGXFSZ to the thread that writes. One that had come before stays. */
int luas__fd_write_file(int fd, const char *bytes, size_t len)
{
    sigset_t limit, before, pending;
    sigemptyset(&limit);
    sigaddset(&limit, SIGXFSZ);
    pthread_sigmask(SIG_BLOCK, &limit, &before);
    bool had = sigpending(&pending) == 0 && sigismember(&pending, SIGXFSZ) == 1;
    int rc = luas__fd_write_waiting(fd, bytes, len);
    if (rc == -EFBIG && !had)
        (void)sigtimedwait(&limit, NULL, &(struct timespec){0});
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return rc;
}

void luas__fd_show(int fd, const char *bytes, size_t len)
{
    struct pollfd p = {.fd = fd, .events = POLLOUT};
    int own = luas__fd_open_unblocking(fd);
    ssize_t n = 0;
    if (own >= 0)
        n = write(own, bytes, len);
    else if (poll(&p, 1, 0) > 0)
        n = write(fd, bytes, len);
    (void)n;
    luas__fd_close(&own);
}
