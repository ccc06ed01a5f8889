/*
 * The tasks of a worker, as its host sees them: chunks that it was sent and has
 * not answered, in order, and what it knows of their jobs. Nothing here waits;
 * what is queued goes out with luas__worker_flush. The pool's lock guards all.
 */
#ifndef LUAS_WORKER_TASKS_H
#define LUAS_WORKER_TASKS_H

#include "worker.h"

/* Queues a chunk, preceded by what the worker must know of its job. */
int luas__worker_tasks_give(luas__worker *w, luas__job *job, luas__range range, luas__batch *batch);

/* Queues word that a job is over; that a definition is not needed any more. */
int luas__worker_tasks_forget(luas__worker *w, int64_t job);
int luas__worker_tasks_drop(luas__worker *w, int64_t definition);

/* Was it given a task of this job, which was not taken back? */
bool luas__worker_tasks_had(const luas__worker *w, const luas__job *job);

/* Tasks sent and not started, at this moment. */
uint32_t luas__worker_tasks_unstarted(const luas__worker *w);

/* The chunk of the task that is running or was running last; NULL: none. */
luas__chunk *luas__worker_tasks_running(const luas__worker *w);

/* Takes back what has not started, into its jobs' pending ranges. */
int luas__worker_tasks_revoke(luas__worker *w);

/* The first n unanswered tasks, all of one chunk, have their outcomes. */
void luas__worker_tasks_answered(luas__worker *w, uint32_t n);

#endif
