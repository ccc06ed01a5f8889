/*
 * Where records come from that are tasks: a file, or a stream. A record is what lies between two
 * separators, for lines "\n"; the last one may end with the file. A passage is a run of whole
 * records, with their separators.
 *
 * A text is used by all batches of its records, in several threads of one process; the last one
 * that releases it closes its file.
 */
#ifndef LUAS_TEXT_H
#define LUAS_TEXT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include "buffer.h"

enum { LUAS__MOST_SEPARATOR = 255 };

typedef struct luas__text {
    atomic_uint uses;
    int fd;                 /* of a file that workers can open; -1: they are sent the bytes */
    bool whole;             /* a passage is one record, with all its separators */
    char delimiter;         /* not 0: records are of such fields; a separator in quotes is none */
    uint64_t device, inode; /* of the file */
    char *name;             /* for people */
    unsigned char nsep;
    char sep[LUAS__MOST_SEPARATOR];
} luas__text;

typedef struct luas__passage {
    luas__text *text;
    uint64_t from;          /* its place in the file */
    uint64_t number;        /* of its first record in the text, from 1 */
} luas__passage;

/* A text with one use. It has no file. NULL without memory. `nsep` is at least 1. */
luas__text *luas__text_new(const char *name, const char *sep, size_t nsep);
luas__text *luas__text_use(luas__text *t);
void luas__text_release(luas__text *t);

/* Gives it the file, which stays the caller's, if other processes can open that as well. */
void luas__text_share(luas__text *t, int fd);

/* The separator behind the record that begins at `from`, or NULL. */
const char *luas__text_find(const luas__text *t, const char *from, const char *end);

/* Where a quoted field ends, behind its closing quote, of which `from` is the opening one; NULL if
   it does not. */
const char *luas__text_quoted_end(const char *from, const char *end);

/* The length of a record without the separator at its end. */
size_t luas__text_bare(const luas__text *t, const char *record, size_t len);

/* Is it open as this descriptor? */
bool luas__text_is(int fd, uint64_t device, uint64_t inode);

/* Opens a file that another process, or this one, has open as `fd`. Where that is not allowed,
   by its name. Returns a descriptor of the same file, or negative. */
int luas__text_open(pid_t pid, int fd, const char *name, uint64_t device, uint64_t inode);

/* Appends up to `len` bytes from this place of the file on; fewer where it ends before. */
int luas__text_read(int fd, uint64_t from, size_t len, luas__buffer *b);

#endif
