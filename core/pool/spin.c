/* Spinning in the host. */
#define _GNU_SOURCE
#include "spin.h"

#include "clock.h"
#include "receive.h"

#define LONGEST (50 * LUAS__MS / 1000)

/* How often to spin in a row before events are looked at. */
enum { MOST_IN_A_ROW = 64 };

static luas__worker *only_busy(const luas__pool *p)
{
    luas__worker *found = NULL;
    for (int i = 0; i < p->nworkers; i++) {
        luas__worker *w = p->workers[i];
        if (w->tasks.unanswered == 0)
            continue;
        if (found != NULL || w->tasks.unanswered > 1 || w->state >= LUAS__WORKER_REAPED)
            return NULL;
        found = w;
    }
    return found;
}

bool luas__spin_for_result(luas__pool *p)
{
    luas__worker *w = p->spin.pays ? only_busy(p) : NULL;
    if (w == NULL || p->spin.in_a_row >= MOST_IN_A_ROW)
        return false;
    int64_t end = luas__now() + LONGEST;
    do {
        if (luas__worker_is_ahead(w)) {
            atomic_store(&w->scoreboard->spun_for, w->tasks.chunks[0].seq);
            p->spin.in_a_row++;
            return luas__receive_catch_up(p, w) == 0;
        }
    } while (luas__now() < end);
    p->spin.pays = false;
    return false;
}

/* Spinning pays only where host and worker can run at the same time. */
void luas__spin_learn(luas__pool *p, int64_t waited)
{
    p->spin.in_a_row = 0;
    p->spin.pays = waited < LONGEST && only_busy(p) != NULL && luas__state_cpus(p) > 1;
}
