/* A seat is free if its lock can be taken. */
#define _GNU_SOURCE
#include "seat.h"

#include <unistd.h>

#include "error.h"

int luas__seat_take(luas__seat *seats, uint32_t count, uint32_t first)
{
    for (uint32_t i = 0; i < count; i++) {
        luas__seat *s = &seats[(first + i) % count];
        if (luas__robust_try(&s->life) < 0)
            continue;
        uint32_t generation = atomic_load(&s->generation) + 1;
        atomic_store(&s->pid, (int32_t)getpid());
        atomic_store(&s->worker, 0);
        atomic_store(&s->joins, 0);
        atomic_store(&s->full, 0);
        atomic_store(&s->generation, generation != 0 ? generation : 1);
        return (int)((first + i) % count);
    }
    return -1;
}

void luas__seat_leave(luas__seat *s)
{
    atomic_store(&s->left, atomic_load(&s->generation));
    luas__robust_unlock(&s->life);
}

/* If the process has died this takes its lock and releases it: then the next one that asks gets
   the lock at once. While one process asks, others may find the seat taken. */
bool luas__seat_is_taken(luas__seat *s)
{
    if (luas__robust_try(&s->life) < 0)
        return true;
    luas__robust_unlock(&s->life);
    return false;
}
