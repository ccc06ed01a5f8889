/* Ends tasks as the journal says. */
#include "recall.h"

#include "halt.h"
#include "job_outcomes.h"
#include "jobs.h"
#include "journal_job.h"

/* Returns LUAS_ENOMEM when the keys of further tasks are not known. */
static int recall(luas__pool *p, luas__job *job, uint64_t index)
{
    luas__outcome o;
    const char *payload;
    int rc = luas__journal_job_take(job->seen.journal, &o, &payload);
    if (rc != 1)
        return rc;
    p->stats.resumed++;
    p->progress++;
    (void)luas__job_outcomes_end_pending(job, index, index, &o, payload);
    return 0;
}

void luas__recall_tasks(luas__pool *p, luas__job *job, uint64_t count)
{
    if (job->seen.journal == NULL)
        return;
    for (uint64_t i = 1; i <= count && recall(p, job, job->input.fed - count + i) == 0; i++)
        ;
    if (job->output.failures > 0)
        luas__halt_look(p, job);
    if (luas__job_finished(job))
        luas__jobs_done(p, job);
}
