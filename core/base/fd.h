/*
 * File descriptors as the core uses them: close-on-exec, and no call here
 * waits unless its name says so. Results are counts or negated errno.
 */
#ifndef LUAS_FDIO_H
#define LUAS_FDIO_H

#include <sys/types.h>

#include "buffer.h"

/* Both ends close-on-exec and above stderr; on failure both are -1. */
int luas__fd_pipe(int fds[2]);

/* The same for two ends of a socket that keeps messages apart. */
int luas__fdpass_pair(int fds[2]);

int luas__fd_set_nonblocking(int fd);

/* Closes *fd if it is open and makes it -1. */
void luas__fd_close(int *fd);

/* Descriptors that a forked child closes, if the host had them open: those whose
   numbers follow one another in one call. Starts as LUAS__FD_CLOSING_INIT; what was
   added may be open until luas__fd_closing_end. */
typedef struct luas__fd_closing {
    int first, next;    /* from the one, to before the other */
} luas__fd_closing;

#define LUAS__FD_CLOSING_INIT {0, 0}

void luas__fd_closing_add(luas__fd_closing *c, int fd);
void luas__fd_closing_end(luas__fd_closing *c);

/* /dev/null, to be read; close-on-exec and above stderr. */
int luas__fd_open_null(void);

/* Reads what is there, at most `most` bytes, onto the end of `b`:
   the count, 0 at end of file, -EAGAIN when there is nothing. */
ssize_t luas__fd_read_some(int fd, luas__buffer *b, size_t most);

/* Writes what fits from the front of `b` and consumes it: 0 when all of it
   went, -EAGAIN when some is left. */
int luas__fd_write_some(int fd, luas__buffer *b);

/* Waits until all is written. For workers, whose host always reads. */
int luas__fd_write_waiting(int fd, const char *bytes, size_t len);

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
