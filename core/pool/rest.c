/* Ending workers that have nothing to do. */
#define _GNU_SOURCE
#include "rest.h"

static bool rests(const luas__pool *p, const luas__worker *w)
{
    return w->tasks.unanswered == 0 && w->snapshot_job == NULL && w->state == LUAS__WORKER_RUNNING
        && (w->ready || !p->options.has_init);
}

/* Without memory it is told later. */
static void end(luas__pool *p, luas__worker *w)
{
    luas__worker_stop(w, 0);
    luas__worker_flush(w, &p->poller);
}

int64_t luas__rest_watch(luas__pool *p, luas__worker *w, int64_t now)
{
    if (p->options.idle == 0 || !rests(p, w))
        return INT64_MAX;
    if (w->rest.since == 0 || w->rest.served != w->tasks.served)
        w->rest.since = now;
    w->rest.served = w->tasks.served;
    if (now - w->rest.since < p->options.idle)
        return w->rest.since + p->options.idle;
    end(p, w);
    return INT64_MAX;
}

int luas__rest_trim(luas__pool *p)
{
    int n = 0;
    for (int i = 0; i < p->nworkers; i++)
        if (rests(p, p->workers[i])) {
            end(p, p->workers[i]);
            n++;
        }
    return n;
}
