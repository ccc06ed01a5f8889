/*
 * The tasks of a worker as the host sees them: the chunks that were sent and not answered yet,
 * in order, and what the worker knows about their jobs. Nothing here waits: messages are
 * queued, and luas__worker_flush writes them. The pool's lock guards everything.
 */
#ifndef LUAS_WORKER_TASKS_H
#define LUAS_WORKER_TASKS_H

#include "worker.h"

/* Queues a chunk, and before it what the worker must know about its job. */
int luas__worker_tasks_give(luas__worker *w, luas__job *job, luas__range range, luas__batch *batch);

/* Queue a FORGET for a job that is over, and a DROP for a definition. */
int luas__worker_tasks_forget(luas__worker *w, int64_t job);
int luas__worker_tasks_drop(luas__worker *w, int64_t definition);

/* Was the worker given a task of this job that was not taken back? */
bool luas__worker_tasks_had(const luas__worker *w, const luas__job *job);

/* The seq of the task that was started last; and when it started, 0 where that is not known.
   What cannot be true is not believed. */
uint32_t luas__worker_tasks_started(const luas__worker *w);
int64_t luas__worker_tasks_since(const luas__worker *w);

/* How many tasks were sent and have not started at this moment. */
uint32_t luas__worker_tasks_unstarted(const luas__worker *w);

/* The chunk of the task that runs, or ran last; NULL: there is none. */
luas__chunk *luas__worker_tasks_running(const luas__worker *w);

/* Takes back the tasks that have not started. They are pending in their jobs again. */
int luas__worker_tasks_revoke(luas__worker *w);

/* Removes the first n unanswered tasks, all of one chunk: they have their outcomes. */
void luas__worker_tasks_answered(luas__worker *w, uint32_t n);

#endif
