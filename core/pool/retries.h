/*
 * Whether, and when, a task that failed is started again.
 *
 * Where the owner decides (LUAS__RETRY_ASK) its outcome is kept aside and the task is held.
 * The owner takes the outcome and answers: then it is that of the task, or is forgotten, as
 * it is where the task was cancelled meanwhile.
 *
 * The pool's lock is held, but for what the owner has taken.
 */
#ifndef LUAS_RETRIES_H
#define LUAS_RETRIES_H

#include "state.h"

enum luas__retry { LUAS__RETRY_NOT, LUAS__RETRY_AGAIN, LUAS__RETRY_ASK_OWNER };

/* What is to become of a task that ended so, after so many earlier starts? */
enum luas__retry luas__retries_decide(const luas__job *job, int kind, uint32_t attempts);

/* Has a task started again, at its time; range.attempts are the starts that it had. */
int luas__retries_again(luas__pool *p, luas__job *job, luas__range task);

/* Keeps the outcome until the owner has decided. On LUAS_ENOMEM nothing has changed. */
int luas__retries_ask(luas__job *job, const luas__outcome *o, const char *payload,
                      const luas__buffer *printed);

/* The owner, without the lock: the outcome to decide on, the same until it was answered, or
   NULL. */
const luas__outcome *luas__retries_asked(luas__pool *p, luas__job *job, const char **payload);
int luas__retries_answer(luas__pool *p, luas__job *job, bool again);

#endif
