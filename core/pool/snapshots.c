/*
 * The zygotes of a pool: one for each inheriting job whose host goes on while
 * the job runs. It keeps what such a job's tasks see for the workers that take
 * the place of others. So workers can also be replaced that are laden with what
 * their tasks have left.
 */
#define _GNU_SOURCE
#include "pool.h"

#include <stdlib.h>
#include <unistd.h>

struct luas__snapshot {
    luas__zygote zygote;
    struct luas__snapshot *next;
    const luas__job *job;       /* NULL: it was ended */
    uint32_t snapshot;
    int definitions;                  /* of the job's, that it has */
};

/* The zygote, and then each worker that it forks. */
static _Noreturn void be_zygote(luas__pool *p, luas__zygote z, void *host)
{
    luas__zygote_request wanted;
    luas__channel channel;
    luas__spawn_close_copies(p, NULL);
    if (p->options.abandon != NULL)
        p->options.abandon(host);
    luas__zygote_serve(&z, &wanted);
    luas__bulk_keep(&p->bulk, wanted.slot);
    if (luas__worker_wake(&channel, &wanted) < 0)
        _exit(1);
    _exit(p->options.main(host, &channel));
}

/* Its workers will have slots that nobody has yet. */
static int open_zygote(luas__zygote *z, const luas__bulk *a)
{
    int rc = luas__bulk_show(luas__bulk_whole(a));
    return rc < 0 ? rc : luas__zygote_open(z);
}

void luas__pool_snapshot(luas__pool *p, luas__job *job, void *host)
{
    struct luas__snapshot *k = malloc(sizeof *k);
    pthread_mutex_lock(&p->lock);
    job->snapshot.has_zygote = true;
    luas__snapshots_end(p, job);
    if (k == NULL) {
        pthread_mutex_unlock(&p->lock);
        return;
    }
    *k = (struct luas__snapshot){.next = p->snapshots, .job = job, .snapshot = job->snapshot.id,
                             .definitions = job->ndefinitions};
    int rc = open_zygote(&k->zygote, &p->bulk);
    luas__zygote z = k->zygote;
    if (rc > 0)
        p->snapshots = k;
    else
        free(k);
    if (rc == 0)
        be_zygote(p, z, host);
    pthread_mutex_unlock(&p->lock);
}

luas__zygote *luas__snapshots_find(const luas__pool *p, uint32_t snapshot, int *definitions)
{
    for (struct luas__snapshot *k = p->snapshots; k != NULL && snapshot != 0; k = k->next)
        if (k->job != NULL && k->snapshot == snapshot && k->zygote.socket >= 0) {
            *definitions = k->definitions;
            return &k->zygote;
        }
    return NULL;
}

bool luas__snapshots_has_others(const luas__pool *p, uint32_t snapshot)
{
    for (const struct luas__snapshot *k = p->snapshots; k != NULL; k = k->next)
        if (k->job != NULL && k->snapshot != snapshot)
            return true;
    return false;
}

void luas__snapshots_end(luas__pool *p, const luas__job *job)
{
    for (struct luas__snapshot *k = p->snapshots; k != NULL; k = k->next)
        if (k->job == job) {
            k->job = NULL;
            luas__zygote_end(&k->zygote);
        }
}

void luas__snapshots_free(luas__pool *p)
{
    for (struct luas__snapshot **at = &p->snapshots, *k; (k = *at) != NULL;)
        if (k->job == NULL && luas__child_reap(&k->zygote.child)) {
            *at = k->next;
            luas__zygote_close(&k->zygote);
            free(k);
        } else {
            at = &k->next;
        }
}

void luas__snapshots_close(luas__pool *p)
{
    for (struct luas__snapshot *k = p->snapshots; k != NULL; k = k->next) {
        k->job = NULL;
        luas__zygote_end(&k->zygote);
    }
    for (struct luas__snapshot *k = p->snapshots; k != NULL; k = k->next)
        luas__child_await(&k->zygote.child);
    luas__snapshots_free(p);
}

void luas__snapshots_abandon(const luas__pool *p, luas__fd_closing *closing)
{
    for (const struct luas__snapshot *k = p->snapshots; k != NULL; k = k->next)
        luas__zygote_abandon(&k->zygote, closing);
}

/* Can another worker with this one's image be had, that sees the same? */
static bool is_replaceable(const luas__pool *p, const luas__worker *w)
{
    int definitions;
    for (const luas__job *job = p->jobs; job != NULL; job = job->next)
        if (job->snapshot.id == w->snapshot && job->policy.flags & LUAS__JOB_INHERIT)
            return w->process == NULL && !job->closed
                && (!job->snapshot.has_zygote || luas__snapshots_find(p, w->snapshot, &definitions) != NULL);
    return false;
}

/* A worker that has allocated much would come to read, and so copy, what it has
   inherited. It ends after the task that it runs; others do what it has not begun. */
void luas__scaling_relieve(luas__pool *p)
{
    for (int i = 0; i < p->nworkers; i++) {
        luas__worker *w = p->workers[i];
        if (w->snapshot != 0 && w->state < LUAS__WORKER_STOPPING && atomic_load(&w->scoreboard->over_gc_budget)
            && is_replaceable(p, w) && luas__worker_revoke(w) == 0)
            luas__worker_stop(w, 0);
    }
}
