/* What a call can have besides its arguments, and how outcomes find who asked. */
#define _GNU_SOURCE
#include <signal.h>

#include "embed_testing.h"

static const char functions[] =
    "n = 0\n"
    "function echo(...) n = n + 1 return ... end\n"
    "function order() n = n + 1 return n end\n"
    "function hang() while true do end end\n"
    "function third(e) t = (t or 0) + 1 if t % 3 ~= 0 then error('not yet', 0) end return t end\n"
    "function hold(path) while io.open(path) do end end\n"
    "function sum(a, b, c) return a + b + c end\n";

static luas_pool *open_functions(const luas_options *more)
{
    luas_options options = *more;
    write_script(functions);
    options.script = script;
    options.workers = options.workers > 0 ? options.workers : 1;
    return open_pool(&options);
}

static uint64_t submit_call(luas_pool *pool, const luas_call *call)
{
    uint64_t number = 0;
    CHECK_INT(luas_submit_call(pool, call, &number), 0);
    return number;
}

/* ---- one call ---- */

static void test_data_and_label_come_back(void)
{
    int mine;
    char label[] = "order 7";
    luas_value seven = luas_integer(7);
    luas_pool *pool = open_functions(&(luas_options){.workers = 1});
    luas_outcome o;
    uint64_t number = submit_call(pool, &(luas_call){.name = "echo", .count = 1, .arguments = &seven,
                                                     .data = &mine, .label = label});
    label[0] = 'X';
    await(pool, &o);
    CHECK(o.call == number && o.data == &mine && strcmp(o.label, "order 7") == 0 && o.position == 0);
    CHECK_INT(o.results[0].as.integer, 7);
    CHECK_INT(luas_submit(pool, "echo", 0, NULL, NULL), 0);
    await(pool, &o);
    CHECK(o.data == NULL && strcmp(o.label, "") == 0);
    luas_value simple[] = {luas_nil(), luas_boolean(7), luas_boolean(0)};
    CHECK_INT(luas_submit(pool, "echo", 3, simple, NULL), 0);
    await(pool, &o);
    CHECK(o.results[0].type == LUAS_NIL && o.results[1].as.boolean == 1
          && o.results[2].type == LUAS_BOOLEAN && o.results[2].as.boolean == 0);
    close_pool(pool);
}

static void test_a_timeout_of_its_own(void)
{
    luas_pool *pool = open_functions(&(luas_options){.timeout = 30});
    luas_outcome o;
    submit_call(pool, &(luas_call){.name = "hang", .timeout = 0.05});
    await(pool, &o);
    CHECK_INT(o.kind, LUAS_TIMEOUT);
    CHECK(strcmp(o.message, "timed out after 0.05 s") == 0);
    close_pool(pool);
    pool = open_functions(&(luas_options){.timeout = 0.05});
    uint64_t hanging = submit_call(pool, &(luas_call){.name = "hang", .timeout = -1});
    for (int i = 0; i < 10; i++) { /* much longer than the pool's timeout */
        CHECK(luas_wait(pool, 0.02) >= 0);
        CHECK_INT(luas_next(pool, &o), 0);
    }
    CHECK_INT(luas_cancel(pool, hanging), 0);
    await(pool, &o);
    CHECK(o.kind == LUAS_CANCELLED && o.call == hanging);
    CHECK_INT(luas_cancel(pool, hanging), LUAS_ENOCALL);
    close_pool(pool);
}

static void test_retries_of_its_own(void)
{
    luas_pool *pool = open_functions(&(luas_options){.retries = 5, .retry_on = LUAS_RETRY_ERRORS});
    luas_outcome o;
    submit_call(pool, &(luas_call){.name = "third", .retries = -1});
    await(pool, &o);
    CHECK_INT(o.kind, LUAS_ERROR);
    submit_call(pool, &(luas_call){.name = "third"});
    await(pool, &o);
    CHECK_INT(o.results[0].as.integer, 3);
    submit_call(pool, &(luas_call){.name = "third", .retries = 1, .retry_on = LUAS_RETRY_ERRORS});
    await(pool, &o);
    CHECK_INT(o.kind, LUAS_ERROR);
    close_pool(pool);
}

/* Calls that were at a worker at the last look are not overtaken. */
static void count_dealt(void *data, const luas_event *e)
{
    if (e->type == LUAS_EVENT_DEALT)
        *(int *)data += (int)e->count;
}

static bool goes_before(int a, int b, int dealt, const int *priorities)
{
    if (a < dealt || b < dealt || priorities[a] == priorities[b])
        return a < b;
    return priorities[a] > priorities[b];
}

/* While the only worker is held, calls of several priorities wait; the first of them at the
   worker already. */
static void test_the_order_of_starting(void)
{
    static const int priorities[] = {0, -1, 5, 0, 5, -1};
    int dealt = 0, order[6];
    char held[] = "/tmp/luas-held-XXXXXX";
    int fd = mkstemp(held);
    CHECK(fd >= 0);
    luas_pool *pool = open_functions(&(luas_options){.on_event = count_dealt, .event_data = &dealt});
    luas_outcome o;
    submit(pool, "hold", luas_string(held));
    for (intptr_t i = 0; i < 6; i++)
        submit_call(pool, &(luas_call){.name = "order", .priority = priorities[i], .data = (void *)i});
    int ahead = dealt - 1;
    CHECK(ahead < 3 && close(fd) == 0 && unlink(held) == 0);
    await(pool, &o);
    for (int i = 0; i < 6; i++) {
        await(pool, &o);
        order[o.results[0].as.integer - 1] = (int)(intptr_t)o.data;
    }
    for (int i = 1; i < 6; i++)
        CHECK(goes_before(order[i - 1], order[i], ahead, priorities));
    close_pool(pool);
}

/* More kinds of calls than are kept. */
static void test_many_kinds_of_calls(void)
{
    enum { KINDS = 50 };
    bool seen[2 * KINDS] = {false};
    luas_pool *pool = open_functions(&(luas_options){.workers = 2});
    luas_outcome o;
    for (int round = 0; round < 2; round++) {
        for (intptr_t i = 0; i < KINDS; i++) {
            luas_value v = luas_integer(i);
            submit_call(pool, &(luas_call){.name = "echo", .count = 1, .arguments = &v, .timeout = 10 + (double)i,
                                           .data = (void *)(round * KINDS + i)});
        }
        CHECK_INT(luas_pending(pool), KINDS);
        while (luas_pending(pool) > 0) {
            await(pool, &o);
            CHECK_INT(o.results[0].as.integer, (intptr_t)o.data % KINDS);
            CHECK(!seen[(intptr_t)o.data]);
            seen[(intptr_t)o.data] = true;
        }
    }
    close_pool(pool);
}

static void test_nonsense_is_refused(void)
{
    luas_pool *pool = open_functions(&(luas_options){.workers = 1});
    luas_value bad = {.type = (luas_type)77};
    CHECK_INT(luas_submit_call(pool, &(luas_call){.name = NULL}, NULL), LUAS_EINVAL);
    CHECK_INT(luas_submit_call(pool, &(luas_call){.name = "echo", .count = 1}, NULL), LUAS_EINVAL);
    CHECK_INT(luas_submit_call(pool, &(luas_call){.name = "echo", .timeout = 0.0 / 0.0}, NULL), LUAS_EINVAL);
    CHECK_INT(luas_submit_call(pool, &(luas_call){.name = "echo", .retry_on = (luas_retry)9}, NULL), LUAS_EINVAL);
    CHECK_INT(luas_map(pool, &(luas_call){.name = "echo"}, 2, NULL, NULL), LUAS_EINVAL);
    CHECK_INT(luas_map(pool, &(luas_call){.name = "echo", .label = "x"}, 1, &bad, NULL), LUAS_EINVAL);
    CHECK_INT(luas_map(pool, &(luas_call){.name = "echo"}, 0, NULL, NULL), 0);
    CHECK_INT(luas_pending(pool), 0);
    close_pool(pool);
}

/* ---- many inputs ---- */

static void test_a_map(void)
{
    enum { N = 3000 };
    static luas_value inputs[N];
    luas_value more[] = {luas_integer(1000000), luas_integer(1)};
    luas_pool *pool = open_functions(&(luas_options){.workers = 2});
    luas_outcome o;
    uint64_t first, sum = 0;
    for (int i = 0; i < N; i++)
        inputs[i] = luas_integer(i);
    CHECK_INT(luas_map(pool, &(luas_call){.name = "sum", .count = 2, .arguments = more, .data = &sum,
                                          .priority = 1}, N, inputs, &first), 0);
    CHECK_INT(luas_pending(pool), N);
    while (luas_pending(pool) > 0) {
        await(pool, &o);
        CHECK_INT(o.kind, LUAS_VALUE);
        CHECK_INT(o.results[0].as.integer, 1000001 + (int64_t)o.position);
        CHECK(o.position == o.call - first && o.data == &sum);
        sum += o.position;
    }
    CHECK_INT(sum, N * (N - 1) / 2);
    close_pool(pool);
}

/* ---- receivers ---- */

typedef struct chain {
    luas_pool *pool;
    int left, own, others;
} chain;

static void take_others(void *data, const luas_outcome *o)
{
    chain *c = data;
    c->others += o->kind == LUAS_VALUE;
    luas_outcome none;
    CHECK_INT(luas_next(c->pool, &none), LUAS_EINVAL);
    CHECK_INT(luas_wait(c->pool, 0), LUAS_EINVAL);
}

static void take_own(void *data, const luas_outcome *o)
{
    chain *c = data;
    CHECK(o->data == c && o->results[0].as.integer == c->left);
    c->own++;
    luas_value left = luas_integer(c->left - 1);
    if (c->left-- > 0)
        submit_call(c->pool, &(luas_call){.name = "echo", .count = 1, .arguments = &left, .data = c,
                                          .on_outcome = take_own});
    CHECK_INT(o->results[0].as.integer, c->left + 1);
}

static void drive(luas_pool *pool)
{
    luas_outcome o;
    struct pollfd p = {.fd = luas_pool_fd(pool), .events = POLLIN};
    while (luas_pending(pool) > 0) {
        CHECK_INT(poll(&p, 1, 20000), 1);
        CHECK_INT(luas_next(pool, &o), 0);
    }
}

static void test_outcomes_go_to_receivers(void)
{
    chain c = {.left = 3};
    luas_value left = luas_integer(3);
    luas_outcome o;
    c.pool = open_functions(&(luas_options){.workers = 1});
    luas_on_outcome(c.pool, take_others, &c);
    submit_call(c.pool, &(luas_call){.name = "echo", .count = 1, .arguments = &left, .data = &c,
                                     .on_outcome = take_own});
    for (int i = 0; i < 5; i++)
        submit(c.pool, "echo", luas_integer(i));
    drive(c.pool);
    CHECK(c.own == 4 && c.others == 5 && c.left == -1);
    luas_on_outcome(c.pool, NULL, NULL);
    submit(c.pool, "echo", luas_integer(1));
    await(c.pool, &o);
    CHECK_INT(o.results[0].as.integer, 1);
    close_pool(c.pool);
}

static void count(void *data, const luas_outcome *o)
{
    *(int *)data += o->kind == LUAS_VALUE;
}

/* So many that luas_next stops in between: the descriptor is readable all the same. */
static void test_many_outcomes_for_a_receiver(void)
{
    enum { N = 5000 };
    static luas_value inputs[N];
    int n = 0;
    luas_pool *pool = open_functions(&(luas_options){.workers = 2});
    CHECK_INT(luas_map(pool, &(luas_call){.name = "echo", .data = &n, .on_outcome = count}, N, inputs, NULL), 0);
    usleep(50000);
    drive(pool);
    CHECK_INT(n, N);
    close_pool(pool);
}

/* ---- events ---- */

static void note_ended(void *data, const luas_event *e)
{
    if (e->type == LUAS_EVENT_ENDED)
        *(uint64_t *)data = e->call;
}

static void test_events_have_the_numbers_of_calls(void)
{
    uint64_t ended = 0;
    luas_outcome o;
    luas_pool *pool = open_functions(&(luas_options){.on_event = note_ended, .event_data = &ended});
    for (int i = 0; i < 4; i++) {
        uint64_t number = submit_call(pool, &(luas_call){.name = "echo", .priority = i % 2});
        await(pool, &o);
        CHECK(o.call == number && ended == number);
    }
    close_pool(pool);
}

int main(void)
{
    RUN(test_data_and_label_come_back);
    RUN(test_a_timeout_of_its_own);
    RUN(test_retries_of_its_own);
    RUN(test_the_order_of_starting);
    RUN(test_many_kinds_of_calls);
    RUN(test_nonsense_is_refused);
    RUN(test_a_map);
    RUN(test_outcomes_go_to_receivers);
    RUN(test_many_outcomes_for_a_receiver);
    RUN(test_events_have_the_numbers_of_calls);
    return 0;
}
