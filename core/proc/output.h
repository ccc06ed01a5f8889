/*
 * The output of a worker, where it does not go straight to that of the host. There is a
 * pipe each for stdout and stderr, or one for both. The host reads it like its other
 * pipes. It passes the text on in whole lines with the worker's name before them, or
 * keeps it for the outcome of the task that printed it.
 *
 * The library writes to stdout and stderr only with LUAS__OUTPUT_TAG, which asks for it.
 */
#ifndef LUAS_OUTPUT_H
#define LUAS_OUTPUT_H

#include "buffer.h"
#include "fd.h"
#include "poller.h"
#include "sink.h"

typedef enum luas__output_mode {
    LUAS__OUTPUT_INHERIT,   /* workers have the host's stdout and stderr */
    LUAS__OUTPUT_TAG,       /* lines are passed on, each with a tag */
    LUAS__OUTPUT_CAPTURE    /* text goes into outcomes */
} luas__output_mode;

typedef struct luas__output {
    luas__output_mode mode;
    int pipes[2];           /* the ends to read from; -1: none; [1] only for tags */
    bool rests[2];          /* its sink is full: it is not read, and the poller ignores it */
    luas__buffer text[2];   /* text that was read and not yet passed on */
    int worker;             /* its number */
    size_t mark, cut;       /* the place in text[0] where bytes were left out; how many */
    char tag[64];
    luas__sinks *sinks;     /* where text is passed on to */
} luas__output;

#define LUAS__OUTPUT_INIT {LUAS__OUTPUT_INHERIT, {-1, -1}, {false, false}, \
                           {LUAS__BUFFER_INIT, LUAS__BUFFER_INIT}, 0, 0, 0, "", NULL}

/* The most bytes that are kept of what a task prints. Of more, the first and the last
   LUAS__OUTPUT_END bytes are kept, with a line between them that tells how much there was. */
#define LUAS__OUTPUT_MOST ((size_t)1 << 20)
#define LUAS__OUTPUT_END (LUAS__OUTPUT_MOST / 4)

/* Makes the pipes. `ends` gets the ends of the child. On failure all are -1. */
int luas__output_open(luas__output *o, luas__output_mode mode, const char *label,
                      int number, int ends[2]);

/* In the child: makes these ends its stdout and stderr, and closes them. */
void luas__output_become(int ends[2]);

/* Reads what is in the pipes now, and not what comes meanwhile: so a task that prints without
   end cannot hold the caller up. With tags, passes whole lines on. Closes a pipe at its end. */
int luas__output_read(luas__output *o, luas__poller *poller);

/* When a sink is full its pipe rests. This has the poller watch pipes again whose sinks are not
   full any more. */
int luas__output_go_on(luas__output *o, luas__poller *poller, uint64_t key);

/* How many bytes wait in pipes that rest, or in all of them. */
size_t luas__output_waiting(const luas__output *o, bool all);

/* Forgets what was kept of a task. */
void luas__output_forget(luas__output *o);

/* Reads the rest, passes on the last line even if it has no end, and closes the pipes. */
void luas__output_close(luas__output *o, luas__poller *poller);

/* In a forked child: adds the descriptors to `closing`. Passes nothing on. */
void luas__output_abandon(const luas__output *o, luas__fd_closing *closing);

#endif
