/*
 * A file that grows while a run goes on: whole records are gathered and written
 * out now and then, so that what has been written stays readable whatever
 * becomes of the process. A file that cannot be written any more (a full disk)
 * costs the log and nothing else: the first reason is kept.
 */
#ifndef LUAS_LOG_FILE_H
#define LUAS_LOG_FILE_H

#include "buffer.h"

typedef struct luas__log_file {
    int fd;
    int error;              /* negative: why nothing is written any more */
    luas__buffer pending;
    int64_t written_at;     /* ns */
} luas__log_file;

/* Makes the file empty: 0, or negative. */
int luas__log_file_open(luas__log_file *f, const char *path);

/* Adds a record, or a part of one that goes on with the next call. */
void luas__log_file_add(luas__log_file *f, const char *text, size_t len);

/* Between two records: writes out what is old or much. */
void luas__log_file_settle(luas__log_file *f, int64_t now);

/* Writes out all there is: 0, or why anything is missing. */
int luas__log_file_flush(luas__log_file *f);

void luas__log_file_close(luas__log_file *f);

#endif
