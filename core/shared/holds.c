/* Giving back what a task held. */
#include "holds.h"

#include "shared_lock.h"
#include "shared_semaphore.h"

void luas__holds_end_task(luas__arena *a, uint32_t before)
{
    if (!luas__fork_detect_is_here(&a->here)) /* in a child that the task has forked */
        return;
    while (a->nholds > before) {
        luas__object o = a->holds[a->nholds - 1].object;
        if (o.kind == LUAS__SHARED_LOCK)
            luas__shared_lock_abandon(&o);
        else if (luas__shared_semaphore_release(&o) < 0)
            luas__arena_remove_hold(a, &o);
    }
}

void luas__holds_close(luas__arena *a)
{
    if (a->head != NULL && a->generation != 0)
        luas__holds_end_task(a, 0);
    luas__arena_close(a);
}
