/*
 * Cancelling tasks, begun or not. The pool's lock is held.
 */
#ifndef LUAS_CANCEL_H
#define LUAS_CANCEL_H

#include "state.h"

/* Cancels the job's tasks from index `from` to `to`: those that have not begun never will, and
   those that run are told to stop. On LUAS_ENOMEM some may be left. */
int luas__cancel_tasks(luas__pool *p, luas__job *job, uint64_t from, uint64_t to);

#endif
