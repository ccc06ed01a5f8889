/* The mother is ended, and the next worker makes another one. */
#define _GNU_SOURCE
#include "renewal.h"

#include "drive.h"
#include "snapshots.h"

static void end_mother(luas__pool *p)
{
    luas__snapshot *mother = luas__snapshots_mother(p);
    if (mother != NULL)
        luas__zygote_end(&mother->zygote); /* it is reaped later */
    p->mother = NULL;
    p->spawn.births = 0;
    p->spawn.had_mother = false;
}

/* As when the pool was opened: what could not start has nothing to do with the next. */
static void recover(luas__pool *p)
{
    p->health.broken = 0;
    p->health.initialized = false;
    p->health.failed_starts = p->health.refusals = 0;
    p->health.retry_at = 0;
    luas__buffer_truncate(&p->health.why, 0);
    luas__buffer_truncate(&p->health.payload, 0);
}

/* Without memory it keeps its tasks, and is told later. */
static void end_worker(luas__pool *p, luas__worker *w)
{
    (void)luas__worker_tasks_revoke(w);
    if (luas__drive_try_again(p, luas__worker_stop(w, 0)) == 0)
        luas__worker_flush(w, &p->poller);
}

int luas__renewal_begin(luas__pool *p)
{
    if (luas__state_lock(p) < 0)
        return LUAS_EFOREIGN;
    end_mother(p);
    recover(p);
    for (int i = 0; i < p->nworkers; i++)
        if (p->workers[i]->state < LUAS__WORKER_STOPPING)
            end_worker(p, p->workers[i]);
    luas__state_unlock(p);
    return 0;
}
