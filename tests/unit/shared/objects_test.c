/* Objects that processes share, and what is left of them when processes are killed. */
#include <errno.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include "arena.h"
#include "arena_keep.h"
#include "clock.h"
#include "error.h"
#include "holds.h"
#include "shared_barrier.h"
#include "shared_condition.h"
#include "shared_event.h"
#include "shared_lock.h"
#include "shared_queue.h"
#include "shared_semaphore.h"
#include "shared_word.h"
#include "testing.h"

static luas__arena open_arena(uint64_t limit)
{
    luas__arena a;
    CHECK_INT(luas__arena_open(&a, limit), 0);
    return a;
}

/* A child that runs `act` and exits with 0, or is killed when it waits. */
static pid_t child(void (*act)(void *), void *context)
{
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        act(context);
        _exit(0);
    }
    return pid;
}

static void end(pid_t pid, int wanted)
{
    int status;
    CHECK_INT(waitpid(pid, &status, 0), pid);
    CHECK_INT(WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status), wanted);
}

static void kill_child(pid_t pid)
{
    kill(pid, SIGKILL);
    end(pid, SIGKILL);
}

/* Under valgrind all takes much longer. */
static int rounds(int n)
{
    return under_valgrind() ? n / 10 + 1 : n;
}

/* ---- the arena ---- */

static void test_nothing_until_it_is_used(void)
{
    struct stat s;
    luas__arena a = open_arena(0);
    CHECK_INT(fstat(a.fd, &s), 0);
    CHECK_INT(s.st_size, 0);
    CHECK(a.head == NULL);
    luas__arena_close(&a);
    luas__arena_close(&a);
}

static uint64_t blocks_of(const luas__arena *a)
{
    struct stat s;
    CHECK_INT(fstat(a->fd, &s), 0);
    return (uint64_t)s.st_blocks;
}

static void test_memory_goes_back(void)
{
    luas__arena a = open_arena(0);
    luas__object o = {.at = NULL};
    CHECK_INT(luas__shared_word_new(&a, LUAS__SHARED_ARRAY, LUAS__U8, 1 << 20, &o), 0);
    luas__arena_drop(&o);
    uint64_t before = blocks_of(&a), used = luas__arena_used(&a);
    for (int i = 0; i < 100; i++) {
        CHECK_INT(luas__shared_word_new(&a, LUAS__SHARED_ARRAY, LUAS__U8, 1 << 20, &o), 0);
        CHECK_INT(luas__shared_word_get(&o, 77).i, 0);
        memset(luas__shared_word_bytes(&o, 0), 1, 1 << 20);
        CHECK(blocks_of(&a) >= before + 2048);
        luas__arena_drop(&o);
        CHECK(blocks_of(&a) <= before);
    }
    CHECK_INT(luas__arena_used(&a), used);
    CHECK_INT(luas__arena_objects(&a), 0);
    luas__arena_close(&a);
}

static void test_the_limit_holds(void)
{
    luas__arena a = open_arena(4 << 20);
    luas__object o = {.at = NULL}, q = {.at = NULL};
    CHECK_INT(luas__shared_word_new(&a, LUAS__SHARED_ARRAY, LUAS__U8, 5 << 20, &o), LUAS_ENOMEM);
    CHECK(o.at == NULL);
    CHECK_INT(luas__shared_queue_new(&a, 0, LUAS__QUEUE_BYTES, &q), 0); /* it is empty */
    char bytes[64 << 10] = "";
    luas__queue_item item = {.bytes = bytes, .len = sizeof bytes};
    int rc, n = 0;
    while ((rc = luas__shared_queue_put(&q, &item)) == 0)
        n++;
    CHECK_INT(rc, LUAS_ENOMEM);
    CHECK(n >= 60 && n <= 64);
    luas__arena_drop(&q);
    luas__arena_close(&a);
}

typedef struct found {
    luas__arena *arena;
    uint64_t id;
} found;

/* Finds an object that was made after its fork, and waits to be killed. */
static void find_and_wait(void *context)
{
    const found *f = context;
    luas__object o = {.at = NULL}, ready = {.at = NULL};
    if (luas__arena_find(f->arena, f->id, LUAS__SHARED_VALUE, &o) < 0
        || luas__arena_find(f->arena, f->id + 1, LUAS__SHARED_EVENT, &ready) < 0)
        _exit(1);
    luas__shared_word_add(&o, 0, (luas__number){.i = 1});
    luas__shared_event_set(&ready);
    pause();
}

static void await_event(const luas__object *o)
{
    for (int i = 0; i < 400 && !luas__shared_event_is_set(o); i++)
        luas__shared_event_await(o, LUAS__SLICE);
    CHECK(luas__shared_event_is_set(o));
}

static void test_an_object_lives_with_its_last_process(void)
{
    luas__arena a = open_arena(0);
    luas__object o = {.at = NULL}, ready = {.at = NULL}, again = {.at = NULL};
    CHECK_INT(luas__shared_word_new(&a, LUAS__SHARED_VALUE, LUAS__I64, 1, &o), 0);
    CHECK_INT(luas__shared_event_new(&a, &ready), 0);
    found f = {&a, o.id};
    pid_t pid = child(find_and_wait, &f);
    await_event(&ready);
    CHECK_INT(luas__shared_word_get(&o, 0).i, 1);
    uint64_t id = o.id;
    luas__arena_drop(&o);
    CHECK_INT(luas__arena_objects(&a), 2);
    CHECK_INT(luas__arena_find(&a, id, LUAS__SHARED_VALUE, &again), 0);
    CHECK_INT(luas__arena_find(&a, id, LUAS__SHARED_QUEUE, &o), LUAS_ECLOSED);
    luas__arena_drop(&again);
    kill_child(pid);
    luas__arena_sweep(&a, true);
    CHECK_INT(luas__arena_objects(&a), 1);
    CHECK_INT(luas__arena_find(&a, id, LUAS__SHARED_VALUE, &again), LUAS_ECLOSED);
    CHECK_INT(luas__arena_find(&a, id + 1000, LUAS__SHARED_VALUE, &again), LUAS_ECLOSED);
    luas__arena_drop(&ready);
    luas__arena_close(&a);
}

static void test_a_packed_object_waits_for_its_message(void)
{
    luas__arena a = open_arena(0);
    luas__object o = {.at = NULL}, q = {.at = NULL};
    CHECK_INT(luas__shared_event_new(&a, &o), 0);
    uint64_t id = o.id;
    CHECK_INT(luas__arena_keep_pack(&o), 0);
    luas__arena_drop(&o);
    luas__arena_settle(&a, 1);
    luas__arena_sweep(&a, true);
    CHECK_INT(luas__arena_objects(&a), 1);
    CHECK_INT(luas__arena_find(&a, id, LUAS__SHARED_EVENT, &o), 0);
    CHECK_INT(luas__shared_queue_new(&a, 0, 1000, &q), 0);
    CHECK_INT(luas__arena_keep_add(&q, &id, 1), 0);
    luas__arena_drop(&o);
    luas__arena_settle(&a, INT64_MAX);
    luas__arena_sweep(&a, true);
    CHECK_INT(luas__arena_objects(&a), 2);
    luas__arena_drop(&q);
    luas__arena_sweep(&a, true);
    CHECK_INT(luas__arena_objects(&a), 0);
    luas__arena_close(&a);
}

/* ---- locks ---- */

typedef struct locking {
    luas__object lock, ready;
} locking;

static void lock_and_wait(void *context)
{
    locking *l = context;
    luas__arena *a = l->lock.arena;
    luas__death death;
    if (luas__arena_enter(a) < 0)
        _exit(1);
    a->who = (luas__who){.worker = 3, .serial = 9, .task = 17, .input = "seventeen", .len = 9};
    if (luas__shared_lock_take(&l->lock, 0, &death) != 0)
        _exit(2);
    luas__shared_event_set(&l->ready);
    pause();
}

static void test_the_next_one_is_told_of_a_death(void)
{
    luas__arena a = open_arena(0);
    locking l = {.lock = {.at = NULL}};
    luas__death death;
    CHECK_INT(luas__shared_lock_new(&a, false, &l.lock), 0);
    CHECK_INT(luas__shared_event_new(&a, &l.ready), 0);
    for (int i = 0; i < rounds(20); i++) {
        luas__shared_event_clear(&l.ready);
        pid_t pid = child(lock_and_wait, &l);
        await_event(&l.ready);
        CHECK_INT(luas__shared_lock_take(&l.lock, LUAS__MS, &death), LUAS_ETIMEDOUT);
        kill_child(pid);
        CHECK_INT(luas__shared_lock_take(&l.lock, LUAS__SECOND, &death), LUAS__DIED);
        CHECK_INT(death.pid, pid);
        CHECK_INT(death.worker, 3);
        CHECK_INT(death.task, 17);
        CHECK_INT(death.len, 9);
        CHECK_BYTES(death.input, "seventeen", 9);
        CHECK_INT(luas__shared_lock_take(&l.lock, 0, &death), -EDEADLK);
        CHECK_INT(luas__shared_lock_release(&l.lock), 0);
        CHECK_INT(luas__shared_lock_release(&l.lock), -EPERM);
        CHECK_INT(luas__shared_lock_take(&l.lock, 0, &death), 0);
        CHECK_INT(luas__shared_lock_release(&l.lock), 0);
    }
    luas__arena_drop(&l.lock);
    luas__arena_drop(&l.ready);
    luas__arena_close(&a);
}

static void test_a_task_gives_back_what_it_holds(void)
{
    luas__arena a = open_arena(0);
    luas__object l = {.at = NULL}, r = {.at = NULL}, s = {.at = NULL};
    luas__death death;
    CHECK_INT(luas__shared_lock_new(&a, false, &l), 0);
    CHECK_INT(luas__shared_lock_new(&a, true, &r), 0);
    CHECK_INT(luas__shared_semaphore_new(&a, 2, &s), 0);
    CHECK_INT(luas__shared_lock_take(&r, 0, &death), 0);
    uint32_t before = luas__holds_count(&a);
    a.who.task = 5;
    CHECK_INT(luas__shared_lock_take(&r, 0, &death), 0);
    CHECK_INT(luas__shared_lock_take(&l, 0, &death), 0);
    CHECK_INT(luas__shared_semaphore_take(&s), 0);
    CHECK_INT(luas__shared_semaphore_take(&s), 0);
    CHECK_INT(luas__shared_semaphore_take(&s), LUAS_ETIMEDOUT);
    luas__holds_end_task(&a, before);
    CHECK_INT(luas__holds_count(&a), before);
    CHECK_INT(luas__shared_semaphore_count(&s), 2);
    CHECK_INT(luas__shared_semaphore_release(&s), -EPERM);
    CHECK_INT(luas__shared_lock_take(&l, 0, &death), LUAS__DIED);
    CHECK_INT(death.task, 5);
    CHECK(luas__shared_lock_is_own(&r));
    luas__arena_drop(&l); /* it is still held */
    CHECK_INT(luas__arena_objects(&a), 3);
    luas__holds_end_task(&a, 0);
    CHECK_INT(luas__arena_objects(&a), 2);
    luas__arena_drop(&r);
    luas__arena_drop(&s);
    luas__arena_close(&a);
}

static void test_too_many_locks(void)
{
    luas__arena a = open_arena(0);
    luas__death death;
    static luas__object locks[LUAS__MOST_HELD + 1];
    for (int i = 0; i <= LUAS__MOST_HELD; i++) {
        CHECK_INT(luas__shared_lock_new(&a, false, &locks[i]), 0);
        CHECK_INT(luas__shared_lock_take(&locks[i], 0, &death),
                  i < LUAS__MOST_HELD ? 0 : LUAS_ETOOBIG);
    }
    luas__holds_end_task(&a, 0);
    for (int i = 0; i <= LUAS__MOST_HELD; i++)
        luas__arena_drop(&locks[i]);
    CHECK_INT(luas__arena_objects(&a), 0);
    luas__arena_close(&a);
}

/* ---- semaphores ---- */

static void take_permits(void *context)
{
    luas__object *o = context;
    if (luas__arena_enter(o->arena) < 0 || luas__shared_semaphore_take(o) < 0
        || luas__shared_semaphore_take(o) < 0)
        _exit(1);
    raise(SIGKILL);
}

static void test_permits_of_the_dead_come_back(void)
{
    luas__arena a = open_arena(0);
    luas__object s = {.at = NULL};
    CHECK_INT(luas__shared_semaphore_new(&a, 3, &s), 0);
    CHECK_INT(luas__shared_semaphore_take(&s), 0);
    for (int i = 0; i < rounds(10); i++)
        end(child(take_permits, &s), SIGKILL);
    CHECK_INT(luas__shared_semaphore_count(&s), 2);
    CHECK_INT(luas__shared_semaphore_release(&s), 0);
    CHECK_INT(luas__shared_semaphore_count(&s), 3);
    luas__arena_drop(&s);
    luas__arena_close(&a);
}

/* ---- queues ---- */

static int put_number(const luas__object *q, uint32_t n, size_t len)
{
    char bytes[5000];
    memset(bytes, (int)(n & 0xff), sizeof bytes);
    memcpy(bytes, &n, sizeof n);
    return luas__shared_queue_put(q, &(luas__queue_item){.bytes = bytes, .len = len / 2,
        .more = bytes + len / 2, .more_len = len - len / 2});
}

/* The number of the next item, or negative. */
static int64_t get_number(const luas__object *q)
{
    luas__buffer b = LUAS__BUFFER_INIT, ids = LUAS__BUFFER_INIT;
    int64_t rc = luas__shared_queue_get(q, &b, &ids);
    uint32_t n;
    if (rc == 1) {
        memcpy(&n, luas__buffer_bytes(&b), sizeof n);
        for (size_t i = sizeof n; i < b.len; i++)
            if ((unsigned char)luas__buffer_bytes(&b)[i] != (n & 0xff))
                _exit(9);
        rc = n;
    } else if (rc == 0) {
        rc = -1;
    }
    luas__buffer_release(&b);
    luas__buffer_release(&ids);
    return rc;
}

static void test_items_come_in_order_round_the_ring(void)
{
    luas__arena a = open_arena(0);
    luas__object q = {.at = NULL};
    CHECK_INT(luas__shared_queue_new(&a, 0, 600 << 10, &q), 0);
    uint32_t in = 0, out = 0;
    for (int round = 0; round < rounds(3000); round++) {
        for (int i = round * 7 % 19; i >= 0; i--, in++)
            CHECK_INT(put_number(&q, in, 4 + in * 37 % 4900), 0);
        CHECK_INT(luas__shared_queue_count(&q), in - out);
        for (int i = round % 3 == 0 ? 30 : 9; i > 0 && out < in; i--, out++)
            CHECK_INT(get_number(&q), out);
        while (in - out > 80)
            CHECK_INT(get_number(&q), out++);
    }
    while (out < in)
        CHECK_INT(get_number(&q), out++);
    CHECK_INT(get_number(&q), -1);
    CHECK(!luas__shared_queue_is_done(&q));
    for (uint32_t i = 0; i < in; i++)
        CHECK_INT(luas__shared_queue_done(&q), 0);
    CHECK(luas__shared_queue_is_done(&q));
    CHECK_INT(luas__shared_queue_done(&q), LUAS_EINVAL);
    CHECK_INT(put_number(&q, 1, 100), 0);
    CHECK_INT(luas__shared_queue_close(&q), 0);
    CHECK_INT(put_number(&q, 1, 100), LUAS_ECLOSED);
    CHECK_INT(get_number(&q), 1);
    CHECK_INT(get_number(&q), LUAS_ECLOSED);
    luas__arena_drop(&q);
    luas__arena_close(&a);
}

static void test_an_empty_ring_stays_small(void)
{
    luas__arena a = open_arena(0);
    luas__object q = {.at = NULL};
    CHECK_INT(luas__shared_queue_new(&a, 2, 16 << 20, &q), 0);
    for (uint32_t i = 0; i < (uint32_t)rounds(20000); i++) {
        CHECK_INT(put_number(&q, i, 4000), 0);
        CHECK_INT(get_number(&q), i);
    }
    CHECK(luas__arena_used(&a) < 1 << 20);
    CHECK_INT(put_number(&q, 1, 10), 0);
    CHECK_INT(put_number(&q, 2, 10), 0);
    CHECK_INT(put_number(&q, 3, 10), LUAS_ETIMEDOUT);
    static char large[(16 << 20) + 1];
    luas__queue_item item = {.bytes = large, .len = sizeof large};
    CHECK_INT(luas__shared_queue_put(&q, &item), LUAS_ETOOBIG);
    CHECK_INT(get_number(&q), 1);
    CHECK_INT(get_number(&q), 2);
    item.len--;
    luas__buffer b = LUAS__BUFFER_INIT, ids = LUAS__BUFFER_INIT;
    CHECK_INT(luas__shared_queue_put(&q, &item), 0);
    CHECK_INT(luas__shared_queue_get(&q, &b, &ids), 1);
    CHECK_INT(b.len, 16 << 20);
    luas__buffer_release(&b);
    luas__arena_drop(&q);
    luas__arena_close(&a);
}

static void take_item(void *context)
{
    if (luas__arena_enter(((luas__object *)context)->arena) < 0 || get_number(context) != 1)
        _exit(1);
    raise(SIGKILL);
}

static void test_join_does_not_wait_for_the_dead(void)
{
    luas__arena a = open_arena(0);
    luas__object q = {.at = NULL};
    CHECK_INT(luas__shared_queue_new(&a, 0, 1000, &q), 0);
    CHECK_INT(put_number(&q, 1, 10), 0);
    CHECK(!luas__shared_queue_is_done(&q));
    end(child(take_item, &q), SIGKILL);
    CHECK(luas__shared_queue_is_done(&q));
    luas__arena_drop(&q);
    luas__arena_close(&a);
}

/* Putters are killed at any moment: what is there is whole, and each number once. */
static void put_for_ever(void *context)
{
    luas__object *q = context;
    if (luas__arena_enter(q->arena) < 0)
        _exit(1);
    for (uint32_t n = 0;; n++)
        while (put_number(q, n, 4 + n % 3000) == LUAS_ETIMEDOUT)
            luas__shared_queue_await_room(q, &(luas__queue_item){.len = 3000}, LUAS__SLICE);
}

static void test_putters_are_killed(void)
{
    luas__arena a = open_arena(0);
    luas__object q = {.at = NULL};
    CHECK_INT(luas__shared_queue_new(&a, 0, 100 << 10, &q), 0);
    for (int round = 0; round < rounds(100); round++) {
        pid_t pid = child(put_for_ever, &q);
        int64_t next = 0, n;
        for (int64_t end = luas__now() + (round % 7 + 1) * LUAS__MS; luas__now() < end;)
            if ((n = get_number(&q)) >= 0)
                CHECK_INT(n, next++);
        kill_child(pid);
        while ((n = get_number(&q)) >= 0)
            CHECK_INT(n, next++);
        CHECK_INT(n, -1);
        CHECK_INT(luas__shared_queue_count(&q), 0);
    }
    luas__arena_drop(&q);
    luas__arena_close(&a);
}

/* ---- meeting ---- */

static void come_and_wait(void *context)
{
    luas__object *b = context;
    luas__barrier_visit v;
    if (luas__arena_enter(b->arena) < 0)
        _exit(1);
    b->arena->who.worker = 4;
    int rc = luas__shared_barrier_enter(b, &v);
    while (rc == 0 || rc == LUAS_EINTR)
        rc = luas__shared_barrier_await(b, &v, LUAS__SLICE);
    _exit(rc == 1 ? 0 : rc == -EPIPE ? 3 : 2);
}

static void test_a_barrier_breaks_when_a_party_dies(void)
{
    luas__arena a = open_arena(0);
    luas__object b = {.at = NULL};
    luas__barrier_visit v;
    CHECK_INT(luas__shared_barrier_new(&a, 2, &b), 0);
    pid_t pid = child(come_and_wait, &b);
    int rc = luas__shared_barrier_enter(&b, &v);
    while (rc == 0 || rc == LUAS_EINTR)
        rc = luas__shared_barrier_await(&b, &v, LUAS__SLICE);
    CHECK_INT(rc, 1);
    end(pid, 0);
    CHECK_INT(luas__shared_barrier_enter(&b, &v), -EPIPE); /* it came, and has died */
    CHECK_INT(v.pid, pid);
    CHECK_INT(v.worker, 4);
    CHECK_INT(luas__shared_barrier_reset(&b), 0);
    CHECK_INT(luas__shared_barrier_enter(&b, &v), 0);
    CHECK_INT(luas__shared_barrier_await(&b, &v, LUAS__MS), 0);
    CHECK_INT(luas__shared_barrier_leave(&b, &v), -EPIPE);
    end(child(come_and_wait, &b), 3);
    luas__arena_drop(&b);
    luas__arena_close(&a);
}

static int entered[2]; /* a pipe: a byte for each child that waits for a notice */

static void wait_for_notice(void *context)
{
    luas__object *c = context;
    if (luas__arena_enter(c->arena) < 0 || luas__shared_condition_enter(c) < 0
        || write(entered[1], "", 1) != 1)
        _exit(1);
    while (luas__shared_condition_await(c, LUAS__SLICE) != 1)
        continue;
}

static pid_t child_that_waits(luas__object *c)
{
    char byte;
    pid_t pid = child(wait_for_notice, c);
    CHECK_INT(read(entered[0], &byte, 1), 1);
    return pid;
}

static void test_a_notice_of_the_dead_goes_on(void)
{
    luas__arena a = open_arena(0);
    luas__object c = {.at = NULL};
    CHECK_INT(luas__shared_condition_new(&a, 0, &c), 0);
    CHECK_INT(pipe(entered), 0);
    for (int i = 0; i < rounds(10); i++) {
        pid_t first = child_that_waits(&c);
        kill(first, SIGSTOP);
        pid_t second = child_that_waits(&c);
        CHECK_INT(luas__shared_condition_notify(&c, 1), 0);
        kill(first, SIGKILL);
        CHECK_INT(waitpid(first, NULL, 0), first);
        luas__shared_condition_notify(&c, i % 2); /* one too many does no harm */
        end(second, 0);
    }
    close(entered[0]);
    close(entered[1]);
    luas__arena_drop(&c);
    luas__arena_close(&a);
}

/* ---- numbers ---- */

static void add_many(void *context)
{
    luas__object *o = context;
    if (luas__arena_enter(o->arena) < 0)
        _exit(1);
    for (int i = 0; i < 10000; i++)
        luas__shared_word_add(o, 2, luas__shared_word_is_float(luas__shared_word_type(o))
                              ? (luas__number){.f = 1} : (luas__number){.i = 1});
}

static void test_sums_of_all_types(void)
{
    luas__arena a = open_arena(0);
    for (int t = LUAS__I8; t < LUAS__BOOL; t++) {
        luas__object o = {.at = NULL};
        CHECK_INT(luas__shared_word_new(&a, LUAS__SHARED_ARRAY, (luas__word_type)t, 5, &o), 0);
        pid_t one = child(add_many, &o), two = child(add_many, &o);
        end(one, 0);
        end(two, 0);
        luas__number n = luas__shared_word_get(&o, 2), none = luas__shared_word_get(&o, 1);
        static const int64_t sums[] = {20000 - 78 * 256, 20000, 20000, 20000,
                                       20000 - 78 * 256, 20000, 20000};
        if (luas__shared_word_is_float((luas__word_type)t))
            CHECK(n.f == 20000 && none.f == 0);
        else
            CHECK(n.i == sums[t] && none.i == 0);
        luas__arena_drop(&o);
    }
    luas__arena_close(&a);
}

static void test_exchange(void)
{
    luas__arena a = open_arena(0);
    luas__object o = {.at = NULL};
    luas__number n = {.i = 0};
    CHECK_INT(luas__shared_word_new(&a, LUAS__SHARED_VALUE, LUAS__I16, 1, &o), 0);
    CHECK(luas__shared_word_exchange(&o, 0, &n, (luas__number){.i = -5}));
    CHECK(!luas__shared_word_exchange(&o, 0, &n, (luas__number){.i = 1}));
    CHECK_INT(n.i, -5);
    CHECK_INT(luas__shared_word_swap(&o, 0, (luas__number){.i = 7}).i, -5);
    CHECK_INT(luas__shared_word_add(&o, 0, (luas__number){.i = 32767}).i, -32762);
    CHECK(luas__shared_word_fits(LUAS__I16, -32768) && !luas__shared_word_fits(LUAS__I16, 32768));
    CHECK(luas__shared_word_fits(LUAS__U32, UINT32_MAX) && !luas__shared_word_fits(LUAS__U32, -1));
    luas__arena_drop(&o);
    luas__arena_close(&a);
}

int main(void)
{
    RUN(test_nothing_until_it_is_used);
    RUN(test_memory_goes_back);
    RUN(test_the_limit_holds);
    RUN(test_an_object_lives_with_its_last_process);
    RUN(test_a_packed_object_waits_for_its_message);
    RUN(test_the_next_one_is_told_of_a_death);
    RUN(test_a_task_gives_back_what_it_holds);
    RUN(test_too_many_locks);
    RUN(test_permits_of_the_dead_come_back);
    RUN(test_items_come_in_order_round_the_ring);
    RUN(test_an_empty_ring_stays_small);
    RUN(test_join_does_not_wait_for_the_dead);
    RUN(test_putters_are_killed);
    RUN(test_a_barrier_breaks_when_a_party_dies);
    RUN(test_a_notice_of_the_dead_goes_on);
    RUN(test_sums_of_all_types);
    RUN(test_exchange);
    return 0;
}
