/*
 * A tally: the figures of a run, for stats and reports. It has a histogram of times, a row of
 * time bins for each worker, the slowest tasks and the first failures with their inputs as
 * text. It takes about 1 MB on 64 workers, for any number of tasks.
 *
 * It reads the events of one or more pools. Lock the reader to look at it.
 */
#ifndef LUAS_TALLY_H
#define LUAS_TALLY_H

#include "events.h"
#include "histogram.h"
#include "timeline.h"

enum { LUAS__SLOWEST = 20, LUAS__FAILURES = 1000, LUAS__MARKS = 32 };

/* A task that the report shows. */
typedef struct luas__notable {
    int64_t start, took;    /* ns; took -1: unknown */
    int64_t job;
    uint64_t index;
    int pool, machine, worker, attempts, status;
    enum luas__kind kind;
    char label[48];
    char *input, *message;  /* malloc'ed, or NULL */
} luas__notable;

typedef struct luas__mark {
    int64_t at;             /* a worker's death that nobody asked for */
    int status;
} luas__mark;

/* A worker's lane in the report. A worker that replaces another goes on in its lane. */
typedef struct luas__lane {
    int pool, machine, number, row;
    char name[52];          /* what the worker is called */
    char machine_name[40];  /* "": this one */
    int64_t forked_at;      /* 0: before anybody listened */
    int64_t died_at;        /* 0: it lives */
    int64_t alive;          /* ns; lifetime of the earlier workers in this lane */
    int64_t busy, startup;  /* ns; of all workers in this lane */
    int64_t last_end;
    bool begun;             /* it has started a task */
    uint64_t tasks, forks, deaths;
    uint64_t in_chunk, last_chunk;  /* tasks that have ended, of this chunk and the last one */
    luas__mark marks[LUAS__MARKS];
    int nmarks;
} luas__lane;

typedef struct luas__tally {
    luas__reader reader;
    int64_t only;           /* the id of the one job that counts; 0: all */
    int64_t first, last;    /* ns; of the first event, and of the last end of a task */
    uint64_t kinds[5], retries, chunks;
    luas__histogram times;
    luas__timeline timeline;
    int ended_row, failed_row;
    luas__lane *lanes;
    int nlanes, last_lane;
    size_t cap_lanes;
    luas__notable slowest[LUAS__SLOWEST];   /* the slowest first */
    int nslowest;
    luas__notable *failures;
    int nfailures;
    size_t cap_failures;
    uint64_t unlisted;      /* further failures, which are only counted */
} luas__tally;

/* NULL without memory. If memory runs out later, it goes on counting what it can. */
luas__tally *luas__tally_new(int64_t only);

#endif
