/* Limits: which tasks of a job may start. First by themselves, then in a pool. */
#include "pool_testing.h"

#include "limit.h"

/* The tasks that are pending now; they count as dealt from then on. */
static uint64_t deal(luas__limit *l, luas__pending *pending, uint64_t *tasks)
{
    uint64_t n = 0;
    for (const luas__range *next; (next = luas__pending_first(pending)) != NULL;) {
        uint64_t index = tasks[n++] = next->first;
        luas__pending_take(pending, next, 1);
        luas__limit_dealt(l, index);
        luas__limit_release(l, index, pending);
    }
    return n;
}

static luas__limit *fill(luas__limit_policy policy, const uint32_t *numbers, size_t count, luas__pending *pending)
{
    luas__limit *l = luas__limit_new(&policy);
    uint64_t added = 0;
    CHECK(l != NULL);
    CHECK_INT(luas__limit_add_keys(l, numbers, count), 0);
    CHECK_INT(luas__limit_wait(l, (luas__range){.first = 1, .count = count}, pending, &added), 0);
    for (uint64_t i = 1; i <= count; i++)
        luas__limit_release(l, i, pending);
    return l;
}

static void test_so_many_of_each_key(void)
{
    luas__pending pending = {.count = 0};
    uint64_t tasks[16];
    luas__limit *l = fill((luas__limit_policy){.n = 2}, (uint32_t[]){1, 1, 1, 2, 0, 1, 0, 2, 2}, 9, &pending);
    CHECK_INT(deal(l, &pending, tasks), 6);
    CHECK(tasks[0] == 1 && tasks[1] == 2 && tasks[2] == 4 && tasks[3] == 5 && tasks[4] == 7 && tasks[5] == 8);
    luas__limit_ended(l, 2);
    CHECK_INT(luas__limit_release(l, 2, &pending), 1);
    CHECK_INT(deal(l, &pending, tasks), 1);
    CHECK_INT(tasks[0], 3);
    luas__limit_ended(l, 5); /* has none */
    CHECK_INT(luas__limit_release(l, 5, &pending), 0);
    luas__limit_returned(l, 3); /* it had not begun, and is pending again */
    CHECK_INT(luas__pending_add(&pending, (luas__range){.first = 3, .count = 1}), 0);
    CHECK_INT(luas__limit_release(l, 3, &pending), 0);
    CHECK_INT(deal(l, &pending, tasks), 1);
    luas__limit_free(l);
    luas__pending_release(&pending);
}

static void test_numbers_are_spare_when_their_tasks_have_ended(void)
{
    luas__pending pending = {.count = 0};
    uint64_t tasks[16];
    uint32_t spare[8];
    luas__limit *l = fill((luas__limit_policy){.n = 1, .interval = LUAS__SECOND}, (uint32_t[]){1, 2, 2, 3, 0}, 5, &pending);
    CHECK_INT((int)luas__limit_spare(l, spare, 8), 0);
    CHECK_INT(deal(l, &pending, tasks), 4);
    luas__limit_ended(l, 1);
    luas__limit_settled(l, 1);
    luas__limit_ended(l, 2);
    luas__limit_settled(l, 2);
    luas__limit_settled(l, 5);
    CHECK_INT((int)luas__limit_spare(l, spare, 8), 0); /* the next task of key 1 could not start yet */
    l->keys[0]->next_at = l->keys[1]->next_at = luas__now();
    CHECK_INT((int)luas__limit_spare(l, spare, 8), 1); /* key 2 has a task that waits, 3 one that runs */
    CHECK_INT((int)spare[0], 1);
    CHECK_INT((int)luas__limit_spare(l, spare, 0), 0);
    CHECK_INT(luas__limit_add_keys(l, (uint32_t[]){1}, 1), 0);
    CHECK_INT((int)luas__limit_spare(l, spare, 8), 0);
    luas__limit_free(l);
    luas__pending_release(&pending);
}

static void test_one_key_for_all(void)
{
    luas__pending pending = {.count = 0};
    uint64_t tasks[16];
    luas__limit *l = fill((luas__limit_policy){.n = 3}, NULL, 0, &pending);
    uint64_t added = 0;
    CHECK_INT(luas__limit_wait(l, (luas__range){.first = 1, .count = 10}, &pending, &added), 0);
    luas__limit_release(l, 1, &pending);
    CHECK(added == 0 && deal(l, &pending, tasks) == 3);
    luas__limit_free(l);
    luas__pending_release(&pending);
}

/* In a pool, how many run at once: each says in a shared page. */
static _Atomic int *now_running;
enum { RUNNING, MOST, BEGUN };

static int count_and_serve(void *host, luas__channel *c)
{
    luas__mp_reader body;
    int status = 0, rc;
    (void)host;
    for (;;) {
        if ((rc = luas__channel_next(c, &body)) < 0)
            return 98;
        int running = atomic_fetch_add(&now_running[RUNNING], 1) + 1;
        if (running > now_running[MOST])
            now_running[MOST] = running;
        rc = serve_frame(c, &body, &status);
        luas__channel_flush(c);
        atomic_fetch_sub(&now_running[RUNNING], 1);
        if (rc != 0)
            return rc < 0 ? 98 : status;
        luas__frame_drop(&c->requests);
    }
}

static tally *run_limited(luas__limit_policy limit, const char *input, uint32_t count, int retries)
{
    luas__pool *pool = open_pool(4, count_and_serve);
    luas__job *job = start_job(pool, &(luas__policy){.limit = limit, .retries = retries});
    now_running[MOST] = 0;
    feed(pool, job, input, count);
    tally *t = finish(pool, job);
    luas__pool_close(pool);
    return t;
}

static void test_so_many_at_a_time(void)
{
    tally *t = run_limited((luas__limit_policy){.n = 1}, "s5", 12, 0);
    CHECK_INT(t->kinds[LUAS__KIND_VALUE], 12);
    CHECK_INT(now_running[MOST], 1);
    free(t);
}

static void test_so_many_starts_a_second(void)
{
    int64_t began = luas__now();
    tally *t = run_limited((luas__limit_policy){.interval = 20 * LUAS__MS}, "echo", 6, 0);
    CHECK_INT(t->kinds[LUAS__KIND_VALUE], 6);
    CHECK(luas__now() - began >= 100 * LUAS__MS);
    free(t);
}

static void test_crashes_leave_no_task_behind(void)
{
    tally *t = run_limited((luas__limit_policy){.n = 2}, "k", 5, 1);
    CHECK_INT(t->kinds[LUAS__KIND_CRASH], 5);
    CHECK_INT(t->attempts[5], 2);
    free(t);
}

static void test_what_waits_is_cancelled(void)
{
    luas__pool *pool = open_pool(2, serve);
    luas__job *job = start_job(pool, &(luas__policy){.limit = {.n = 1, .interval = 50 * LUAS__MS}});
    feed(pool, job, "echo", 100);
    tally *t = new_tally();
    drive(pool, job, t, 1);
    CHECK_INT(luas__pool_cancel(pool, job, 50, 50), 0);
    CHECK_INT(luas__pool_cancel(pool, job, 2, 2), 0);
    drive(pool, job, t, 4);
    CHECK(t->kind[50] == LUAS__KIND_CANCELLED && t->seen[50] && t->kinds[LUAS__KIND_VALUE] >= 1);
    luas__pool_seal(pool, job);
    CHECK_INT(luas__pool_cancel(pool, job, 0, UINT64_MAX), 0);
    drive(pool, job, t, 100);
    CHECK(job->done);
    free(t);
    luas__pool_drop(pool, job);
    check_works(pool, 5);
    luas__pool_close(pool);
}

int main(void)
{
    now_running = map_counters(BEGUN + 1);
    RUN(test_so_many_of_each_key);
    RUN(test_numbers_are_spare_when_their_tasks_have_ended);
    RUN(test_one_key_for_all);
    RUN(test_so_many_at_a_time);
    RUN(test_so_many_starts_a_second);
    RUN(test_crashes_leave_no_task_behind);
    RUN(test_what_waits_is_cancelled);
    munmap((void *)now_running, (BEGUN + 1) * sizeof *now_running);
    return 0;
}
