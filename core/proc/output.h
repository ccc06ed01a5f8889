/*
 * What workers print, when it is not simply to go where the host's does: a
 * pipe for stdout and stderr (or one for both) is read with everything else,
 * and its text passed on in whole lines with the worker's name before them,
 * or kept for the outcome of the task that printed it.
 *
 * Only with LUAS__OUTPUT_TAG does the library write to stdout and stderr:
 * that is what it was asked for.
 */
#ifndef LUAS_OUTPUT_H
#define LUAS_OUTPUT_H

#include "buffer.h"
#include "fd.h"
#include "line.h"
#include "poller.h"

typedef enum luas__output_mode {
    LUAS__OUTPUT_INHERIT,   /* workers have the host's stdout and stderr */
    LUAS__OUTPUT_TAG,       /* lines are passed on, each with a tag */
    LUAS__OUTPUT_CAPTURE    /* text goes into outcomes */
} luas__output_mode;

typedef struct luas__output {
    luas__output_mode mode;
    int pipes[2];           /* reading ends, -1: none; [1] only for tags */
    luas__buffer text[2];   /* read and not passed on yet */
    char tag[64];
    luas__line *line;       /* what is passed on goes above it; NULL: there is none */
} luas__output;

#define LUAS__OUTPUT_INIT {LUAS__OUTPUT_INHERIT, {-1, -1}, \
                           {LUAS__BUFFER_INIT, LUAS__BUFFER_INIT}, "", NULL}

/* Makes the pipes; the child's ends go to `ends`. On failure all are -1. */
int luas__output_open(luas__output *o, luas__output_mode mode, const char *label,
                      int number, int ends[2]);

/* In the child: makes them its stdout and stderr, and closes them. */
void luas__output_become(int ends[2]);

/* Reads what there is; passes on whole lines when they are to be tagged. A
   pipe at its end is closed. */
int luas__output_read(luas__output *o, luas__poller *poller);

/* Reads the rest and passes on lines that never ended. */
void luas__output_close(luas__output *o, luas__poller *poller);

/* In a forked child: gives the descriptors to be closed, passes on nothing. */
void luas__output_abandon(const luas__output *o, luas__fd_closing *closing);

#endif
