/*
 * A socket for messages. It keeps them apart, and passes descriptors with them from
 * one process to another.
 */
#ifndef LUAS_FDPASS_H
#define LUAS_FDPASS_H

#include <sys/types.h>

/* Both ends close-on-exec and above stderr; on failure both are -1. */
int luas__fdpass_pair(int fds[2]);

enum { LUAS__MOST_FDS = 8 };

/* Sends a message with copies of at most LUAS__MOST_FDS descriptors. Does not wait.
   Returns 0, or negative. */
int luas__fdpass_send(int fd, const void *bytes, size_t len, const int *fds, int count);

/* Takes the next message, of up to `most` bytes. Returns its length, 0 at the end, and
   -EAGAIN when there is none and `waits` is 0. On entry *count says how many descriptors
   may come with it; on return it says how many came. The caller owns them; like those of
   luas__fd_pipe they are close-on-exec and above stderr. When more came, or the process
   has no free numbers for them, the message is lost and the result is -EMFILE. */
ssize_t luas__fdpass_take(int fd, void *bytes, size_t most, int *fds, int *count, int waits);

#endif
