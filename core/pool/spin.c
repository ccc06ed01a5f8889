/*
 * Lingering: a look at the shared scoreboard before going to sleep. Where one worker
 * alone is at a single short task, its result is there before the host would
 * be asleep and woken again, and so costs half as much. What it takes from
 * other processes is bounded: it is given up after the first wait that was too
 * long for it, until a wait has turned out short again. The worker that it has
 * worked for may linger in the same way for its next task (channel.c).
 */
#define _GNU_SOURCE
#include "pool.h"

#include "clock.h"
#include "cpus.h"

#define LONGEST (50 * LUAS__MS / 1000)

/* So often in a row; then events have their turn. */
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

/* While one looks the other must be able to work. */
static bool has_a_cpu_to_spare(luas__pool *p)
{
    if (p->cpus == 0)
        p->cpus = luas__cpus_count();
    return p->cpus > 1;
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

void luas__spin_learn(luas__pool *p, int64_t waited)
{
    p->spin.in_a_row = 0;
    p->spin.pays = waited < LONGEST && only_busy(p) != NULL && has_a_cpu_to_spare(p);
}
