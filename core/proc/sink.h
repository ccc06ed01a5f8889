/*
 * Text on its way to the host's stdout or stderr, which nobody may be reading: a
 * pager that waits, a terminal that was stopped. Writing here never waits. What
 * the stream does not take yet stays here, and the poller tells when it does.
 *
 * A write must not wait, and the stream must stay as it is for the others who have
 * it. So a pipe or a terminal is opened anew for the time of writing.
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
    size_t left_out;        /* bytes that were too many, since the last one that was not */
} luas__sink;

typedef struct luas__sinks {
    luas__sink of[2];       /* stdout, stderr */
    luas__line *line;       /* on a terminal text goes above it; NULL: there is none */
} luas__sinks;

#define LUAS__SINKS_INIT {{{1, -1, false, false, LUAS__BUFFER_INIT, 0, 0}, \
                           {2, -1, false, false, LUAS__BUFFER_INIT, 0, 0}}, NULL}

/* The poller's key for of[i]: those of workers are larger. */
#define LUAS__SINK_KEY(i) ((uint64_t)(i))

/* While so much waits, no more is to be read of what workers print. */
#define LUAS__SINK_FULL ((size_t)64 << 10)

static inline bool luas__sink_is_full(const luas__sink *s)
{
    return s->text.len >= LUAS__SINK_FULL;
}

/* Adds one line, of a tag, a text and what ends it. Where far too much waits, or
   memory is short, it is left out, and a later line says how much was. */
void luas__sink_add(luas__sink *s, const char *tag, const char *line, size_t len);

/* Writes what can be written now: after what the host printed by stdio. */
void luas__sinks_flush(luas__sinks *s, int i, luas__poller *poller);

/* Waits until all is written, or nobody has read for a moment, and frees all. */
void luas__sinks_close(luas__sinks *s, luas__poller *poller);

/* In a forked child: gives the descriptors to be closed, writes nothing. */
void luas__sinks_abandon(const luas__sinks *s, luas__fd_closing *closing);

#endif
