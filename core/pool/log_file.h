/*
 * A file that grows while a run goes on. Whole records are collected and written now and
 * then. So the file is readable even if the process is killed. If writing fails (a full disk)
 * only the log is incomplete; the first failure is remembered.
 */
#ifndef LUAS_LOG_FILE_H
#define LUAS_LOG_FILE_H

#include "buffer.h"

typedef struct luas__log_file {
    int fd;
    int error;              /* negative: why nothing more is written */
    luas__buffer pending;
    int64_t written_at;     /* ns */
} luas__log_file;

/* Makes the file empty: 0, or negative. */
int luas__log_file_open(luas__log_file *f, const char *path);

/* Adds a record, or a part of one; the next call adds the next part. */
void luas__log_file_add(luas__log_file *f, const char *text, size_t len);

/* Call it between two records. Writes what is collected if that is old or large. */
void luas__log_file_settle(luas__log_file *f, int64_t now);

/* Writes everything. Returns 0, or why something is missing. */
int luas__log_file_flush(luas__log_file *f);

void luas__log_file_close(luas__log_file *f);

#endif
