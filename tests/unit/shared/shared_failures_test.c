/*
 * Every allocation and system call of the shared objects fails in its turn: what
 * cannot be done says so, and nothing stays behind.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "arena.h"
#include "arena_keep.h"
#include "error.h"
#include "holds.h"
#include "shared_barrier.h"
#include "shared_condition.h"
#include "shared_event.h"
#include "shared_lock.h"
#include "shared_queue.h"
#include "shared_semaphore.h"
#include "shared_table.h"
#include "shared_word.h"
#include "failing_malloc.h"
#include "testing.h"

/* ---- system calls that fail as allocations do ---- */

#define WRAP(type, name, parameters, arguments) \
    type __real_##name parameters; \
    type __wrap_##name parameters; \
    type __wrap_##name parameters \
    { \
        if (!fails()) \
            return __real_##name arguments; \
        errno = ENOMEM; \
        return (type)-1; \
    }

WRAP(int, memfd_create, (const char *name, unsigned flags), (name, flags))
WRAP(int, ftruncate, (int fd, off_t len), (fd, len))
WRAP(int, fstat, (int fd, struct stat *s), (fd, s))
WRAP(int, stat, (const char *path, struct stat *s), (path, s))
WRAP(int, fallocate, (int fd, int mode, off_t from, off_t len), (fd, mode, from, len))
WRAP(void *, mmap, (void *at, size_t len, int how, int flags, int fd, off_t from),
     (at, len, how, flags, fd, from))
WRAP(int, madvise, (void *at, size_t len, int how), (at, len, how))

/* ---- what is done under these conditions ---- */

typedef struct run {
    luas__arena arena;
    luas__object queue, lock, semaphore, event, condition, barrier, value, table;
} run;

static int use_queue(run *r)
{
    luas__buffer out = LUAS__BUFFER_INIT, ids = LUAS__BUFFER_INIT;
    luas__queue_item item = {.bytes = "abc", .len = 3, .ids = &r->value.id, .nids = 1};
    int rc = luas__shared_queue_new(&r->arena, 0, 1 << 20, &r->queue);
    if (rc == 0)
        rc = luas__shared_queue_put(&r->queue, &item);
    if (rc == 0 && (rc = luas__shared_queue_get(&r->queue, &out, &ids)) == 1) {
        CHECK_INT(out.len, 3);
        CHECK_INT(ids.len, sizeof item.ids);
        luas__arena_keep_remove(&r->queue, &r->value.id, 1);
        rc = luas__shared_queue_done(&r->queue);
    }
    luas__buffer_release(&out);
    luas__buffer_release(&ids);
    return rc;
}

static int use_locks(run *r)
{
    luas__death death;
    int rc = luas__shared_lock_new(&r->arena, true, &r->lock);
    if (rc == 0)
        rc = luas__shared_semaphore_new(&r->arena, 2, &r->semaphore);
    if (rc == 0)
        rc = luas__shared_condition_new(&r->arena, r->lock.id, &r->condition);
    for (int i = 0; i < 10 && rc == 0; i++)
        rc = luas__shared_lock_take(&r->lock, 0, &death);
    if (rc == 0)
        rc = luas__shared_semaphore_take(&r->semaphore);
    return rc;
}

static int use_table(run *r)
{
    const char *why;
    luas__bytes key = {"key", 3}, value = {"value", 5};
    int rc = luas__shared_table_new(&r->arena, 1 << 20, NULL, &r->table, &why);
    if (rc == 0)
        rc = luas__shared_table_begin(&r->table, true, 0, &why);
    if (rc < 0)
        return rc;
    rc = luas__shared_table_put(&r->table, key, value);
    if (rc == 0)
        rc = luas__shared_table_get(&r->table, key, &value);
    luas__shared_table_end(&r->table, rc >= 0, &why);
    return rc < 0 ? rc : 0;
}

static int use_all(run *r)
{
    int rc = luas__arena_open(&r->arena, 0);
    if (rc == 0)
        rc = luas__shared_word_new(&r->arena, LUAS__SHARED_VALUE, LUAS__I64, 1, &r->value);
    if (rc == 0)
        rc = use_queue(r);
    if (rc == 0)
        rc = use_locks(r);
    if (rc == 0)
        rc = luas__shared_event_new(&r->arena, &r->event);
    if (rc == 0)
        rc = luas__shared_barrier_new(&r->arena, 2, &r->barrier);
    return rc == 0 ? use_table(r) : rc;
}

static void end(run *r)
{
    luas__object *all[] = {&r->queue, &r->lock, &r->semaphore, &r->event, &r->condition,
                           &r->barrier, &r->value, &r->table};
    if (r->arena.head != NULL)
        luas__holds_end_task(&r->arena, 0);
    if (r->table.at != NULL)
        luas__shared_table_close(&r->table);
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (all[i]->at != NULL)
            luas__arena_drop(all[i]);
    luas__arena_sweep(&r->arena, true);
    CHECK_INT(luas__arena_objects(&r->arena), 0);
    luas__holds_close(&r->arena);
}

static void test_each_failure_is_told(void)
{
    int refused = 0, n = 0;
    for (bool more = true; more; n++) {
        run r = {.arena = LUAS__ARENA_INIT};
        long before = live;
        failed = false;
        until_failure = n;
        failures_left = 1;
        int rc = use_all(&r);
        until_failure = -1;
        more = failed;
        CHECK(rc == 0 || failed);
        refused += rc < 0;
        end(&r);
        CHECK_INT(live, before);
    }
    CHECK(refused >= 8 && refused < n);
}

int main(void)
{
    run r = {.arena = LUAS__ARENA_INIT};
    CHECK_INT(use_all(&r), 0); /* loads what is loaded once */
    end(&r);
    RUN(test_each_failure_is_told);
    return 0;
}
