/*
 * A journal: a file of SQLite that tells what became of the tasks of runs, so that a killed run
 * goes on where it was. It is a reader of events (events.h). The schema is Lua's (journal.lua),
 * and so is all that is asked once a run or a job; here is what is done once a task.
 *
 * Outcomes are collected, and written in one transaction when there are LUAS__JOURNAL_ROWS of
 * them, or the oldest has waited for `interval`: a kill loses no more. If writing fails (a full disk)
 * the run goes on: outcomes are kept for the next try, up to LUAS__JOURNAL_KEPT bytes, and the first
 * failure is remembered.
 *
 * The reader's lock guards the connection. A forked child must not use it: there all functions
 * do nothing.
 */
#ifndef LUAS_JOURNAL_H
#define LUAS_JOURNAL_H

#include "buffer.h"
#include "events.h"
#include "fork_detect.h"
#include "sqlite.h"
#include "xxh.h"

enum { LUAS__JOURNAL_ROWS = 1000, LUAS__JOURNAL_KEPT = 64 << 20 };

typedef struct luas__journal {
    luas__reader reader;
    const luas__sqlite *api;
    sqlite3 *db;            /* NULL once closed */
    sqlite3_stmt *insert, *insert_many, *select;
    luas__fork_detect fork_detect;
    int64_t interval;       /* ns */
    double epoch;           /* seconds; the real time when CLOCK_MONOTONIC was 0 */
    luas__buffer rows;      /* outcomes that are not written yet */
    uint32_t nrows;
    int64_t written_at;     /* ns */
    int64_t retry_at;       /* ns; after a failure */
    uint64_t lost;          /* outcomes for which there was no room */
    bool failed;
    char why[200];          /* the first failure to write */
} luas__journal;

/*
 * Opens the file, or makes it. On failure returns NULL and writes the reason to `why`. The caller
 * drops the reader. `is_read`: nothing is made or changed.
 */
luas__journal *luas__journal_open(const char *path, bool is_read, char *why, size_t size);

/* Closes the connection, after which nothing is written. */
void luas__journal_close(luas__journal *j);

/* Writes what waits: true, or false with the reason in j->why. */
bool luas__journal_flush(luas__journal *j);

/* Appends the payload of an outcome (outcome.h) that this row has. Returns its length; 0 if it has
   none; or LUAS_ENOMEM. Locks. */
int64_t luas__journal_payload(luas__journal *j, int64_t row, luas__buffer *out);

/* Appends the column of a row as the payload that it was: 0, or LUAS_ENOMEM. */
int luas__journal_read(luas__journal *j, sqlite3_stmt *s, int column, luas__buffer *out);

#endif
