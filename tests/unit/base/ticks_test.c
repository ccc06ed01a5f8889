/* The clock of tasks says what CLOCK_MONOTONIC says, and never goes back. */
#include "ticks.h"

#include "clock.h"
#include "testing.h"

/* ns by which both may differ. */
enum { NEAR = 5000 };

static void read_for(luas__ticks *t, int64_t ns, int64_t near)
{
    int64_t last = t->last, end = luas__now() + ns;
    for (int64_t before = 0; before < end;) {
        before = luas__now();
        int64_t now = luas__ticks_now(t), after = luas__now();
        CHECK(now >= last);
        CHECK(now >= before - near && now <= after + near);
        last = now;
    }
}

static void test_it_says_what_the_other_clock_says(void)
{
    luas__ticks t = {0};
    read_for(&t, 50 * LUAS__MS, NEAR);
}

static void test_a_counter_that_is_uneven_is_used_no_more(void)
{
    luas__ticks t = {0};
    for (int i = 0; i < 10; i++) {
        read_for(&t, 5 * LUAS__MS, NEAR + LUAS__TICKS_TRUST);
        t.scale *= 2; /* as if it had become slower by half */
    }
    read_for(&t, 5 * LUAS__MS, NEAR + LUAS__TICKS_TRUST);
    CHECK(!t.is_even && t.most == 0);
    read_for(&t, 20 * LUAS__MS, NEAR);
}

static void test_a_counter_that_jumps_does_not_turn_it_back(void)
{
    luas__ticks t = {0};
    read_for(&t, 5 * LUAS__MS, NEAR);
    t.set_at -= t.most / 2; /* ahead */
    read_for(&t, 5 * LUAS__MS, NEAR + LUAS__TICKS_TRUST);
    t.set_at += t.most; /* and back */
    read_for(&t, 5 * LUAS__MS, NEAR + LUAS__TICKS_TRUST);
    read_for(&t, 5 * LUAS__MS, NEAR);
}

int main(void)
{
    RUN(test_it_says_what_the_other_clock_says);
    RUN(test_a_counter_that_is_uneven_is_used_no_more);
    RUN(test_a_counter_that_jumps_does_not_turn_it_back);
    return 0;
}
