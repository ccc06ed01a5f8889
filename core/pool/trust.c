/* Workers whose words in the shared memory cannot be true. */
#include "trust.h"

#include <signal.h>

#include "clock.h"
#include "frame.h"
#include "receive.h"

/* How often to look; and for how long what cannot be may be seen. */
#define EACH (100 * LUAS__MS)
#define MOST (2 * LUAS__SECOND)

/* More than was sent. */
static bool claims_too_much(const luas__worker *w)
{
    uint32_t last = w->tasks.next_seq - 1;
    return luas__scoreboard_is_after(luas__scoreboard_started(w->scoreboard), last)
        || luas__scoreboard_is_after(atomic_load(&w->scoreboard->passed), last);
}

/* It is at a later task, or past all, without an answer for its first one. */
static bool owes_an_answer(const luas__worker *w)
{
    if (w->tasks.nchunks == 0)
        return false;
    uint32_t first = w->tasks.chunks[0].seq;
    return luas__scoreboard_is_after(luas__scoreboard_started(w->scoreboard), first)
        || !luas__scoreboard_is_after(first, atomic_load(&w->scoreboard->passed));
}

static bool has_no_start(const luas__worker *w)
{
    const luas__chunk *running = luas__worker_tasks_running(w);
    return running != NULL && running->job->policy.timeout > 0 && luas__worker_tasks_since(w) == 0;
}

static bool has_torn_ring(const luas__worker *w)
{
    uint64_t tail = atomic_load(&w->scoreboard->ring.tail), head = atomic_load(&w->scoreboard->ring.head);
    return head - tail > LUAS__RING || luas__worker_is_ahead(w);
}

/* A whole message that waits here is the host's affair: it has no memory for it. */
static bool is_doubtful(const luas__worker *w)
{
    luas__mp_reader body;
    return (claims_too_much(w) || owes_an_answer(w) || has_no_start(w) || has_torn_ring(w))
        && !luas__frame_peek(&w->link.in, &body);
}

/* Takes in first what the worker has committed: that may explain the words. */
static bool is_still_doubtful(luas__pool *p, luas__worker *w)
{
    return is_doubtful(w) && luas__receive_catch_up(p, w) == 0 && is_doubtful(w);
}

static void consider(luas__pool *p, luas__worker *w, int64_t now)
{
    bool doubtful = is_still_doubtful(p, w);
    bool news = w->doubt.received != w->link.received || w->doubt.served != w->tasks.served;
    if (!doubtful || news || w->doubt.since == 0) {
        w->doubt.received = w->link.received;
        w->doubt.served = w->tasks.served;
        w->doubt.since = doubtful ? now : 0;
    } else if (luas__child_is_stopped(&w->child)) {
        w->doubt.since = now;
    } else if (now - w->doubt.since > MOST) {
        w->doubt.since = 0;
        luas__child_signal_group(&w->child, SIGKILL);
    }
}

void luas__trust_check(luas__pool *p, int64_t now)
{
    if (now - p->trusted_at < EACH)
        return;
    p->trusted_at = now;
    for (int i = 0; i < p->nworkers; i++)
        if (p->workers[i]->state == LUAS__WORKER_RUNNING || p->workers[i]->state == LUAS__WORKER_STOPPING)
            consider(p, p->workers[i], now);
}
