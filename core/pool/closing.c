/* The end of a pool's workers. */
#define _GNU_SOURCE
#include "closing.h"

#include <poll.h>
#include <signal.h>

#include "clock.h"
#include "deadlines.h"
#include "receive.h"

#define TIME_TO_FLUSH LUAS__SECOND

static bool is_at_tasks(const luas__pool *p, const luas__worker *w)
{
    return w->process == NULL && (w->ready || !p->options.has_init);
}

static void hang_up(luas__pool *p, luas__worker *w)
{
    if (w->link.wants_write)
        luas__poller_remove(&p->poller, w->link.request);
    w->link.wants_write = false;
    atomic_store(&w->scoreboard->closes, 1);
    luas__fd_close(&w->link.request);
}

/* Takes back the tasks that have not begun. If there is no memory for that the worker is killed
   later. */
static void tell(luas__pool *p, luas__worker *w)
{
    if (luas__receive_all(p, w) == 0 && is_at_tasks(p, w) && luas__worker_tasks_revoke(w) == 0)
        luas__deadlines_stop_task(p, w, LUAS__KIND_CANCELLED);
    else
        luas__child_signal_group(&w->child, SIGKILL);
    hang_up(p, w);
}

void luas__closing_tell(luas__pool *p)
{
    for (int i = 0; i < p->nworkers; i++)
        if (p->workers[i]->state < LUAS__WORKER_REAPED)
            tell(p, p->workers[i]);
}

/* Reads what the ending workers still print. */
static void read_outputs(luas__pool *p)
{
    if (p->options.output == LUAS__OUTPUT_INHERIT)
        return;
    pthread_mutex_lock(&p->lock);
    for (int i = 0; i < p->nworkers; i++)
        luas__output_read(&p->workers[i]->output, &p->poller);
    pthread_mutex_unlock(&p->lock);
}

static bool is_late(const luas__worker *w, int64_t end)
{
    int64_t now = luas__now();
    return now >= end || (w->deadline.stop_seq != 0 && now >= w->deadline.kill_at);
}

static void await(luas__pool *p, luas__worker *w, int64_t end)
{
    struct pollfd watch = {.fd = w->child.watch, .events = POLLIN};
    while (!luas__child_reap(&w->child)) {
        if (is_late(w, end)) {
            luas__child_signal_group(&w->child, SIGKILL);
            luas__child_await(&w->child);
            return;
        }
        poll(&watch, watch.fd >= 0, 1);
        read_outputs(p);
    }
}

void luas__closing_await(luas__pool *p)
{
    int64_t end = luas__now() + TIME_TO_FLUSH;
    for (int i = 0; i < p->nworkers; i++)
        await(p, p->workers[i], end);
}
