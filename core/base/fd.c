/* Reading and writing descriptors; EINTR is handled here and nowhere else. */
#define _GNU_SOURCE
#include "fd.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/syscall.h>
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

/* Both or none, after the call that made them gave `rc`. */
static int lift_both(int rc, int fds[2])
{
    if (rc < 0) {
        fds[0] = fds[1] = -1;
        return -errno;
    }
    rc = lift(&fds[0]);
    if (rc == 0)
        rc = lift(&fds[1]);
    if (rc < 0) {
        luas__fd_close(&fds[0]);
        luas__fd_close(&fds[1]);
    }
    return rc;
}

int luas__fd_pipe(int fds[2])
{
    return lift_both(pipe2(fds, O_CLOEXEC), fds);
}

int luas__fdpass_pair(int fds[2])
{
    return lift_both(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds), fds);
}

int luas__fd_set_nonblocking(int fd)
{
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
        return -errno;
    return 0;
}

void luas__fd_close(int *fd)
{
    if (*fd >= 0)
        close(*fd); /* after EINTR Linux has closed it all the same */
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
    if (fd != c->next) {
        luas__fd_closing_end(c);
        c->first = fd;
    }
    c->next = fd + 1;
}

int luas__fd_open_null(void)
{
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    int rc = fd < 0 ? -errno : lift(&fd);
    if (rc == 0)
        return fd;
    luas__fd_close(&fd);
    return rc;
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

static int wait_writable(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLOUT};
    return poll(&p, 1, -1) < 0 && errno != EINTR ? -errno : 0;
}

int luas__fd_write_waiting(int fd, const char *bytes, size_t len)
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

/* ---- messages ---- */

typedef union control {
    struct cmsghdr head;    /* for its alignment */
    char bytes[CMSG_SPACE(LUAS__MOST_FDS * sizeof(int))];
} control;

int luas__fdpass_send(int fd, const void *bytes, size_t len, const int *fds, int count)
{
    control c;
    memset(&c, 0, sizeof c);
    struct iovec piece = {.iov_base = (void *)(uintptr_t)bytes, .iov_len = len};
    struct msghdr message = {.msg_iov = &piece, .msg_iovlen = 1};
    if (count > 0) {
        size_t size = (size_t)count * sizeof(int);
        message.msg_control = c.bytes;
        message.msg_controllen = CMSG_SPACE(size);
        struct cmsghdr *head = CMSG_FIRSTHDR(&message);
        *head = (struct cmsghdr){.cmsg_len = CMSG_LEN(size), .cmsg_level = SOL_SOCKET,
                                 .cmsg_type = SCM_RIGHTS};
        memcpy(CMSG_DATA(head), fds, size);
    }
    ssize_t n;
    do
        n = sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : 0;
}

/* What came with a message: all that were wanted, or none. Where none could be
   delivered only the flag says that there were some. */
static int take_fds(struct msghdr *message, int *fds, int most)
{
    int rc = message->msg_flags & MSG_CTRUNC ? -EMFILE : 0;
    struct cmsghdr *head = CMSG_FIRSTHDR(message);
    if (head == NULL || head->cmsg_type != SCM_RIGHTS)
        return rc;
    int came[LUAS__MOST_FDS];
    int n = (int)((head->cmsg_len - CMSG_LEN(0)) / sizeof(int));
    if (n > most)
        rc = -EMFILE;
    memcpy(came, CMSG_DATA(head), (size_t)n * sizeof(int));
    for (int i = 0; i < n && rc == 0; i++)
        rc = lift(&came[i]);
    for (int i = 0; i < n; i++)
        if (rc == 0)
            fds[i] = came[i];
        else
            close(came[i]);
    return rc < 0 ? rc : n;
}

ssize_t luas__fdpass_take(int fd, void *bytes, size_t most, int *fds, int *count, int waits)
{
    control c;
    struct iovec piece = {.iov_base = bytes, .iov_len = most};
    struct msghdr message = {.msg_iov = &piece, .msg_iovlen = 1, .msg_control = c.bytes,
                             .msg_controllen = sizeof c.bytes};
    ssize_t n;
    do
        n = recvmsg(fd, &message, MSG_CMSG_CLOEXEC | (waits ? 0 : MSG_DONTWAIT));
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return -errno;
    int rc = take_fds(&message, fds, *count);
    *count = rc > 0 ? rc : 0;
    return rc < 0 ? rc : n;
}
