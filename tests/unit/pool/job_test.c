/* A job deals every task and has exactly one outcome for each. */
#include "job.h"
#include "job_outcomes.h"
#include "job_inputs.h"

#include "error.h"
#include "frame.h"
#include "testing.h"

static luas__job *new_job(size_t room)
{
    luas__job *job = luas__job_new(&(luas__policy){.room = room});
    CHECK(job != NULL);
    return job;
}

/* Feeds `count` tasks; the bytes of task i are the number i in decimal. */
static void feed(luas__job *job, uint32_t count)
{
    luas__buffer bytes = LUAS__BUFFER_INIT;
    size_t *ends = malloc(count * sizeof *ends);
    CHECK(ends != NULL);
    for (uint32_t i = 0; i < count; i++) {
        char text[24];
        int n = snprintf(text, sizeof text, "%" PRIu64, job->input.fed + 1 + i);
        CHECK_INT(luas__buffer_append(&bytes, text, (size_t)n), 0);
        ends[i] = bytes.len;
    }
    CHECK_INT(luas__job_inputs_feed(job, &bytes, ends, count), 0);
    CHECK(bytes.data == NULL);
}

static int settle(luas__job *job, uint64_t index, int kind, const char *payload)
{
    luas__outcome o = {.index = index, .count = 1, .kind = (uint16_t)kind,
                       .len = (uint32_t)strlen(payload)};
    return luas__job_outcomes_settle(job, &o, payload, NULL);
}

/* Tasks from..to have these values: their indices, in decimal. */
static int settle_values(luas__job *job, uint64_t from, uint64_t to)
{
    luas__buffer frames = LUAS__BUFFER_INIT;
    size_t mark;
    for (uint64_t i = from; i <= to; i++) {
        char text[24];
        int n = snprintf(text, sizeof text, "%" PRIu64, i);
        CHECK_INT(luas__frame_begin_outcome(&frames, LUAS__MSG_VALUE, (uint32_t)i, &mark), 0);
        CHECK_INT(luas__buffer_append(&frames, text, (size_t)n), 0);
        CHECK_INT(luas__frame_end(&frames, mark), 0);
    }
    luas__outcome o = {.index = from, .count = to - from + 1, .kind = LUAS__KIND_VALUE,
                       .framed = 1, .len = (uint32_t)frames.len};
    int rc = luas__job_outcomes_settle(job, &o, luas__buffer_bytes(&frames), NULL);
    luas__buffer_release(&frames);
    return rc;
}

static void test_values_settled_together_are_read_one_by_one(void)
{
    luas__job *job = new_job(0);
    const luas__outcome *o;
    const char *payload;
    feed(job, 20);
    CHECK_INT(settle_values(job, 1, 12), 0);
    CHECK_INT(settle(job, 13, LUAS__KIND_ERROR, "13"), 0);
    CHECK_INT(settle_values(job, 14, 20), 0);
    CHECK_INT(job->output.settled, 20);
    CHECK_INT(job->input.nbatches, 0);
    luas__job_outcomes_swap(job);
    for (uint64_t i = 1; i <= 20; i++) {
        CHECK(luas__job_outcomes_has_taken(job));
        CHECK((o = luas__job_outcomes_next(job, &payload)) != NULL);
        CHECK(o->index == i && o->count == 1 && !o->framed);
        char text[24];
        int n = snprintf(text, sizeof text, "%" PRIu64, i);
        CHECK(o->len == (uint32_t)n && memcmp(payload, text, (size_t)n) == 0);
    }
    CHECK(!luas__job_outcomes_has_taken(job));
    CHECK(luas__job_outcomes_next(job, &payload) == NULL);
    luas__job_free(job);
}

static void test_dealt_in_order(void)
{
    luas__job *job = new_job(0);
    luas__range range;
    luas__batch *batch;
    feed(job, 10);
    feed(job, 10);
    static const uint64_t firsts[] = {1, 5, 9, 11, 15, 19};
    static const uint64_t counts[] = {4, 4, 2, 4, 4, 2};
    for (int i = 0; i < 6; i++) {
        CHECK(luas__job_inputs_take(job, 1, 4, &range, &batch));
        CHECK_INT(range.first, firsts[i]);
        CHECK_INT(range.count, counts[i]); /* never from two batches */
        CHECK_INT(batch->first, i < 3 ? 1 : 11);
    }
    CHECK(!luas__job_inputs_take(job, 1, 4, &range, &batch));
    luas__job_free(job);
}

static void test_batches_hold_the_bytes_of_their_tasks(void)
{
    luas__job *job = new_job(0);
    luas__range range;
    luas__batch *batch;
    size_t len;
    feed(job, 12);
    CHECK(luas__job_inputs_take(job, 1, 12, &range, &batch));
    CHECK_BYTES(luas__job_inputs_bytes(batch, 1, 1, &len), "1", 1);
    CHECK_INT(len, 1);
    CHECK_BYTES(luas__job_inputs_bytes(batch, 9, 3, &len), "91011", 5);
    CHECK_INT(len, 5);
    luas__job_inputs_bytes(batch, 1, 12, &len);
    CHECK_INT(len, 9 + 6);
    luas__job_free(job);
}

static void test_returned_tasks_go_first_and_elsewhere(void)
{
    luas__job *job = new_job(0);
    luas__range range;
    luas__batch *batch;
    feed(job, 3);
    CHECK(luas__job_inputs_take(job, 1, 1, &range, &batch));
    range.avoid = 1;
    range.attempts = 1;
    CHECK_INT(luas__job_inputs_return(job, range), 0);
    CHECK(luas__job_inputs_take(job, 1, 1, &range, &batch));
    CHECK_INT(range.first, 2);
    CHECK(luas__job_inputs_take(job, 2, 5, &range, &batch));
    CHECK_INT(range.first, 1);
    CHECK_INT(range.count, 1);
    CHECK_INT(range.attempts, 1);
    CHECK(luas__job_inputs_take(job, 1, 5, &range, &batch));
    CHECK_INT(range.first, 3);
    CHECK_INT(job->input.waiting, 0);
    luas__job_free(job);
}

static void test_returned_tasks_are_where_they_were(void)
{
    luas__job *job = new_job(0);
    luas__range ranges[3], range;
    luas__batch *batch;
    feed(job, 10);
    for (int i = 0; i < 3; i++)
        CHECK(luas__job_inputs_take(job, 1, 2, &ranges[i], &batch));
    static const int returned[] = {2, 0, 1};
    for (int i = 0; i < 3; i++)
        CHECK_INT(luas__job_inputs_return(job, ranges[returned[i]]), 0);
    for (uint64_t first = 1; first < 7; first += 2) {
        CHECK(luas__job_inputs_take(job, 1, 10, &range, &batch));
        CHECK(range.first == first && range.count == 2);
    }
    luas__job_free(job);
}

/* One by one, so that each but the last leaves a range more than there was. */
static void test_any_can_be_cancelled_alone(void)
{
    enum { TASKS = 1000 };
    luas__job *job = new_job(0);
    luas__range range;
    luas__batch *batch;
    for (int i = 0; i < TASKS; i++)
        feed(job, 1);
    for (uint64_t i = 2; i <= TASKS; i += 2)
        CHECK_INT(luas__job_outcomes_end_pending(job, i, i, &(luas__outcome){.kind = LUAS__KIND_CANCELLED}, NULL), 0);
    CHECK_INT(job->input.pending.count, TASKS / 2);
    CHECK_INT(luas__job_outcomes_end_pending(job, 7, 5, &(luas__outcome){.kind = LUAS__KIND_CANCELLED}, NULL), 0); /* none */
    CHECK_INT(job->input.waiting, TASKS / 2);
    for (uint64_t i = 1; i <= TASKS; i += 2) {
        CHECK(luas__job_inputs_take(job, 1, 10, &range, &batch));
        CHECK(range.first == i && range.count == 1 && batch->first == i);
        CHECK_INT(settle(job, i, LUAS__KIND_VALUE, "x"), 0);
    }
    CHECK_INT(job->input.nbatches, 0);
    CHECK_INT(job->output.settled, TASKS);
    luas__job_free(job);
}

static void test_a_batch_is_freed_when_all_of_it_is_settled(void)
{
    luas__job *job = new_job(0);
    feed(job, 2);
    feed(job, 2);
    const luas__batch *second = job->input.batches[1].batch;
    luas__range range;
    luas__batch *batch;
    while (luas__job_inputs_take(job, 1, 1, &range, &batch))
        continue;
    CHECK_INT(settle(job, 1, LUAS__KIND_VALUE, "x"), 0);
    CHECK_INT(settle(job, 3, LUAS__KIND_VALUE, "x"), 0);
    CHECK(job->input.batches[job->input.first_batch].batch != second);
    CHECK_INT(settle(job, 2, LUAS__KIND_ERROR, "x"), 0);
    CHECK(job->input.batches[job->input.first_batch].batch == second);
    CHECK_INT(job->input.first_batch + 1, job->input.nbatches);
    CHECK_INT(settle(job, 4, LUAS__KIND_CRASH, "x"), 0);
    CHECK(job->input.first_batch == 0 && job->input.nbatches == 0);
    CHECK_INT(job->output.failures, 2);
    CHECK(!luas__job_finished(job));
    job->input.sealed = true;
    CHECK(luas__job_finished(job));
    luas__job_free(job);
}

static void test_outcomes_are_read_as_they_were_settled(void)
{
    luas__job *job = new_job(0);
    const char *payload;
    char text[64];
    CHECK_INT(luas__job_inputs_feed_inherited(job, 50), 0);
    for (uint64_t i = 1; i <= 50; i++) {
        memset(text, 'a', sizeof text);
        text[i] = '\0';
        CHECK_INT(settle(job, i, LUAS__KIND_VALUE, text), 0);
    }
    CHECK(luas__job_outcomes_next(job, &payload) == NULL);
    luas__job_outcomes_swap(job);
    for (uint64_t i = 1; i <= 50; i++) {
        const luas__outcome *o = luas__job_outcomes_next(job, &payload);
        CHECK(o != NULL);
        CHECK_INT(o->index, i);
        CHECK_INT(o->len, i);
        CHECK_INT(payload[i - 1], 'a');
    }
    CHECK(luas__job_outcomes_next(job, &payload) == NULL);
    luas__job_free(job);
}

static void test_full_when_too_much_waits(void)
{
    luas__job *job = new_job(1000);
    char text[101] = {0};
    memset(text, 'x', 100);
    CHECK_INT(luas__job_inputs_feed_inherited(job, 100), 0);
    uint64_t i = 0;
    for (; !luas__job_full(job); i++)
        CHECK_INT(settle(job, i + 1, LUAS__KIND_VALUE, text), 0);
    CHECK(i > 1 && i < 11);
    luas__job_outcomes_swap(job);
    CHECK(!luas__job_full(job));
    luas__job_free(job);
}

static void test_a_closed_job_keeps_no_outcomes(void)
{
    luas__job *job = new_job(0);
    feed(job, 1);
    job->closed = job->input.sealed = true;
    CHECK_INT(settle(job, 1, LUAS__KIND_VALUE, "x"), 0);
    CHECK_INT(job->output.inbox.len, 0);
    CHECK(luas__job_finished(job));
    luas__job_free(job);
    luas__job_free(NULL);
}

/* ---- the queue ---- */

static bool is_in(const luas__queue *q, luas__job *job)
{
    CHECK(job->queued == (luas__queue_first(q) == &job->place));
    CHECK(job->queued == luas__job_ready(job));
    return job->queued;
}

static void test_a_job_is_queued_while_it_has_tasks_to_deal(void)
{
    luas__queue q = {0}, other = {0};
    luas__job *job = new_job(0);
    luas__range range;
    luas__batch *batch;
    luas__job_enqueue(job, &q);
    CHECK(!is_in(&q, job));
    feed(job, 2);
    CHECK(is_in(&q, job));
    CHECK(luas__job_inputs_take(job, 0, 2, &range, &batch));
    CHECK(!is_in(&q, job));
    CHECK_INT(luas__job_inputs_return(job, range), 0);
    CHECK(is_in(&q, job));
    luas__job_enqueue(job, &other);
    CHECK(is_in(&other, job) && luas__queue_first(&q) == NULL);
    CHECK_INT(luas__job_outcomes_end_pending(job, 0, UINT64_MAX, &(luas__outcome){.kind = LUAS__KIND_CANCELLED}, NULL), 0);
    CHECK(!is_in(&other, job));
    CHECK_INT(luas__job_inputs_feed_inherited(job, 1), 0);
    CHECK(is_in(&other, job));
    luas__job_close(job);
    CHECK(!is_in(&other, job));
    luas__job_free(job);
}

static void test_a_full_job_is_not_queued(void)
{
    luas__queue q = {0};
    luas__job *job = new_job(100);
    luas__job_enqueue(job, &q);
    feed(job, 20);
    for (uint64_t i = 1; is_in(&q, job); i++)
        CHECK_INT(settle(job, i, LUAS__KIND_VALUE, "some bytes of it"), 0);
    CHECK(luas__job_full(job));
    luas__job_outcomes_swap(job);
    CHECK(is_in(&q, job));
    luas__job_free(job);
    CHECK(luas__queue_first(&q) == NULL);
}

static void check_list(const luas__job_list *list, luas__job *const *jobs, int n)
{
    const luas__job *job = list->first;
    for (int i = 0; i < n; i++, job = job->next)
        CHECK(job == jobs[i]);
    CHECK(job == NULL && *list->last == NULL);
    CHECK(list->last == (n > 0 ? &jobs[n - 1]->next : &list->first));
}

static void test_lists_keep_the_order_in_which_jobs_came(void)
{
    luas__job_list a = {.last = &a.first}, b = {.last = &b.first};
    luas__job *jobs[] = {new_job(0), new_job(0), new_job(0), new_job(0)};
    for (int i = 0; i < 4; i++)
        luas__job_move(jobs[i], &a);
    check_list(&a, jobs, 4);
    luas__job_move(jobs[3], &b);
    luas__job_move(jobs[1], &b);
    check_list(&a, (luas__job *[]){jobs[0], jobs[2]}, 2);
    check_list(&b, (luas__job *[]){jobs[3], jobs[1]}, 2);
    for (int i = 0; i < 4; i++)
        luas__job_free(jobs[i]);
    check_list(&a, jobs, 0);
    check_list(&b, jobs, 0);
}

/* ---- cancelling against a model ---- */

enum { MOST = 4000, PENDING = 1, DEALT, SETTLED, READ };

typedef struct model {
    luas__job *job;
    uint64_t random;
    unsigned char state[MOST + 1];  /* by index */
    luas__range held[MOST];         /* dealt ranges */
    int nheld;
} model;

static void model_feed(model *m)
{
    uint32_t count = 1 + draw(&m->random, 20);
    if (m->job->input.fed + count > MOST)
        return;
    memset(m->state + m->job->input.fed + 1, PENDING, count);
    if (m->job->input.fed > MOST / 2)
        CHECK_INT(luas__job_inputs_feed_inherited(m->job, count), 0);
    else
        feed(m->job, count);
}

static void move(model *m, luas__range r, int from, int to)
{
    for (uint64_t i = r.first; i < r.first + r.count; i++) {
        CHECK_INT(m->state[i], from);
        m->state[i] = (unsigned char)to;
    }
}

static void model_take(model *m)
{
    luas__range r;
    luas__batch *batch;
    uint32_t worker = 1 + draw(&m->random, 3);
    uint32_t most = 1 + draw(&m->random, 12);
    if (!luas__job_inputs_take(m->job, worker, most, &r, &batch))
        return;
    CHECK(r.count > 0 && r.count <= most && r.avoid != worker);
    if (batch != NULL)
        CHECK(r.first >= batch->first && r.first + r.count <= batch->first + batch->count);
    move(m, r, PENDING, DEALT);
    m->held[m->nheld++] = r;
}

static luas__range drop_held(model *m)
{
    int i = (int)draw(&m->random, (uint32_t)m->nheld);
    luas__range r = m->held[i];
    m->held[i] = m->held[--m->nheld];
    return r;
}

static void model_return(model *m)
{
    if (m->nheld == 0)
        return;
    luas__range r = drop_held(m);
    r.avoid = draw(&m->random, 4);
    r.attempts++;
    CHECK_INT(luas__job_inputs_return(m->job, r), 0);
    move(m, r, DEALT, PENDING);
}

static void settle_each(luas__job *job, luas__range r)
{
    for (uint64_t i = r.first; i < r.first + r.count; i++)
        CHECK_INT(settle(job, i, i % 5 == 0 ? LUAS__KIND_ERROR : LUAS__KIND_VALUE, "ok"), 0);
}

static void model_settle(model *m)
{
    if (m->nheld == 0)
        return;
    luas__range r = drop_held(m);
    if (draw(&m->random, 2) == 0)
        CHECK_INT(settle_values(m->job, r.first, r.first + r.count - 1), 0);
    else
        settle_each(m->job, r);
    move(m, r, DEALT, SETTLED);
}

static void model_cancel(model *m)
{
    uint64_t from = draw(&m->random, MOST + 10), to = from + draw(&m->random, 30);
    if (draw(&m->random, 50) == 0)
        to = UINT64_MAX;
    CHECK_INT(luas__job_outcomes_end_pending(m->job, from, to, &(luas__outcome){.kind = LUAS__KIND_CANCELLED}, NULL), 0);
    for (uint64_t i = from > 0 ? from : 1; i <= to && i <= m->job->input.fed; i++)
        if (m->state[i] == PENDING)
            m->state[i] = SETTLED;
}

static void model_read(model *m)
{
    const luas__outcome *o;
    const char *payload;
    luas__job_outcomes_swap(m->job);
    while ((o = luas__job_outcomes_next(m->job, &payload)) != NULL) {
        CHECK(o->count > 0 && o->index + o->count - 1 <= m->job->input.fed);
        move(m, (luas__range){.first = o->index, .count = o->count}, SETTLED, READ);
    }
}

static void check_counts(const model *m)
{
    uint64_t waiting = 0, settled = 0;
    for (uint64_t i = 1; i <= m->job->input.fed; i++) {
        waiting += m->state[i] == PENDING;
        settled += m->state[i] >= SETTLED;
    }
    CHECK_INT(m->job->input.waiting, waiting);
    CHECK_INT(m->job->output.settled, settled);
    for (size_t i = m->job->input.first_batch; i < m->job->input.nbatches; i++) {
        const luas__batch *b = m->job->input.batches[i].batch;
        CHECK(b == NULL || (b->unsettled > 0 && b->first == m->job->input.batches[i].first));
    }
}

static void play(uint64_t seed)
{
    static void (*const moves[])(model *) = {
        model_feed, model_take, model_take, model_return, model_settle, model_cancel, model_read,
    };
    static model m;
    m = (model){.job = new_job(0), .random = seed};
    for (int i = 0; i < 3000; i++) {
        moves[draw(&m.random, sizeof moves / sizeof *moves)](&m);
        if (i % 100 == 0)
            check_counts(&m);
    }
    m.job->input.sealed = true;
    while (!luas__job_finished(m.job)) {
        model_take(&m);
        model_settle(&m);
    }
    model_read(&m);
    for (uint64_t i = 1; i <= m.job->input.fed; i++)
        CHECK_INT(m.state[i], READ);
    CHECK_INT(m.job->input.nbatches, 0);
    CHECK_INT(m.job->input.pending.count, 0);
    luas__job_free(m.job);
}

static void test_every_task_has_one_outcome(void)
{
    for (uint64_t seed = 1; seed <= 30; seed++)
        play(seed);
}

int main(void)
{
    RUN(test_values_settled_together_are_read_one_by_one);
    RUN(test_dealt_in_order);
    RUN(test_batches_hold_the_bytes_of_their_tasks);
    RUN(test_returned_tasks_go_first_and_elsewhere);
    RUN(test_returned_tasks_are_where_they_were);
    RUN(test_any_can_be_cancelled_alone);
    RUN(test_a_batch_is_freed_when_all_of_it_is_settled);
    RUN(test_outcomes_are_read_as_they_were_settled);
    RUN(test_full_when_too_much_waits);
    RUN(test_a_closed_job_keeps_no_outcomes);
    RUN(test_a_job_is_queued_while_it_has_tasks_to_deal);
    RUN(test_a_full_job_is_not_queued);
    RUN(test_lists_keep_the_order_in_which_jobs_came);
    RUN(test_every_task_has_one_outcome);
}
