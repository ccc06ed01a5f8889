/* One mapping, cut into slots. */
#define _GNU_SOURCE
#include "bulk.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "fd.h"
#include "memfile.h"

#ifndef MAP_NORESERVE
#define MAP_NORESERVE 0
#endif

/* Bytes. A slot of fewer than SMALLEST is not worth having. The largest slot has room for
   two results of 4 MB with their heads: the worker can write one while the host copies
   the other. */
enum { SMALLEST = 256 << 10, LARGEST = (8 << 20) + SMALLEST, WHOLE = 8 * LARGEST };

/* Bytes. For fewer a call is not worth it. */
enum { PAGE = 4 << 10, FEW_PAGES = 32 << 10 };

/* As Linux has it since 5.14. */
#ifndef MADV_POPULATE_READ
enum { MADV_POPULATE_READ = 22, MADV_POPULATE_WRITE = 23 };
#endif

/* Where address space is limited, the slots take at most one PART-th of it. */
enum { PART = 16 };

static size_t most_bytes(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_AS, &limit) == 0 && limit.rlim_cur / PART < WHOLE)
        return (size_t)limit.rlim_cur / PART;
    return WHOLE;
}

static size_t whole(const luas__bulk *a)
{
    return a->size * (size_t)a->count;
}

static char *map_inherited(size_t size)
{
    void *bytes = mmap(NULL, size, PROT_READ | PROT_WRITE,
                       MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return bytes == MAP_FAILED ? NULL : bytes;
}

static char *map_file(luas__bulk *a)
{
    a->fd = luas__memfile_make(whole(a));
    return a->fd < 0 ? NULL : luas__memfile_map(a->fd, whole(a));
}

static void map(luas__bulk *a, bool is_file)
{
    a->taken = calloc((size_t)a->count, 1);
    if (a->taken != NULL)
        a->bytes = is_file ? map_file(a) : map_inherited(whole(a));
    if (a->bytes == NULL)
        luas__fd_close(&a->fd);
}

void luas__bulk_open(luas__bulk *a, int workers, bool is_file)
{
    size_t whole = most_bytes(), count = workers > 0 ? (size_t)workers : 1;
    if (count < whole / LARGEST)
        count = whole / LARGEST; /* the pool may be resized to more workers */
    if (count > whole / SMALLEST)
        count = whole / SMALLEST;
    *a = (luas__bulk){.count = (int)count, .fd = -1};
    if (count == 0)
        return;
    a->size = whole / count & ~(size_t)(SMALLEST - 1);
    a->size = a->size < LARGEST ? a->size : LARGEST;
    map(a, is_file);
}

void luas__bulk_close(luas__bulk *a)
{
    if (a->bytes != NULL)
        munmap(a->bytes, whole(a));
    free(a->taken);
    luas__fd_close(&a->fd);
    *a = (luas__bulk)LUAS__BULK_INIT;
}

luas__slot luas__bulk_take(luas__bulk *a)
{
    for (int i = 0; a->bytes != NULL && i < a->count; i++)
        if (!a->taken[i]) {
            a->taken[i] = 1;
            return (luas__slot){.bytes = a->bytes + (size_t)i * a->size, .size = a->size};
        }
    return (luas__slot){.bytes = NULL};
}

void luas__bulk_free(luas__bulk *a, luas__slot slot)
{
    if (slot.bytes != NULL)
        a->taken[(size_t)(slot.bytes - a->bytes) / a->size] = 0;
}

void luas__bulk_keep(const luas__bulk *a, luas__slot slot)
{
    if (a->bytes == NULL)
        return;
    char *end = a->bytes + whole(a);
    char *from = slot.bytes != NULL ? slot.bytes : end, *to = from + slot.size;
    if (from > a->bytes)
        munmap(a->bytes, (size_t)(from - a->bytes));
    if (to < end)
        munmap(to, (size_t)(end - to));
}

void luas__bulk_attach(const luas__bulk *a, int fd, luas__slot *slot)
{
    void *bytes = slot->bytes == NULL ? MAP_FAILED
        : mmap(NULL, slot->size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd,
               slot->bytes - a->bytes);
    *slot = bytes == MAP_FAILED ? (luas__slot){.bytes = NULL} : (luas__slot){.bytes = bytes, .size = slot->size};
}

/* Has pages up to `to` there in one call, in place of a page fault for each. */
static void touch(luas__slot *slot, size_t to, int how)
{
    size_t from = slot->touched & ~(size_t)(PAGE - 1);
    if (to <= slot->touched)
        return;
    if (to - slot->touched >= FEW_PAGES)
        madvise(slot->bytes + from, to - from, how); /* a failure only costs time */
    slot->touched = to;
}

/* If all is free it goes on at the front, whose pages are there already. */
static void move_to_front(luas__bulk_end *end, size_t size, bool is_free)
{
    if (end->next % size > 0)
        end->next += size - end->next % size;
    if (is_free)
        end->free = end->next;
}

char *luas__bulk_room(luas__slot *slot, const luas__scoreboard *scoreboard, luas__bulk_end *end, size_t len)
{
    if (slot->bytes == NULL || len > slot->size)
        return NULL;
    luas__bulk_end e = *end;
    uint64_t returned = atomic_load_explicit(&scoreboard->returned, memory_order_acquire);
    e.free = returned > e.free ? returned : e.free;
    if (e.free == e.next || len > slot->size - e.next % slot->size)
        move_to_front(&e, slot->size, e.free == e.next);
    if (e.next + len - e.free > slot->size)
        return NULL;
    *end = e;
    touch(slot, (size_t)(e.next % slot->size) + len, MADV_POPULATE_WRITE);
    return slot->bytes + e.next % slot->size;
}

int64_t luas__bulk_put(luas__slot *slot, const luas__scoreboard *scoreboard, luas__bulk_end *end,
                       const char *bytes, size_t len)
{
    char *room = luas__bulk_room(slot, scoreboard, end, len);
    if (room == NULL)
        return -1;
    memcpy(room, bytes, len);
    end->next += len;
    return (int64_t)(end->next - len);
}

const char *luas__bulk_got(luas__slot *slot, int64_t at, int64_t len)
{
    if (slot->bytes == NULL || at < 0 || len < 0
        || (uint64_t)len > slot->size - (uint64_t)at % slot->size)
        return NULL;
    touch(slot, (size_t)((uint64_t)at % slot->size) + (size_t)len, MADV_POPULATE_READ);
    return slot->bytes + (uint64_t)at % slot->size;
}

void luas__bulk_return(luas__scoreboard *scoreboard, int64_t at, int64_t len)
{
    atomic_store_explicit(&scoreboard->returned, (uint64_t)at + (uint64_t)len, memory_order_release);
}
