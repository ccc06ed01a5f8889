/*
 * A socket that keeps messages apart, and that descriptors travel over from one
 * process to another.
 */
#ifndef LUAS_FDPASS_H
#define LUAS_FDPASS_H

#include <sys/types.h>

/* Both ends close-on-exec and above stderr; on failure both are -1. */
int luas__fdpass_pair(int fds[2]);

enum { LUAS__MOST_FDS = 8 };

/* Sends a message, and copies of at most LUAS__MOST_FDS descriptors, without
   waiting: 0, or negative. */
int luas__fdpass_send(int fd, const void *bytes, size_t len, const int *fds, int count);

/* Takes the next message of up to `most` bytes: its length, 0 at the end, and
   -EAGAIN when there is none and `waits` is 0. The descriptors that came with it
   are the caller's, and like those of luas__fd_pipe: *count of them, which before
   says how many there may be (more give -EMFILE, as does a lack of free ones; the
   message is then gone). */
ssize_t luas__fdpass_take(int fd, void *bytes, size_t most, int *fds, int *count, int waits);

#endif
