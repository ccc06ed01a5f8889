/*
 * A pool of luas.h, for the files behind that header. Calls with the same policy (timeout,
 * priority, retries) belong to one job of the core's. A call's number is made of its job's id and
 * its index there.
 */
#ifndef LUAS_EMBED_H
#define LUAS_EMBED_H

#include <string.h>

#include "embed_calls.h"
#include "embed_worker.h"
#include "job_outcomes.h"
#include "luas.h"
#include "pool.h"
#include "results.h"

typedef struct luas__call_job {
    luas__job *job;
    uint64_t taken;         /* outcomes of it that the application has taken */
} luas__call_job;

struct luas_pool {
    luas__pool *pool;
    luas__policy policy;    /* of calls that ask for nothing else: the first job's */
    luas__call_job *jobs;
    int njobs;
    size_t cap_jobs;
    int looked_at;          /* the job whose outcomes were taken last */
    luas__calls calls;      /* those without an outcome */
    luas__embed_kit kit;    /* what each worker needs */
    bool is_quiet;          /* has a share in the quiet process */
    luas__outcome next;     /* `count` calls from `index` on of next_job are next */
    luas__job *next_job;
    const char *payload;    /* of these */
    luas__results results;  /* of the last outcome */
    char *label;            /* of that, or NULL */
    luas__buffer printed;   /* by that */
    bool is_drained;        /* no calls are taken any more */
    char message[80];       /* for an outcome without a message */
    int failure;            /* the last result of luas_next, if negative */
    luas_receiver *receive; /* or NULL */
    void *receiver_data;
    bool is_receiving;      /* a receiver is being called */
};

/* The first job has the numbers that its calls have as indices. */
enum { LUAS__INDEX_BITS = 36 };

static inline uint64_t luas__embed_number(int64_t job, uint64_t index)
{
    return job <= 1 ? index : (uint64_t)job << LUAS__INDEX_BITS | index;
}

/* Is this process a child of the one that opened the pool? */
static inline bool luas__embed_is_foreign(const luas_pool *p)
{
    return p->pool != NULL && !luas__fork_detect_is_here(&p->pool->fork_detect);
}

static inline bool luas__embed_has_outcome(const luas_pool *p)
{
    bool has = p->next.count > 0;
    for (int i = 0; i < p->njobs && !has; i++)
        has = luas__job_outcomes_has_taken(p->jobs[i].job) || p->jobs[i].job->output.inbox.len > 0;
    return has;
}

/* Copies what a program that was built with another header gives, as far as both know it. Returns
   false if it has less than `least` bytes, or sets what is not known here. */
static inline bool luas__embed_read(void *known, size_t size, const void *given, size_t given_size,
                                    size_t least)
{
    if (given_size < least)
        return false;
    for (size_t i = size; i < given_size; i++)
        if (((const char *)given)[i] != 0)
            return false;
    memcpy(known, given, given_size < size ? given_size : size);
    return true;
}

/* Copies the options, and checks them: as luas_pool_open. */
bool luas__embed_read_options(luas_options *known, const luas_options *given);

/* If this is a failure: writes it where the options want it. `words` are what is known beside the code: for an
   error of the system the file's name. */
void luas__embed_say_why(const luas_options *options, int rc, const luas__buffer *words);

/* Deals and forks, so that calls are under way at once. A failure here comes again in luas_next. */
void luas__embed_submit_hurry(luas_pool *p);

/* Gives the job for calls with this policy: starts one if there is none. */
int luas__embed_submit_job(luas_pool *p, const luas__policy *policy, luas__job **job);

#endif
