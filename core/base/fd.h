/*
 * File descriptors. All are close-on-exec. No function here waits, unless its name
 * says so. Functions return a count, or a negated errno.
 */
#ifndef LUAS_FD_H
#define LUAS_FD_H

#include <sys/types.h>

#include "buffer.h"
#include "fd_set.h"

/* Both ends close-on-exec and above stderr; on failure both are -1. */
int luas__fd_pipe(int fds[2]);

/* Gives *fd a number above those of stdin, stdout and stderr. A child replaces these three,
   and where the application has closed one of them a new descriptor would get its number.
   luas__fd_lift_both does it for a pair, where `rc`, the result of the call that made the
   pair, says that it was made; on failure both are closed. */
int luas__fd_lift(int *fd);
int luas__fd_lift_both(int rc, int fds[2]);

int luas__fd_set_nonblocking(int fd);

/* Opens a pipe or a terminal anew, for writes that do not wait; whoever else has it is
   not concerned. */
int luas__fd_open_unblocking(int fd);

/* Another descriptor for the same open file, close-on-exec and above stderr. */
int luas__fd_copy(int fd);

/* Closes *fd if it is open and makes it -1. */
void luas__fd_close(int *fd);

/* Closes a forked child's copies of the host's descriptors. Consecutive numbers are
   closed by one system call. So a descriptor that was added may stay open until
   luas__fd_closing_end. Starts as LUAS__FD_CLOSING_INIT. With a set they are not closed but
   added to that. */
typedef struct luas__fd_closing {
    int first, next;    /* numbers from `first` to `next` - 1 are still to be closed */
    luas__fd_set *set;
} luas__fd_closing;

#define LUAS__FD_CLOSING_INIT {0, 0, NULL}

void luas__fd_closing_add(luas__fd_closing *c, int fd);
void luas__fd_closing_end(luas__fd_closing *c);

/* Reads what is there, at most `most` bytes, and appends it to `b`. Returns the number
   of bytes, 0 at end of file, -EAGAIN when there is nothing. */
ssize_t luas__fd_read_some(int fd, luas__buffer *b, size_t most);

/* Writes as much of `b` as fits, from its front, and consumes that. Returns 0 when
   all was written, -EAGAIN when some is left. */
int luas__fd_write_some(int fd, luas__buffer *b);

/* Waits until there is something to read, or its end, or a signal came: 0, or negative. */
int luas__fd_wait_readable(int fd);

/* Waits until all is written. Only for workers: their host never stops reading. */
int luas__fd_write_waiting(int fd, const char *bytes, size_t len);

/* The same to a file. Beyond the size that this process may write (RLIMIT_FSIZE) it fails with
   -EFBIG, and SIGXFSZ, which would end the process, does not come. */
int luas__fd_write_file(int fd, const char *bytes, size_t len);

/* Writes it to a terminal, unless that takes nothing now: then it is not shown. */
void luas__fd_show(int fd, const char *bytes, size_t len);

#endif
