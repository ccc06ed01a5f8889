/*
 * File descriptors as the core uses them: close-on-exec, and no call here
 * waits unless its name says so. Results are counts or negated errno.
 */
#ifndef LUAS_FD_H
#define LUAS_FD_H

#include <sys/types.h>

#include "buffer.h"

/* Both ends close-on-exec and above stderr; on failure both are -1. */
int luas__fd_pipe(int fds[2]);

/* Moves *fd out of the way of stdin, stdout and stderr, which a child replaces, also where
   the application has closed its own. Or both of them, or none, after the call that made
   them gave `rc`. */
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

/* Descriptors that a forked child closes, if the host had them open: those whose
   numbers follow one another in one call. Starts as LUAS__FD_CLOSING_INIT; what was
   added may be open until luas__fd_closing_end. */
typedef struct luas__fd_closing {
    int first, next;    /* from the one, to before the other */
} luas__fd_closing;

#define LUAS__FD_CLOSING_INIT {0, 0}

void luas__fd_closing_add(luas__fd_closing *c, int fd);
void luas__fd_closing_end(luas__fd_closing *c);

/* Reads what is there, at most `most` bytes, onto the end of `b`:
   the count, 0 at end of file, -EAGAIN when there is nothing. */
ssize_t luas__fd_read_some(int fd, luas__buffer *b, size_t most);

/* Writes what fits from the front of `b` and consumes it: 0 when all of it
   went, -EAGAIN when some is left. */
int luas__fd_write_some(int fd, luas__buffer *b);

/* Waits until all is written. For workers, whose host always reads. */
int luas__fd_write_waiting(int fd, const char *bytes, size_t len);

/* Writes it to a terminal, unless that takes nothing now: then it is not shown. */
void luas__fd_show(int fd, const char *bytes, size_t len);

#endif
