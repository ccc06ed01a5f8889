/* A pool of luas.h as a whole: its figures, its size, its end, another script. */
#define _GNU_SOURCE
#include <string.h>

#include "clock.h"
#include "cpus.h"
#include "embed.h"
#include "error.h"
#include "pool_options.h"
#include "renewal.h"

/* ---- workers ---- */

int luas_pool_trim(luas_pool *p)
{
    return luas__embed_is_foreign(p) ? LUAS_EFOREIGN : luas__pool_trim(p->pool);
}

int luas_resize(luas_pool *p, int workers)
{
    if (workers < 0 || workers > LUAS__MOST_WORKERS)
        return LUAS_EINVAL;
    int rc = luas__pool_resize(p->pool, workers > 0 ? workers : luas__cpus_count());
    if (rc == 0)
        luas__embed_submit_hurry(p);
    return rc;
}

/* ---- figures ---- */

static void count_workers(const luas__pool *p, luas_figures *f)
{
    for (int i = 0; i < p->nworkers; i++) {
        f->workers += p->workers[i]->state < LUAS__WORKER_REAPED;
        f->busy += p->workers[i]->tasks.unanswered > 0;
    }
}

/* The header maps these names to functions that set the size. */
#undef luas_stats
#undef luas_reload

int luas_stats(luas_pool *p, luas_figures *figures)
{
    luas_figures full = {.size = figures->size, .pending = p->calls.count};
    if (figures->size < sizeof figures->size)
        return LUAS_EINVAL;
    if (luas__state_lock(p->pool) < 0)
        return LUAS_EFOREIGN;
#define COPY(name) full.name = p->pool->stats.name;
    LUAS__STATS(COPY)
#undef COPY
    count_workers(p->pool, &full);
    luas__state_unlock(p->pool);
    memset(figures, 0, full.size);
    memcpy(figures, &full, full.size < sizeof full ? full.size : sizeof full);
    return 0;
}

/* ---- the end ---- */

static bool is_done(const luas_pool *p)
{
    for (int i = 0; i < p->njobs; i++)
        if (p->jobs[i].job->output.settled < p->jobs[i].job->input.fed)
            return false;
    return true;
}

int luas_drain(luas_pool *p, double seconds)
{
    if (luas__embed_is_foreign(p))
        return LUAS_EFOREIGN;
    if (p->is_receiving || !(seconds >= 0))
        return LUAS_EINVAL;
    p->is_drained = true;
    int64_t end = luas__now() + luas__seconds(seconds), left;
    while (!is_done(p) && (left = end - luas__now()) >= 0) {
        int rc = luas__pool_step(p->pool, left, p);
        if (rc < 0)
            return rc;
        if (left == 0)
            break;
    }
    if (luas__embed_has_outcome(p))
        luas__poller_wake(&p->pool->poller);
    return is_done(p);
}

/* ---- another script ---- */

/* What does not belong to the script stays as it was. */
static void keep_rest(const luas_pool *p, luas_options *o)
{
    o->shared = (luas_shared *)(uintptr_t)p->kit.shared;
    o->memory = p->kit.memory;
    o->max_memory = p->kit.is_weighed; /* that it is, not how much */
    o->start = p->kit.program.len > 0 ? LUAS_START_EXEC : LUAS_START_ZYGOTE;
    o->program = p->kit.program.len > 0 ? luas__buffer_bytes(&p->kit.program) : NULL;
    o->name = luas__embed_kit_words(luas__buffer_bytes(&p->kit.words), p->kit.words.len).name;
}

int luas_reload(luas_pool *p, const luas_options *given)
{
    luas_options o;
    luas__embed_kit kit;
    luas__buffer words = LUAS__BUFFER_INIT;
    if (luas__embed_is_foreign(p))
        return LUAS_EFOREIGN;
    if (!luas__embed_read_options(&o, given))
        return LUAS_EINVAL;
    keep_rest(p, &o);
    int rc = luas__embed_kit_read(&kit, &o, &words);
    luas__embed_say_why(&o, rc, &words);
    luas__buffer_release(&words);
    if (rc < 0)
        return rc;
    luas__embed_kit_release(&p->kit);
    p->kit = kit;
    rc = luas__renewal_begin(p->pool);
    if (rc == 0)
        rc = luas__pool_populate(p->pool, p);
    luas__embed_submit_hurry(p);
    return rc;
}
