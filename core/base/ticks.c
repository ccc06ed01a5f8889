/* The counter of the CPU as a clock. */
#include "ticks.h"

#include "clock.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

/* A scale needs as long (ns) to be measured well. It is measured anew from then on, as
   CLOCK_MONOTONIC may be slowed down or hastened by whoever sets the time. */
enum { SHORTEST = 1000000, LONGEST = 1000000000 };

/* A counter that was uneven so often is not used. */
enum { MOST_FAULTS = 3 };

/* Ticks between which a reading of the time is too long: something else had the CPU. */
enum { LONG_READING = 2000 };

/* Is it counted evenly, whatever the CPU does? */
static bool is_invariant(void)
{
#if defined(__x86_64__)
    unsigned a, b, c, d = 0;
    return __get_cpuid(0x80000007, &a, &b, &c, &d) && (d & 1u << 8);
#else
    return false;
#endif
}

static void start_measuring(luas__ticks *t, uint64_t count, int64_t now)
{
    t->first_at = count;
    t->first = now;
}

static void distrust(luas__ticks *t)
{
    t->most = 0;
    t->is_even = ++t->faults < MOST_FAULTS;
}

/* Is the new scale what it was, within a hundredth? */
static bool is_same(const luas__ticks *t, double scale)
{
    double before = (double)t->scale;
    return t->most == 0 || (scale > 0.99 * before && scale < 1.01 * before);
}

static void measure(luas__ticks *t, uint64_t count, int64_t now)
{
    int64_t ns = now - t->first;
    double scale = (double)ns / (double)(count - t->first_at) * 4294967296.0;
    if (t->first == 0 || count <= t->first_at) {
        start_measuring(t, count, now);
    } else if (ns >= SHORTEST) {
        if (is_same(t, scale)) {
            t->scale = (uint64_t)scale;
            t->most = (uint64_t)(LUAS__TICKS_TRUST * 4294967296.0 / scale);
        } else {
            distrust(t);
        }
        if (ns >= LONGEST || t->most == 0)
            start_measuring(t, count, now);
    }
}

int64_t luas__ticks_set(luas__ticks *t)
{
    if (!t->checked) {
        t->checked = true;
        t->is_even = is_invariant();
    }
    uint64_t before = luas__ticks_count();
    int64_t now = luas__now();
    if (t->is_even) {
        uint64_t count = luas__ticks_count();
        if (count - before < LONG_READING) {
            measure(t, count, now);
            t->set_at = count;
            t->set_to = now;
        } else {
            t->set_at = 0; /* the next reading sets it */
        }
    }
    return t->last = now > t->last ? now : t->last;
}
