/*
 * Text on its way to the host's stdout or stderr. Perhaps nobody is reading these: a pager
 * waits, or a terminal was stopped. Writing here never waits. Text that the stream does not take
 * yet stays here, and the poller tells when the stream takes more.
 *
 * To write without waiting, a descriptor must be non-blocking. But other processes use the same
 * stream and must not be affected. So a pipe or a terminal is opened again for the time of writing.
 */
#ifndef LUAS_SINK_H
#define LUAS_SINK_H

#include <stdbool.h>

#include "buffer.h"
#include "fd.h"
#include "line.h"
#include "poller.h"

typedef struct luas__sink {
    int target;             /* STDOUT_FILENO or STDERR_FILENO */
    int fd;                 /* the same stream while text waits for it; else -1 */
    bool may_block;         /* a write to fd can wait: the poller is asked first */
    bool is_socket;
    luas__buffer text;      /* lines that are not written yet */
    uint64_t written;       /* bytes so far */
    size_t left_out;        /* bytes left out since the last line that was kept */
} luas__sink;

/* Takes a line that a worker has printed to its stdout (0) or stderr (1), with its end if it has one.
   The pool's lock is held. */
typedef void luas__output_hear(void *hearer, int worker, int stream, const char *line, size_t len);

typedef struct luas__sinks {
    luas__sink of[2];       /* stdout, stderr */
    luas__output_hear *hear;    /* takes the lines instead; or NULL */
    void *hearer;
    luas__line *line;       /* on a terminal text goes above it; NULL: there is none */
} luas__sinks;

#define LUAS__SINKS_INIT {{{1, -1, false, false, LUAS__BUFFER_INIT, 0, 0}, \
                           {2, -1, false, false, LUAS__BUFFER_INIT, 0, 0}}, NULL, NULL, NULL}

/* The poller's key for of[i]: those of workers are larger. */
#define LUAS__SINK_KEY(i) ((uint64_t)(i))

/* While this much waits, the output of workers is not read. */
#define LUAS__SINK_FULL ((size_t)64 << 10)

static inline bool luas__sink_is_full(const luas__sink *s)
{
    return s->text.len >= LUAS__SINK_FULL;
}

/* Adds one line: a tag, a text and its end. If far too much waits, or memory is short, the line
   is left out, and a later line says how much was. */
void luas__sink_add(luas__sink *s, const char *tag, const char *line, size_t len);

/* Writes what can be written now. What the host has printed by stdio goes first. */
void luas__sink_flush_all(luas__sinks *s, int i, luas__poller *poller);

/* Waits until everything is written, or nobody has read for a moment. Then frees everything. */
void luas__sink_close_all(luas__sinks *s, luas__poller *poller);

/* In a forked child: adds the descriptors to `closing`. Writes nothing. */
void luas__sink_abandon_all(const luas__sinks *s, luas__fd_closing *closing);

#endif
