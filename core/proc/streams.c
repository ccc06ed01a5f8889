/* Flushing streams before a fork, and emptying them after it. */
#define _GNU_SOURCE
#include "streams.h"

#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdio_ext.h>

/* Would a write wait, or raise SIGPIPE? A stream without a descriptor writes to memory. */
static bool takes_bytes(FILE *f)
{
    struct pollfd p = {.fd = fileno_unlocked(f), .events = POLLOUT};
    return p.fd < 0 || (poll(&p, 1, 0) == 1 && p.revents == POLLOUT);
}

/* Input streams have nothing pending. fflush would move their read positions. */
static void flush(FILE *f)
{
    if (ftrylockfile(f) != 0)
        return;
    if (__fpending(f) > 0 && takes_bytes(f))
        fflush_unlocked(f); /* what it cannot write the host keeps, and is told of */
    funlockfile(f);
}

static void purge(FILE *f)
{
    if (__fpending(f) > 0)
        __fpurge(f);
}

/* glibc has a list of all open streams. It exports these functions, and declares them in no
   header. */
#ifdef __GLIBC__
typedef struct _IO_FILE *position;
extern position _IO_iter_begin(void) __attribute__((weak));
extern position _IO_iter_end(void) __attribute__((weak));
extern position _IO_iter_next(position) __attribute__((weak));
extern FILE *_IO_iter_file(position) __attribute__((weak));
extern void _IO_list_lock(void) __attribute__((weak));
extern void _IO_list_unlock(void) __attribute__((weak));

/* Returns false, with none visited, if there is no such list. */
static bool each_listed(void visit(FILE *f))
{
    if (_IO_iter_begin == NULL || _IO_iter_end == NULL || _IO_iter_next == NULL
        || _IO_iter_file == NULL || _IO_list_lock == NULL || _IO_list_unlock == NULL)
        return false;
    _IO_list_lock();
    for (position p = _IO_iter_begin(); p != _IO_iter_end(); p = _IO_iter_next(p))
        visit(_IO_iter_file(p));
    _IO_list_unlock();
    return true;
}
#else
static bool each_listed(void visit(FILE *f))
{
    (void)visit;
    return false;
}
#endif

/* Without a list the rest is flushed only while nobody reads stdin, which is what threads wait
   for. */
void luas__streams_flush(void)
{
    if (each_listed(flush))
        return;
    flush(stdout);
    flush(stderr);
    if (ftrylockfile(stdin) == 0) {
        fflush(NULL);
        funlockfile(stdin);
    }
}

void luas__streams_purge(void)
{
    if (each_listed(purge))
        return;
    purge(stdout);
    purge(stderr);
}
