/* Figures of a run: right, and of a bounded size however long it is. */
#include "tally.h"

#include <math.h>
#include <signal.h>

#include "clock.h"
#include "pool_testing.h"

#define US INT64_C(1000)

static luas__pool_event ended(uint64_t index, int worker, int64_t start, int64_t took,
                              enum luas__kind kind)
{
    return (luas__pool_event){.type = LUAS__EVENT_ENDED, .at = start + took, .start = start,
                              .took = took, .index = index, .count = 1, .worker = worker,
                              .kind = kind, .label = "", .attempts = 1, .status = -1};
}

static void hear(luas__tally *t, luas__pool_event e)
{
    t->reader.hear(&t->reader, 1, &e);
}

static luas__tally *new_test_tally(void)
{
    luas__tally *t = luas__tally_new(0);
    CHECK(t != NULL);
    return t;
}

static void test_a_quantile_is_right_within_a_tenth(void)
{
    luas__histogram h = {0};
    CHECK(luas__histogram_quantile(&h, 0.5) == 0);
    for (int i = 1; i <= 1000; i++)
        luas__histogram_add(&h, i * US);
    CHECK(fabs(luas__histogram_quantile(&h, 0.5) - 500e3) < 50e3);
    CHECK(fabs(luas__histogram_quantile(&h, 0.95) - 950e3) < 95e3);
    CHECK(luas__histogram_quantile(&h, 1) <= 1000e3);
    CHECK_INT(h.least, US);
    CHECK_INT(h.most, 1000 * US);
}

static void test_times_beyond_the_ends_are_counted(void)
{
    luas__histogram h = {0};
    const int64_t times[] = {0, 1, INT64_MAX / 2, INT64_MAX};
    for (int i = 0; i < 4; i++)
        luas__histogram_add(&h, times[i]);
    CHECK_INT(h.counts[0], 2);
    CHECK_INT(h.counts[LUAS__BUCKETS - 1], 2);
    for (int i = 0; i < LUAS__BUCKETS; i++)
        CHECK(luas__histogram_from(i) < luas__histogram_from(i + 1));
}

static double sum(const luas__row *row)
{
    double total = 0;
    for (int i = 0; i < LUAS__BINS; i++)
        total += row->at[i];
    return total;
}

static void test_a_timeline_folds_and_loses_nothing(void)
{
    luas__timeline t = {0};
    int spans = luas__timeline_row(&t), counts = luas__timeline_row(&t);
    CHECK(spans == 0 && counts == 1);
    luas__timeline_start(&t, LUAS__SECOND);
    for (int i = 0; i < 5000; i++) { /* busy half of each ms */
        int64_t at = LUAS__SECOND + i * LUAS__MS;
        luas__timeline_span(&t, spans, at, at + LUAS__MS / 2);
        luas__timeline_count(&t, counts, at, 1);
    }
    CHECK_INT(t.width, 16 * LUAS__MS);
    CHECK(fabs(sum(t.rows[spans]) - 2.5e9) < 1e5);
    CHECK(sum(t.rows[counts]) == 5000);
    CHECK(t.rows[counts]->at[0] == 16);
    luas__timeline_span(&t, spans, 0, LUAS__SECOND); /* before its start: nothing */
    CHECK(fabs(sum(t.rows[spans]) - 2.5e9) < 1e5);
    luas__timeline_span(&t, spans, LUAS__SECOND, 41 * LUAS__SECOND); /* over many bins */
    CHECK(fabs(sum(t.rows[spans]) - 42.5e9) < 1e6);
    luas__timeline_release(&t);
}

static void test_the_slowest_and_the_first_failures_are_kept(void)
{
    luas__tally *t = new_test_tally();
    for (uint64_t i = 1; i <= 3000; i++)
        hear(t, ended(i, 1, (int64_t)i * LUAS__MS, (int64_t)(i * 7919 % 3001) * US,
                      i % 2 ? LUAS__KIND_ERROR : LUAS__KIND_VALUE));
    CHECK_INT(t->nslowest, LUAS__SLOWEST);
    for (int i = 0; i < LUAS__SLOWEST; i++)
        CHECK_INT(t->slowest[i].took, (3000 - i) * US);
    CHECK_INT(t->nfailures, LUAS__FAILURES);
    CHECK_INT(t->failures[LUAS__FAILURES - 1].index, 2 * LUAS__FAILURES - 1);
    CHECK_INT(t->unlisted, 500);
    CHECK_INT(t->kinds[LUAS__KIND_ERROR], 1500);
    luas__events_drop_reader(&t->reader);
}

static void test_a_replaced_worker_keeps_its_lane(void)
{
    luas__tally *t = new_test_tally();
    luas__pool_event e = {.type = LUAS__EVENT_FORKED, .at = 1 * LUAS__SECOND, .worker = 1, .label = ""};
    hear(t, e);
    hear(t, ended(1, 1, 2 * LUAS__SECOND, LUAS__SECOND, LUAS__KIND_VALUE));
    e.type = LUAS__EVENT_DIED;
    e.at = 3 * LUAS__SECOND;
    e.status = SIGKILL;
    hear(t, e);
    e.type = LUAS__EVENT_REPLACED;
    e.at = 4 * LUAS__SECOND;
    hear(t, e);
    hear(t, ended(2, 1, 5 * LUAS__SECOND, LUAS__SECOND, LUAS__KIND_VALUE));
    e.type = LUAS__EVENT_DIED;
    e.at = 6 * LUAS__SECOND;
    e.status = 0; /* it was told to */
    hear(t, e);
    CHECK_INT(t->nlanes, 1);
    CHECK_INT(t->lanes[0].forks, 2);
    CHECK_INT(t->lanes[0].deaths, 1);
    CHECK_INT(t->lanes[0].nmarks, 1);
    CHECK_INT(t->lanes[0].startup, 2 * LUAS__SECOND);
    CHECK_INT(t->lanes[0].busy, 2 * LUAS__SECOND);
    CHECK_INT(t->lanes[0].alive, 2 * LUAS__SECOND);
    luas__events_drop_reader(&t->reader);
}

static void test_one_job_alone_can_be_counted(void)
{
    luas__tally *t = luas__tally_new(2);
    luas__pool_event e = ended(1, 1, LUAS__SECOND, US, LUAS__KIND_VALUE);
    for (e.job = 1; e.job <= 3; e.job++)
        hear(t, e);
    CHECK_INT(t->times.count, 1);
    luas__events_drop_reader(&t->reader);
}

static void fill_run(luas__ended *tasks, size_t n, int64_t at)
{
    for (size_t i = 0; i < n; i++) { /* now and then the worker waits in between */
        int64_t start = at + (i % 7 == 6 ? 300 * US : 0);
        tasks[i] = (luas__ended){.start = start, .at = start + (int64_t)(1 + i * 7919 % 101) * US};
        at = tasks[i].at;
    }
}

static void hear_one_by_one(luas__tally *t, const luas__ended *tasks, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        luas__pool_event e = ended(1 + i, 3, tasks[i].start, tasks[i].at - tasks[i].start, LUAS__KIND_VALUE);
        e.ends_chunk = i + 1 == n;
        hear(t, e);
    }
}

static void check_same(const luas__tally *a, const luas__tally *b)
{
    CHECK(memcmp(&a->times, &b->times, sizeof a->times) == 0);
    CHECK(a->first == b->first && a->last == b->last && a->chunks == b->chunks);
    CHECK(a->nlanes == 1 && b->nlanes == 1 && a->nslowest == b->nslowest);
    CHECK_INT(a->lanes[0].tasks, b->lanes[0].tasks);
    CHECK_INT(a->lanes[0].busy, b->lanes[0].busy);
    CHECK_INT(a->lanes[0].last_end, b->lanes[0].last_end);
    CHECK_INT(a->lanes[0].last_chunk, b->lanes[0].last_chunk);
    for (int i = 0; i < a->nslowest; i++)
        CHECK_INT(a->slowest[i].index, b->slowest[i].index);
    for (int row = 0; row < a->timeline.nrows; row++)
        for (int i = 0; i < LUAS__BINS; i++)
            CHECK(fabsf(a->timeline.rows[row]->at[i] - b->timeline.rows[row]->at[i]) < 1);
}

static void test_a_run_counts_as_its_tasks_one_by_one(void)
{
    luas__ended tasks[LUAS__MOST_ENDED];
    luas__tally *together = new_test_tally(), *alone = new_test_tally();
    fill_run(tasks, LUAS__MOST_ENDED, LUAS__SECOND);
    luas__pool_event first = ended(1, 3, 0, 0, LUAS__KIND_VALUE);
    first.ends_chunk = true;
    together->reader.hear_run(&together->reader, 1, &first, tasks, LUAS__MOST_ENDED);
    hear_one_by_one(alone, tasks, LUAS__MOST_ENDED);
    CHECK_INT(together->kinds[LUAS__KIND_VALUE], LUAS__MOST_ENDED);
    check_same(together, alone);
    luas__events_drop_reader(&together->reader);
    luas__events_drop_reader(&alone->reader);
}

/* A million tasks on 64 workers take as much room as a thousand. */
static void test_its_size_does_not_grow_with_the_tasks(void)
{
    luas__tally *t = new_test_tally();
    int64_t at = LUAS__SECOND;
    for (uint64_t i = 0; i < (uint64_t)scaled(1000000); i++, at += 20 * US)
        hear(t, ended(i, 1 + (int)(i % 64), at, 900 * US, LUAS__KIND_VALUE));
    size_t rows = (size_t)t->timeline.nrows * sizeof(luas__row);
    CHECK_INT(t->nlanes, 64);
    CHECK(rows + sizeof *t + (size_t)t->cap_lanes * sizeof *t->lanes < 300000);
    luas__events_drop_reader(&t->reader);
}

/* ---- the stream itself ---- */

typedef struct recorder {
    luas__reader reader;
    int counts[LUAS__EVENT_TICK + 1], kinds[5], retried;
    bool closed;
} recorder;

static void record(luas__reader *self, int tag, const luas__pool_event *e)
{
    recorder *r = (recorder *)self;
    CHECK_INT(tag, 7);
    r->counts[e->type]++;
    if (e->type == LUAS__EVENT_ENDED) {
        r->kinds[e->kind] += !e->retried;
        r->retried += e->retried;
    }
}

static void note_close(luas__reader *self)
{
    ((recorder *)self)->closed = true;
}

/* These workers do not stamp: what they say is not believed. */
static void test_results_without_a_stamp_are_not_a_workers_words(void)
{
    recorder r = {.closed = false};
    luas__events_init_reader(&r.reader, ~0u, record, note_close);
    luas__pool *pool = open_pool(2, serve);
    CHECK_INT(luas__events_listen(pool, &r.reader, 7, true), 0);
    luas__events_drop_reader(&r.reader);
    luas__job *job = start_job(pool, &(luas__policy){.retries = 1});
    CHECK(job->policy.flags & LUAS__JOB_STAMPED);
    feed(pool, job, "e", 4);
    tally *t = finish(pool, job);
    CHECK_INT(t->kinds[LUAS__KIND_CRASH], 4);
    CHECK_INT(r.kinds[LUAS__KIND_CRASH], 4);
    CHECK_INT(r.retried, 4);
    CHECK_INT(r.counts[LUAS__EVENT_STARTED], 8);
    CHECK_INT(r.counts[LUAS__EVENT_FORKED], 2);
    CHECK(r.counts[LUAS__EVENT_REPLACED] > 0 && r.counts[LUAS__EVENT_DEALT] > 0);
    free(t);
    CHECK(!r.closed);
    luas__pool_close(pool);
    CHECK(r.closed);
}

static void test_nobody_is_told_who_does_not_listen_any_more(void)
{
    recorder r = {.closed = false};
    luas__events_init_reader(&r.reader, ~0u, record, note_close);
    luas__pool *pool = open_pool(1, serve);
    CHECK_INT(luas__events_listen(pool, &r.reader, 7, true), 0);
    luas__events_ignore(pool, &r.reader);
    check_works(pool, 10);
    CHECK_INT(r.counts[LUAS__EVENT_ENDED], 0);
    luas__pool_close(pool);
    luas__events_drop_reader(&r.reader);
    CHECK(r.closed);
}

int main(void)
{
    RUN(test_a_quantile_is_right_within_a_tenth);
    RUN(test_times_beyond_the_ends_are_counted);
    RUN(test_a_timeline_folds_and_loses_nothing);
    RUN(test_the_slowest_and_the_first_failures_are_kept);
    RUN(test_a_replaced_worker_keeps_its_lane);
    RUN(test_one_job_alone_can_be_counted);
    RUN(test_a_run_counts_as_its_tasks_one_by_one);
    RUN(test_its_size_does_not_grow_with_the_tasks);
    RUN(test_results_without_a_stamp_are_not_a_workers_words);
    RUN(test_nobody_is_told_who_does_not_listen_any_more);
    return 0;
}
