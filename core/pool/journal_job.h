/*
 * What a journal knows of the tasks of a job. A group is a job of the file: what earlier runs have
 * come to with the same function (or with another, `others`), and how often each input has come. A
 * part is a job of the engine; most groups have one.
 *
 * The owner: 1. luas__journal_job_stage for the next task, which says whether it is known; 2. feeds
 * the task. Then luas__journal_job_take hands over its key, for which the journal asks when the task ends, and
 * what is known.
 */
#ifndef LUAS_JOURNAL_JOB_H
#define LUAS_JOURNAL_JOB_H

#include <stdatomic.h>
#include <stdbool.h>

#include "buffer.h"
#include "hashmap.h"
#include "outcome.h"

struct luas__journal;

/* An outcome of an earlier run. */
typedef struct luas__journal_place {
    int64_t row, job;
    uint32_t len;           /* of the payload */
    int64_t at;             /* where it is in `bytes`; -1: in the file */
    int32_t attempts, status;
    float took;
    uint8_t kind;
    bool has_value;
} luas__journal_place;

/* What earlier runs have come to, by the keys of tasks. All zero is empty. */
typedef struct luas__journal_known {
    luas__hashmap keys;     /* key -> its place + 1 */
    luas__journal_place *places;
    size_t count, cap;
    luas__buffer bytes;     /* short payloads */
} luas__journal_known;

typedef struct luas__journal_group {
    _Atomic int users;
    struct luas__journal *journal;
    int64_t row;            /* of the file */
    bool values, discards;  /* they are recorded; they are not wanted */
    bool seeded;            /* the index counts */
    bool again;             /* what has failed is done again */
    bool trusts;            /* `others` count as this function's */
    luas__journal_known own, others;
    luas__hashmap met;      /* inputs -> how often they have come */
} luas__journal_group;

/* New: to be done. Done, failed: known, and so it ends. Again: it has failed, and is done again. Lost: it
   was done, but its value is not in the file. Code: it is known of another function. */
enum luas__journal_verdict {
    LUAS__JOURNAL_NEW, LUAS__JOURNAL_DONE, LUAS__JOURNAL_FAILED, LUAS__JOURNAL_AGAIN, LUAS__JOURNAL_LOST,
    LUAS__JOURNAL_CODE
};

typedef struct luas__journal_staged {
    luas__hash key;
    luas__journal_place place;
    bool is_known;
} luas__journal_staged;

typedef struct luas__journal_job {
    _Atomic int users;
    struct luas__journal *journal;  /* the group's, as the next two */
    int64_t row;
    bool values;
    luas__journal_group *group;
    struct {
        luas__journal_staged *tasks;
        size_t first, count, cap;
        luas__buffer bytes; /* payloads of those that are known */
    } staged;
    uint64_t index;         /* of the task that was staged last */
    const luas__journal_place *seen;    /* what was found for it, or NULL; */
    bool seen_other;        /* among the group's `others` */
    luas__hash *keys;       /* of the tasks that were fed, from 1 on */
    size_t nkeys, cap;
} luas__journal_job;

static inline bool luas__journal_job_has(const luas__journal_job *j, uint64_t index)
{
    return index > 0 && index <= j->nkeys;
}

static inline luas__hash luas__journal_job_key(const luas__journal_job *j, uint64_t index)
{
    return j->keys[index - 1];
}

/* NULL: no memory. The caller is the first user. A group uses its journal, and a part its group. */
luas__journal_group *luas__journal_job_group(struct luas__journal *journal, int64_t row);
luas__journal_job *luas__journal_job_new(luas__journal_group *group);

luas__journal_job *luas__journal_job_use(luas__journal_job *j);
void luas__journal_job_drop(luas__journal_job *j);
void luas__journal_job_drop_group(luas__journal_group *g);

/* Loads what a job of the file has come to, by the rows from the first to the last; later outcomes win. Returns how many, or LUAS_ENOMEM, or
   LUAS_EPROTO if the file cannot be read. */
int64_t luas__journal_job_load(luas__journal_group *g, luas__journal_known *into, int64_t job, int64_t first, int64_t last);

/* The next task has this input. Returns a luas__journal_verdict, or LUAS_ENOMEM. */
int luas__journal_job_stage(luas__journal_job *j, luas__hash input);

/* Takes the first task that was staged; with the pool's lock, if it has one. Returns LUAS_ENOMEM; 0 if the
   task is to be done; or 1 with its outcome, but for the index, and its payload, valid until the next
   task is staged. */
int luas__journal_job_take(luas__journal_job *j, luas__outcome *o, const char **payload);

#endif
