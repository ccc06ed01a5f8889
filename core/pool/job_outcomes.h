/*
 * What became of a job's tasks. The pool settles tasks; their outcomes wait in the inbox until the
 * owner swaps that with `taken`, and reads them there without the lock. Some outcomes the owner is
 * asked about first.
 */
#ifndef LUAS_JOB_OUTCOMES_H
#define LUAS_JOB_OUTCOMES_H

#include "job.h"

/* Makes room, so that luas__job_outcomes_settle cannot fail for the next outcome. */
int luas__job_outcomes_reserve(luas__job *j, const luas__outcome *o, const luas__buffer *printed);

/* Records an outcome, with what the task printed (NULL: not captured). It may be for several
   tasks: ones that were cancelled, or whose values are framed. On LUAS_ENOMEM nothing has
   changed. */
int luas__job_outcomes_settle(luas__job *j, const luas__outcome *o, const char *payload,
                              const luas__buffer *printed);

/* Each pending task with an index between `from` and `to` has this outcome, with an index, a
   count and, unless it says them, attempts of its own. */
int luas__job_outcomes_end_pending(luas__job *j, uint64_t from, uint64_t to, const luas__outcome *as,
                                   const char *payload);

/* Frees the memory that a finished job no longer needs: its outcomes may wait for long. */
void luas__job_outcomes_trim(luas__job *j);

/* Keeps an outcome on which the owner has to decide, with all that luas__job_outcomes_settle would keep. */
int luas__job_outcomes_ask(luas__job *j, const luas__outcome *o, const char *payload, const luas__buffer *printed);

/* The owner takes those that were kept. It must have used up those that it took before. */
void luas__job_outcomes_swap_asked(luas__job *j);

/* The owner: the first of those that it took, until it is answered; or NULL. */
const luas__outcome *luas__job_outcomes_asked(luas__job *j, const char **payload);

/* Makes it the outcome of its task. On LUAS_ENOMEM nothing has changed. */
int luas__job_outcomes_settle_asked(luas__job *j, const luas__outcome *o, const char *payload);

/* The first of those that were taken is used up. */
void luas__job_outcomes_answered(luas__job *j);

/* The owner: swaps the inbox and the taken buffer, of which everything must have been read. */
void luas__job_outcomes_swap(luas__job *j);

/* The owner: are there outcomes that were taken and not yet read? */
bool luas__job_outcomes_has_taken(const luas__job *j);

/* Gives the seconds between start and end of a task, from the stamp that follows its payload;
   0 in a job that is not stamped. */
float luas__job_outcomes_took(const luas__job *j, const char *stamp);

/* The owner: reads the next taken outcome, if it is one of a run of framed values, without the
   cost of luas__job_outcomes_next; else returns NULL. */
static inline const char *luas__job_outcomes_next_value(luas__job *j, uint64_t *index, uint32_t *len)
{
    if (j->output.framed == 0)
        return NULL;
    j->output.framed--;
    *index = ++j->output.value.index;
    const char *value = luas__frame_next_value(&j->output.frames, len);
    *len -= j->seen.stamp;
    return value;
}

/* The owner: as the next one, but framed values come together, as their frames. */
const luas__outcome *luas__job_outcomes_next_run(luas__job *j, const char **payload);

/* The owner: reads the next taken outcome; NULL when there is none left. *payload is valid
   until the next call. Framed values come one by one. */
const luas__outcome *luas__job_outcomes_next(luas__job *j, const char **payload);

#endif
