/*
 * Cuts a text into passages, in the host.
 *
 * 1. luas__cutter_open; 2. luas__cutter_passage until it gives 0, or luas__cutter_record for
 * somebody who takes single records: both go on where the other one has stopped;
 * 3. luas__cutter_close.
 *
 * A file is read up to the size that it had when it was opened. Where it has become shorter the lines that
 * are whole come first, then -ENODATA. A stream is read as far as it
 * has come: no record waits for the next one.
 */
#ifndef LUAS_CUTTER_H
#define LUAS_CUTTER_H

#include "text.h"

typedef struct luas__cutter {
    luas__text *text;       /* NULL once closed */
    int fd;                 /* what is read; -1: nothing more comes */
    bool seeks;             /* it is a file */
    bool is_short;          /* it ends before that size: somebody has cut it off */
    uint64_t at, size;      /* of a file: where it is read next, and where it ends */
    luas__buffer held;      /* was read and not given out */
    size_t searched;        /* as many bytes of it have no separator */
    uint64_t number;        /* of the next record, from 1 */
    size_t block;           /* bytes in which the records of a passage begin */
    size_t *ends;           /* of the last passage: where its records end */
    size_t cap;
    uint32_t count, most;   /* how many, and how many it may have */
} luas__cutter;

/* Takes over the text, and the descriptor. `before`: bytes that were read from it already, of a
   file from its place `at` on. On failure, which is want of memory, it is closed. */
int luas__cutter_open(luas__cutter *c, luas__text *text, int fd, const char *before, size_t len);
void luas__cutter_close(luas__cutter *c);

/*
 * Takes the next passage: c->count records, at most so many, whose ends are in c->ends. Appends the bytes to `b`,
 * if the text has no file. Returns 1, or 0 at the end, -EINTR after a signal, or another negative
 * number. It waits for a stream.
 */
int luas__cutter_passage(luas__cutter *c, uint32_t most, luas__passage *p, luas__buffer *b);

/* The next record, without its separator; or if `whole`, all records of the next passage, with
   theirs. It is valid until the next call. Returns as above. */
int luas__cutter_record(luas__cutter *c, bool whole, const char **record, size_t *len);

/* Would taking one not wait? */
bool luas__cutter_is_ready(const luas__cutter *c);

#endif
