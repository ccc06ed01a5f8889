/*
 * A clock for who reads it all the time: the counter of the CPU, which takes a third of the time
 * of luas__now. It is set by luas__now when it was not read for a while (LUAS__TICKS_TRUST), so
 * both differ by less than a microsecond. It never goes back. Where there is no such counter, or
 * it turns out not to be even, it is luas__now.
 *
 * It belongs to one thread. All zero is a valid clock that was never read.
 */
#ifndef LUAS_TICKS_H
#define LUAS_TICKS_H

#include <stdbool.h>
#include <stdint.h>

static inline uint64_t luas__ticks_count(void)
{
#if defined(__x86_64__)
    return __builtin_ia32_rdtsc();
#else
    return 0;
#endif
}

/* ns; as long it goes by the counter alone. */
enum { LUAS__TICKS_TRUST = 200000 };

typedef struct luas__ticks {
    uint64_t set_at;        /* the count when it was set, */
    int64_t set_to;         /* and the time (ns) */
    uint64_t scale;         /* ns of a tick, times 2^32 */
    uint64_t most;          /* ticks that it goes without being set; 0: always set it */
    int64_t last;           /* the last reading */
    uint64_t first_at;      /* count and time from which the scale is measured; 0: none yet */
    int64_t first;
    int faults;             /* how often the counter was uneven */
    bool checked, is_even;  /* whether there is a counter that is even, by the CPU's word */
} luas__ticks;

/* Sets the clock, and gives the time. */
int64_t luas__ticks_set(luas__ticks *t);

/* Gives the time: ns, as luas__now. */
static inline int64_t luas__ticks_now(luas__ticks *t)
{
    uint64_t passed = luas__ticks_count() - t->set_at;
    if (passed >= t->most)
        return luas__ticks_set(t);
    int64_t now = t->set_to + (int64_t)(passed * t->scale >> 32);
    return t->last = now > t->last ? now : t->last;
}

#endif
