/*
 * What a job is to do: batches of inputs that were fed, which of their tasks are pending, and what
 * its limit keeps back. Inputs are kept for retries until their whole batch is settled. The pool's
 * lock is held.
 */
#ifndef LUAS_JOB_INPUTS_H
#define LUAS_JOB_INPUTS_H

#include "job.h"

/* Adds tasks. The job takes over the bytes and the malloc'ed offsets; on failure
   (LUAS_ENOMEM) the caller keeps them. */
int luas__job_inputs_feed(luas__job *j, luas__buffer *bytes, size_t *ends, uint32_t count);

/* The same, for a job that nothing was fed to: its tasks have the indices of this range, and were started
   so often before, elsewhere. Only once a job. */
int luas__job_inputs_feed_at(luas__job *j, luas__range tasks, luas__buffer *bytes, size_t *ends);

/* As luas__job_inputs_feed, for the records of a passage, which take the place of the encoded arguments. The bytes
   are empty if they are in a file. */
int luas__job_inputs_feed_records(luas__job *j, const luas__passage *of, luas__buffer *bytes, size_t *ends,
                                  uint32_t count);

/* Adds tasks whose inputs the workers have inherited. */
int luas__job_inputs_feed_inherited(luas__job *j, uint64_t count);

/* As luas__job_inputs_return, for a task that has run and is to be started again. */
int luas__job_inputs_again(luas__job *j, luas__range task);

/* Of a job with a limit: a task has run so far; the time of some may have come. */
void luas__job_inputs_has_run(luas__job *j, uint64_t index);
void luas__job_inputs_release_due(luas__job *j);

/* Makes room, so that the next `extra` calls of luas__job_inputs_return cannot fail. */
int luas__job_inputs_reserve(luas__job *j, size_t extra);

/* Puts tasks back to where they were. */
int luas__job_inputs_return(luas__job *j, luas__range range);

/* Takes up to `most` consecutive pending tasks, all from one batch (NULL: inherited), for the
   worker with this serial (0: for any). Skips tasks that failed on that worker. Returns false
   when no others are pending. */
bool luas__job_inputs_take(luas__job *j, uint32_t worker, uint32_t most, luas__range *range,
                           luas__batch **batch);

/* Takes pending tasks among the `count` ones from `first` on: the first of them and those
   that follow it in the same batch. Returns false when none is pending. */
bool luas__job_inputs_take_within(luas__job *j, uint64_t first, uint64_t count, luas__range *range,
                                  luas__batch **batch);

/* The batch of a task that is not settled; NULL: its input is inherited. */
luas__batch *luas__job_inputs_batch(luas__job *j, uint64_t index);

/* Where the inputs of some tasks of a batch begin, and their bytes. */
size_t luas__job_inputs_range(const luas__batch *b, uint64_t first, uint64_t count, size_t *len);

/* The encoded inputs of some tasks of a batch, or their records, if no file has them. */
const char *luas__job_inputs_bytes(const luas__batch *b, uint64_t first, uint64_t count, size_t *len);

/* Gives names to inherited inputs, in the form in which inputs are fed. Takes the bytes over,
   and fails, like luas__job_inputs_feed. */
int luas__job_inputs_name(luas__job *j, luas__buffer *bytes, size_t *ends, uint32_t count);

/* The input of a task that is not settled: MessagePack of its arguments, or of the name of its
   inherited input; NULL when unknown. Valid until the next call. */
const char *luas__job_inputs_of(luas__job *j, uint64_t index, size_t *len);

/* Notes that tasks have their outcomes. Returns how many of those from `index` on belong to the batch
   of the first one. */
uint64_t luas__job_inputs_settle(luas__job *j, uint64_t index, uint64_t count);

/* Notes that tasks are not pending any more, and will not start. */
void luas__job_inputs_dropped(luas__job *j, uint64_t first, uint64_t count);

#endif
