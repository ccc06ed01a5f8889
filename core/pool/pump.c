/*
 * The library's thread: moves bytes for jobs that nobody waits for just now.
 * It sleeps while a call drives the pool or no such job is left, never forks
 * (but has zygotes do it), and takes no signals, so that the application's
 * threads get them.
 */
#define _GNU_SOURCE
#include "pool.h"

#include <signal.h>
#include <stdlib.h>

#include "clock.h"
#include "error.h"

struct luas__pump {
    pthread_t thread;
    pthread_cond_t resume;
    bool begun;         /* it runs, and does nothing without the pool's lock */
    bool quit;
};

enum { MOST_EVENTS = 16 };

static void rest(void)
{
    nanosleep(&(struct timespec){.tv_nsec = 10 * LUAS__MS}, NULL);
}

/* First replaces workers: those of the last call, too, may be used up or gone,
   and no event would tell. Where that fails, an alarm is set to try again. */
static void drive_once(luas__pool *p)
{
    luas__event events[MOST_EVENTS];
    (void)luas__drive_renew(p);
    pthread_mutex_unlock(&p->lock);
    int n = luas__poller_wait(&p->poller, events, MOST_EVENTS, -1);
    pthread_mutex_lock(&p->lock);
    int rc = luas__drive_handle(p, events, n);
    if (rc < 0) { /* no memory: later, perhaps */
        pthread_mutex_unlock(&p->lock);
        rest();
        pthread_mutex_lock(&p->lock);
    }
    if (p->pumping.drivers > 0) /* one that began to wait since: this was its event */
        luas__poller_wake(&p->poller);
}

static void *run(void *arg)
{
    luas__pool *p = arg;
    pthread_mutex_lock(&p->lock);
    p->pumping.pump->begun = true;
    pthread_cond_broadcast(&p->pumping.pump->resume);
    while (!p->pumping.pump->quit)
        if (p->pumping.drivers > 0 || p->pumping.jobs == 0)
            pthread_cond_wait(&p->pumping.pump->resume, &p->lock);
        else
            drive_once(p);
    pthread_mutex_unlock(&p->lock);
    return NULL;
}

/* A fork must not meet a thread that is half made, with locks of whose nobody
   knows. Later on the pool's lock keeps the two apart. */
static void await_begin(luas__pool *p)
{
    pthread_mutex_lock(&p->lock);
    while (!p->pumping.pump->begun)
        pthread_cond_wait(&p->pumping.pump->resume, &p->lock);
    pthread_mutex_unlock(&p->lock);
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

int luas__pump_start(luas__pool *p)
{
    if (p->pumping.pump != NULL)
        return 0;
    p->pumping.pump = calloc(1, sizeof *p->pumping.pump);
    if (p->pumping.pump == NULL)
        return LUAS_ENOMEM;
    pthread_cond_init(&p->pumping.pump->resume, NULL);
    int rc = start_thread(p);
    if (rc < 0) {
        free(p->pumping.pump);
        p->pumping.pump = NULL;
    }
    return rc;
}

void luas__pump_resume(luas__pool *p)
{
    if (p->pumping.pump != NULL && p->pumping.jobs > 0)
        pthread_cond_signal(&p->pumping.pump->resume);
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
