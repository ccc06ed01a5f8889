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

struct luas__keep {
    luas__zygote zygote;
    struct luas__keep *next;
    const luas__job *job;       /* NULL: it was ended */
    uint32_t generation;
    int blobs;                  /* of the job's, that it has */
};

/* The zygote, and then each worker that it forks. */
static _Noreturn void be_zygote(luas__pool *p, luas__zygote z, void *host)
{
    luas__dowry dowry;
    luas__channel channel;
    luas__pool_close_copies(p, NULL);
    if (p->options.abandon != NULL)
        p->options.abandon(host);
    luas__zygote_serve(&z, &dowry);
    luas__area_keep(&p->area, dowry.slot);
    if (luas__worker_wake(&channel, &dowry) < 0)
        _exit(1);
    _exit(p->options.main(host, &channel));
}

/* Its workers will have slots that nobody has yet. */
static int open_zygote(luas__zygote *z, const luas__area *a)
{
    int rc = luas__area_show(luas__area_whole(a));
    return rc < 0 ? rc : luas__zygote_open(z);
}

void luas__pool_keep(luas__pool *p, luas__job *job, void *host)
{
    struct luas__keep *k = malloc(sizeof *k);
    pthread_mutex_lock(&p->lock);
    job->kept = true;
    luas__keep_end(p, job);
    if (k == NULL) {
        pthread_mutex_unlock(&p->lock);
        return;
    }
    *k = (struct luas__keep){.next = p->keeps, .job = job, .generation = job->generation,
                             .blobs = job->nblobs};
    int rc = open_zygote(&k->zygote, &p->area);
    luas__zygote z = k->zygote;
    if (rc > 0)
        p->keeps = k;
    else
        free(k);
    if (rc == 0)
        be_zygote(p, z, host);
    pthread_mutex_unlock(&p->lock);
}

luas__zygote *luas__keep_find(const luas__pool *p, uint32_t generation, int *blobs)
{
    for (struct luas__keep *k = p->keeps; k != NULL && generation != 0; k = k->next)
        if (k->job != NULL && k->generation == generation && k->zygote.socket >= 0) {
            *blobs = k->blobs;
            return &k->zygote;
        }
    return NULL;
}

bool luas__keep_has_others(const luas__pool *p, uint32_t generation)
{
    for (const struct luas__keep *k = p->keeps; k != NULL; k = k->next)
        if (k->job != NULL && k->generation != generation)
            return true;
    return false;
}

void luas__keep_end(luas__pool *p, const luas__job *job)
{
    for (struct luas__keep *k = p->keeps; k != NULL; k = k->next)
        if (k->job == job) {
            k->job = NULL;
            luas__zygote_end(&k->zygote);
        }
}

void luas__keep_bury(luas__pool *p)
{
    for (struct luas__keep **at = &p->keeps, *k; (k = *at) != NULL;)
        if (k->job == NULL && luas__child_reap(&k->zygote.child)) {
            *at = k->next;
            luas__zygote_close(&k->zygote);
            free(k);
        } else {
            at = &k->next;
        }
}

void luas__keep_close(luas__pool *p)
{
    for (struct luas__keep *k = p->keeps; k != NULL; k = k->next) {
        k->job = NULL;
        luas__zygote_end(&k->zygote);
    }
    for (struct luas__keep *k = p->keeps; k != NULL; k = k->next)
        luas__child_await(&k->zygote.child);
    luas__keep_bury(p);
}

void luas__keep_abandon(const luas__pool *p, luas__closing *closing)
{
    for (const struct luas__keep *k = p->keeps; k != NULL; k = k->next)
        luas__zygote_abandon(&k->zygote, closing);
}

/* Can another worker with this one's image be had, that sees the same? */
static bool is_replaceable(const luas__pool *p, const luas__worker *w)
{
    int blobs;
    for (const luas__job *job = p->jobs; job != NULL; job = job->next)
        if (job->generation == w->generation && job->policy.flags & LUAS__JOB_INHERIT)
            return w->process == NULL && !job->closed
                && (!job->kept || luas__keep_find(p, w->generation, &blobs) != NULL);
    return false;
}

/* A worker that has allocated much would come to read, and so copy, what it has
   inherited. It ends after the task that it runs; others do what it has not begun. */
void luas__keep_relieve(luas__pool *p)
{
    for (int i = 0; i < p->nworkers; i++) {
        luas__worker *w = p->workers[i];
        if (w->generation != 0 && !w->stopping && !w->reaped && atomic_load(&w->page->laden)
            && is_replaceable(p, w) && luas__worker_revoke(w) == 0)
            luas__worker_stop(w, 0);
    }
}
