/* Messages over a socket, and descriptors with them (SCM_RIGHTS). */
#define _GNU_SOURCE
#include "fdpass.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fd.h"

int luas__fdpass_pair(int fds[2])
{
    return luas__fd_lift_both(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds), fds);
}

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

/* Takes all descriptors of a message, or none. Where the kernel could not deliver them
   only the flag MSG_CTRUNC tells that there were any. */
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
        rc = luas__fd_lift(&came[i]);
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
