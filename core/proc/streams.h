/*
 * The streams of stdio around a fork. What the host has buffered is flushed before, or else
 * its children would print it, too.
 *
 * fflush(NULL) would wait for every stream that another thread has locked. A thread that
 * waits in fgets(stdin) holds its lock until a line comes. So a stream is flushed only if it
 * can be locked at once, and if what it writes to takes bytes now. What it keeps belongs to
 * the host, which writes it later; the child drops its copy.
 */
#ifndef LUAS_STREAMS_H
#define LUAS_STREAMS_H

/* In the host, before a fork. Does not wait, and raises no SIGPIPE. */
void luas__streams_flush(void);

/* In the child, which has a single thread: drops the output that the host has not written. */
void luas__streams_purge(void);

#endif
