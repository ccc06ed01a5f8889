/* Finding workers that wait for ever. */
#include "deadlock.h"

#include <signal.h>

#include "clock.h"
#include "procfs.h"

/* It waits for ever if it is found in the same wait twice, so long apart. */
#define BETWEEN (250 * LUAS__MS)

int64_t luas__deadlock_watch(luas__worker *w, bool starts, int64_t now)
{
    if (!w->lock.may_hang || w->lock.hangs || w->pid == 0 || w->state >= LUAS__WORKER_REAPED)
        return INT64_MAX;
    if (!starts && w->tasks.unanswered == 0 && w->state != LUAS__WORKER_STOPPING) {
        w->lock.look_at = 0;
        return INT64_MAX;
    }
    if (w->lock.look_at == 0) {
        w->lock.look_at = now + BETWEEN;
        w->lock.seen = 0;
    }
    if (now < w->lock.look_at)
        return w->lock.look_at;
    uint64_t seen = luas__procfs_awaited_lock(w->pid);
    if (seen != 0 && seen == w->lock.seen) {
        w->lock.hangs = true;
        luas__child_signal_group(&w->child, SIGKILL);
        return INT64_MAX;
    }
    w->lock.seen = seen;
    w->lock.look_at = now + BETWEEN;
    return w->lock.look_at;
}
