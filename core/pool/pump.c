/* A thread and when it sleeps. */
#define _GNU_SOURCE
#include "pump.h"

#include <signal.h>
#include <stdlib.h>

#include "error.h"

struct luas__pump {
    pthread_t thread;
    pthread_cond_t resume;
    void (*drive)(luas__pool *p);
    bool begun;         /* it runs; from here on it does nothing without the pool's lock */
    bool quit;
};

/* A worker that is about to end, or to be killed if it does not. */
static bool is_leaving(const luas__worker *w)
{
    return w->state == LUAS__WORKER_STOPPING || w->state == LUAS__WORKER_REAPED
        || (w->state == LUAS__WORKER_RUNNING && w->deadline.stop_seq != 0);
}

bool luas__pump_has_leftovers(const luas__pool *p)
{
    for (int i = 0; i < p->nworkers; i++)
        if (is_leaving(p->workers[i]))
            return true;
    return false;
}

static bool has_work(const luas__pool *p)
{
    return p->pumping.jobs > 0 || luas__pump_has_leftovers(p)
        || (p->pumping.keeps_time && p->nworkers > 0 && !p->pumping.is_polled);
}

static void *run(void *arg)
{
    luas__pool *p = arg;
    pthread_mutex_lock(&p->lock);
    p->pumping.pump->begun = true;
    pthread_cond_broadcast(&p->pumping.pump->resume);
    while (!p->pumping.pump->quit)
        if (p->atfork.left || p->pumping.drivers > 0 || !has_work(p))
            pthread_cond_wait(&p->pumping.pump->resume, &p->lock);
        else
            p->pumping.pump->drive(p);
    pthread_mutex_unlock(&p->lock);
    return NULL;
}

/* Waits until the new thread runs. While it starts it holds locks of the C library, which a
   fork would copy locked. Later it holds such locks only together with the pool's lock, and
   that keeps forks away. */
static void await_begin(luas__pool *p)
{
    while (!p->pumping.pump->begun)
        pthread_cond_wait(&p->pumping.pump->resume, &p->lock);
}

static int start_thread(luas__pool *p)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(&p->pumping.pump->thread, NULL, run, p);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error == 0)
        await_begin(p);
    return -error;
}

int luas__pump_start(luas__pool *p, void (*drive)(luas__pool *p))
{
    if (p->pumping.pump != NULL)
        return 0;
    p->pumping.pump = calloc(1, sizeof *p->pumping.pump);
    if (p->pumping.pump == NULL)
        return LUAS_ENOMEM;
    pthread_cond_init(&p->pumping.pump->resume, NULL);
    p->pumping.pump->drive = drive;
    int rc = start_thread(p);
    if (rc < 0) {
        free(p->pumping.pump);
        p->pumping.pump = NULL;
    }
    return rc;
}

void luas__pump_resume(luas__pool *p)
{
    if (p->pumping.pump != NULL && has_work(p))
        pthread_cond_signal(&p->pumping.pump->resume);
}

void luas__pump_enter(luas__pool *p)
{
    pthread_mutex_lock(&p->lock);
    while (p->atfork.left)
        pthread_cond_wait(&p->pumping.pump->resume, &p->lock);
}

void luas__pump_renew(luas__pool *p)
{
    if (p->pumping.pump != NULL)
        pthread_cond_init(&p->pumping.pump->resume, NULL);
}

void luas__pump_end(luas__pool *p)
{
    if (p->pumping.pump == NULL)
        return;
    pthread_mutex_lock(&p->lock);
    p->pumping.pump->quit = true;
    pthread_cond_signal(&p->pumping.pump->resume);
    luas__poller_wake(&p->poller);
    pthread_mutex_unlock(&p->lock);
    pthread_join(p->pumping.pump->thread, NULL);
    pthread_cond_destroy(&p->pumping.pump->resume);
    free(p->pumping.pump);
    p->pumping.pump = NULL;
}
