/* A ring of records. */
#include "shared_queue.h"

#include <string.h>

#include "bell.h"
#include "clock.h"
#include "arena_keep.h"
#include "error.h"

enum {
    LINE = 64,
    PAGE = 4096,
    ALIGN = 16,
    /* An empty ring starts at its front again if it was used beyond NEAR. If it was used beyond FEW
       its memory is given back now and then. */
    NEAR = 256 << 10,
    FEW = 4 << 20,
    STEP = 64 << 10,        /* it takes memory in steps of so many bytes */
    SPIN = 10000,           /* ns; a wake-up takes longer than this */
    RETRY = 64              /* how many waits do not spin after one that spun in vain */
};

typedef struct record {
    uint64_t len;           /* bytes after the ids; SKIP: there is no item here */
    uint64_t nids;
} record;

#define SKIP UINT64_MAX

/* One side of the ring, for putters or getters. It is written with its lock. */
typedef struct side {
    luas__robust lock;
    _Atomic uint64_t at;            /* tail or head */
    _Atomic uint64_t count;
    uint64_t next_at, next_count;   /* the values that `at` and the count are about to get */
    char rest[LINE];
} side;

typedef struct queue {
    char owners[LUAS__BLOCK_HEAD];
    side put, got;
    luas__bell items, room, done;
    _Atomic uint32_t closed;
    uint64_t size, bytes, max;
    uint64_t touched;               /* bytes from the front that have memory; the putters' */
    int64_t returned_at;            /* coarse ns */
    luas__seat_word taken[LUAS__SEATS];
} queue;

#define RING_AT ((sizeof(queue) + PAGE - 1) & ~(uint64_t)(PAGE - 1))

static queue *queue_of(const luas__object *o)
{
    return (queue *)(void *)o->at;
}

static char *ring_of(const luas__object *o)
{
    return o->at + RING_AT;
}

static uint64_t round_up(uint64_t n, uint64_t to)
{
    return (n + to - 1) & ~(to - 1);
}

static uint64_t whole_of(const luas__queue_item *item)
{
    return round_up(sizeof(record) + item->nids * sizeof *item->ids + item->len + item->more_len,
                    ALIGN);
}

int luas__shared_queue_new(luas__arena *a, uint64_t max, uint64_t bytes, luas__object *o)
{
    luas__object made = {.at = NULL};
    if (bytes > UINT64_MAX >> 2)
        return LUAS_ENOMEM;
    uint64_t size = round_up(bytes + 2 * sizeof(record), PAGE);
    int rc = luas__arena_new(a, LUAS__SHARED_QUEUE, RING_AT + size, 2 * (uint64_t)PAGE, &made);
    if (rc < 0)
        return rc;
    queue *q = queue_of(&made);
    q->size = size;
    q->bytes = bytes;
    q->max = max;
    if ((rc = luas__robust_init(&q->put.lock)) < 0 || (rc = luas__robust_init(&q->got.lock)) < 0)
        luas__arena_drop(&made);
    else
        *o = made;
    return rc;
}

/* ---- positions ---- */

/* Moves the position: the moment in which an item is put or got. Then the count follows. */
static void commit(side *s, uint64_t at, uint64_t count)
{
    s->next_at = at;
    s->next_count = count;
    atomic_store(&s->at, at);
    atomic_store_explicit(&s->count, count, memory_order_relaxed);
}

/* After a death: if the position was moved, the count follows. */
static void mend(side *s)
{
    if (atomic_load(&s->at) == s->next_at)
        atomic_store(&s->count, s->next_count);
}

static int lock(side *s)
{
    int rc = luas__robust_lock(&s->lock, LUAS__SLICE);
    if (rc == LUAS__DIED)
        mend(s);
    return rc < 0 ? rc : 0;
}

static void copy_in(const luas__object *o, uint64_t at, const void *bytes, uint64_t len)
{
    uint64_t size = queue_of(o)->size, offset = at % size;
    uint64_t first = size - offset < len ? size - offset : len;
    if (len == 0)
        return;
    memcpy(ring_of(o) + offset, bytes, first);
    if (first < len)
        memcpy(ring_of(o), (const char *)bytes + first, len - first);
}

static void copy_out(const luas__object *o, uint64_t at, void *to, uint64_t len)
{
    uint64_t size = queue_of(o)->size, offset = at % size;
    uint64_t first = size - offset < len ? size - offset : len;
    if (len == 0)
        return;
    memcpy(to, ring_of(o) + offset, first);
    if (first < len)
        memcpy((char *)to + first, ring_of(o), len - first);
}

/* ---- putting ---- */

/* Charges memory of the ring that is used for the first time. */
static int touch(const luas__object *o, uint64_t at, uint64_t len)
{
    queue *q = queue_of(o);
    uint64_t end = at % q->size + len;
    end = end > q->size ? q->size : end;
    if (end <= q->touched)
        return 0;
    end = round_up(end, STEP);
    int rc = luas__arena_charge(o, (int64_t)(end - q->touched));
    if (rc == 0)
        q->touched = end;
    return rc;
}

/* Gives memory back after a burst of items; not too often, in case many bursts follow. */
static void give_back(const luas__object *o)
{
    queue *q = queue_of(o);
    int64_t now = luas__now_coarse();
    if (q->touched <= FEW || now - q->returned_at < LUAS__SECOND)
        return;
    q->returned_at = now;
    luas__arena_discard(o, RING_AT + NEAR, (q->touched < q->size ? q->touched : q->size) - NEAR);
    luas__arena_charge(o, -(int64_t)(q->touched - NEAR));
    q->touched = NEAR;
}

/* The place for the record: the tail, or the front if the ring is empty. */
static uint64_t place(const luas__object *o, uint64_t tail, uint64_t head, uint64_t len)
{
    queue *q = queue_of(o);
    uint64_t offset = tail % q->size;
    if (tail != head || offset < NEAR || len > offset)
        return tail;
    give_back(o);
    copy_in(o, tail, &(record){.len = SKIP}, sizeof(record));
    return tail + (q->size - offset);
}

static bool has_room(const queue *q, uint64_t len)
{
    uint64_t used = atomic_load(&q->put.at) - atomic_load(&q->got.at);
    if (q->max > 0
        && atomic_load(&q->put.count) - atomic_load(&q->got.count) >= q->max)
        return false;
    return used + len <= q->size;
}

static void write_record(const luas__object *o, uint64_t at, const luas__queue_item *item)
{
    record r = {.len = item->len + item->more_len, .nids = item->nids};
    copy_in(o, at, &r, sizeof r);
    at += sizeof r;
    copy_in(o, at, item->ids, item->nids * sizeof *item->ids);
    at += item->nids * sizeof *item->ids;
    copy_in(o, at, item->bytes, item->len);
    copy_in(o, at + item->len, item->more, item->more_len);
}

/* With the lock held. */
static int put(const luas__object *o, const luas__queue_item *item)
{
    queue *q = queue_of(o);
    uint64_t len = whole_of(item), tail = atomic_load(&q->put.at);
    if (atomic_load(&q->closed) != 0)
        return LUAS_ECLOSED;
    if (!has_room(q, len))
        return LUAS_ETIMEDOUT;
    uint64_t at = place(o, tail, atomic_load(&q->got.at), len);
    int rc = touch(o, at, len);
    if (rc < 0)
        return rc;
    rc = luas__arena_keep_add(o, item->ids, item->nids);
    if (rc < 0)
        return rc;
    write_record(o, at, item);
    commit(&q->put, at + len, q->put.count + 1);
    return 0;
}

int luas__shared_queue_put(const luas__object *o, const luas__queue_item *item)
{
    queue *q = queue_of(o);
    if (item->len + item->more_len > q->bytes || whole_of(item) > q->size)
        return LUAS_ETOOBIG;
    int rc = lock(&q->put);
    if (rc < 0)
        return rc;
    rc = put(o, item);
    luas__robust_unlock(&q->put.lock);
    if (rc == 0)
        luas__bell_ring(&q->items);
    return rc;
}

/* ---- getting ---- */

/* Reads the record at the head; skips one without an item. */
static uint64_t read_record(const luas__object *o, record *r)
{
    queue *q = queue_of(o);
    uint64_t head = atomic_load(&q->got.at);
    copy_out(o, head, r, sizeof *r);
    if (r->len != SKIP)
        return head;
    head += q->size - head % q->size;
    copy_out(o, head, r, sizeof *r);
    return head;
}

/* Called before the item is taken. If the process dies here it counts as having had the item. */
static void count_taken(const luas__object *o, int by)
{
    luas__seat_word *word = &queue_of(o)->taken[o->arena->seat];
    uint32_t generation = o->arena->generation;
    uint32_t n = luas__seat_count(atomic_load_explicit(word, memory_order_relaxed), generation);
    atomic_store_explicit(word, luas__seat_make(generation, n + (uint32_t)by), memory_order_release);
}

/* The caller has made room. */
static void append_out(const luas__object *o, uint64_t at, luas__buffer *to, uint64_t len)
{
    if (len == 0)
        return;
    copy_out(o, at, luas__buffer_end(to), len);
    to->len += len;
}

/* Where an item may be peeked at: from so many bytes on, and then what it is. */
typedef struct view {
    const char *bytes;
    size_t len;
} view;

/* Is the record an item to peek at? It begins at `at`. */
static bool peek(const luas__object *o, const record *r, uint64_t at, view *v)
{
    uint64_t size = queue_of(o)->size, offset = (at + sizeof *r) % size;
    if (v == NULL || r->nids != 0 || r->len < v->len || offset + r->len > size)
        return false;
    *v = (view){ring_of(o) + offset, r->len};
    return true;
}

/* With the lock held: takes the item, which ends there. */
static void take(const luas__object *o, uint64_t end)
{
    queue *q = queue_of(o);
    count_taken(o, 1);
    commit(&q->got, end, q->got.count + 1);
}

/* With the lock held. Returns as luas__shared_queue_get_or_peek. */
static int get(const luas__object *o, luas__buffer *out, luas__buffer *ids, view *v)
{
    queue *q = queue_of(o);
    record r;
    if (atomic_load(&q->got.at) == atomic_load(&q->put.at))
        return 0;
    uint64_t head = read_record(o, &r), ids_len = r.nids * sizeof(uint64_t);
    if (peek(o, &r, head, v))
        return 2;
    if (luas__buffer_reserve(out, r.len) < 0 || luas__buffer_reserve(ids, ids_len) < 0)
        return LUAS_ENOMEM;
    append_out(o, head + sizeof r, ids, ids_len);
    append_out(o, head + sizeof r + ids_len, out, r.len);
    take(o, head + round_up(sizeof r + ids_len + r.len, ALIGN));
    return 1;
}

static int get_or_view(const luas__object *o, luas__buffer *out, luas__buffer *ids, view *v)
{
    queue *q = queue_of(o);
    bool closed = atomic_load(&q->closed) != 0; /* nothing comes after that */
    if (atomic_load(&q->got.at) == atomic_load(&q->put.at))
        return closed ? LUAS_ECLOSED : 0;
    int rc = lock(&q->got);
    if (rc < 0)
        return rc;
    rc = get(o, out, ids, v);
    if (rc == 2)
        return rc;
    luas__robust_unlock(&q->got.lock);
    if (rc == 1)
        luas__bell_ring(&q->room);
    return rc == 0 && closed ? LUAS_ECLOSED : rc;
}

int luas__shared_queue_get(const luas__object *o, luas__buffer *out, luas__buffer *ids)
{
    return get_or_view(o, out, ids, NULL);
}

int luas__shared_queue_get_or_peek(const luas__object *o, luas__buffer *out, luas__buffer *ids,
                                   const char **bytes, size_t *len)
{
    view v = {.len = *len};
    int rc = get_or_view(o, out, ids, &v);
    if (rc == 2) {
        *bytes = v.bytes;
        *len = v.len;
    }
    return rc;
}

void luas__shared_queue_take(const luas__object *o, bool takes)
{
    queue *q = queue_of(o);
    record r;
    if (takes) {
        uint64_t head = read_record(o, &r);
        take(o, head + round_up(sizeof r + r.len, ALIGN));
    }
    luas__robust_unlock(&q->got.lock);
    if (takes)
        luas__bell_ring(&q->room);
}

/* ---- waiting ---- */

static void relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

static bool has_item(const queue *q)
{
    return atomic_load(&q->got.at) != atomic_load(&q->put.at) || atomic_load(&q->closed) != 0;
}

/* Spins for an item, unless the other process needs this CPU: then spinning costs more than it
   saves. */
static bool comes_soon(const luas__object *o)
{
    const queue *q = queue_of(o);
    luas__arena *a = o->arena;
    if (a->blind_waits > 0) {
        a->blind_waits--;
        return false;
    }
    for (int64_t end = luas__now() + SPIN; luas__now() < end;)
        for (int i = 0; i < 8; i++) {
            if (has_item(q))
                return true;
            relax();
        }
    a->blind_waits = RETRY;
    return false;
}

int luas__shared_queue_await_item(const luas__object *o, int64_t ns)
{
    queue *q = queue_of(o);
    if (ns > 0 && comes_soon(o))
        return 0;
    uint32_t rings = luas__bell_listen(&q->items);
    return has_item(q) ? 0 : luas__bell_wait(&q->items, rings, ns);
}

int luas__shared_queue_await_room(const luas__object *o, const luas__queue_item *item, int64_t ns)
{
    queue *q = queue_of(o);
    uint32_t rings = luas__bell_listen(&q->room);
    if (atomic_load(&q->closed) != 0 || has_room(q, whole_of(item)))
        return 0;
    return luas__bell_wait(&q->room, rings, ns);
}

int luas__shared_queue_await_done(const luas__object *o, int64_t ns)
{
    queue *q = queue_of(o);
    uint32_t rings = luas__bell_listen(&q->done);
    return luas__shared_queue_is_done(o) ? 0 : luas__bell_wait(&q->done, rings, ns);
}

bool luas__shared_queue_has_item(const luas__object *o)
{
    return has_item(queue_of(o));
}

/* ---- the rest ---- */

int luas__shared_queue_done(const luas__object *o)
{
    queue *q = queue_of(o);
    if (luas__seat_count(atomic_load(&q->taken[o->arena->seat]), o->arena->generation) == 0)
        return LUAS_EINVAL;
    count_taken(o, -1);
    luas__bell_ring(&q->done);
    return 0;
}

/* A getter counts an item as taken before it removes it from the ring. So looking at the ring
   first and then at the counts misses none. */
bool luas__shared_queue_is_done(const luas__object *o)
{
    queue *q = queue_of(o);
    luas__seat *seats = luas__arena_seats(o->arena);
    uint32_t count = luas__arena_seat_count(o->arena);
    if (atomic_load(&q->got.at) != atomic_load(&q->put.at))
        return false;
    for (uint32_t i = 0; i < count; i++) {
        uint64_t word = atomic_load(&q->taken[i]);
        if ((uint32_t)word != 0 && luas__seat_lives(&seats[i], (uint32_t)(word >> 32)))
            return false;
    }
    return true;
}

int luas__shared_queue_close(const luas__object *o)
{
    queue *q = queue_of(o);
    int rc = luas__robust_lock_briefly(&q->put.lock);
    if (rc < 0)
        return rc;
    if (rc == LUAS__DIED)
        mend(&q->put);
    atomic_store(&q->closed, 1);
    luas__robust_unlock(&q->put.lock);
    luas__bell_ring(&q->items);
    luas__bell_ring(&q->room);
    return 0;
}

bool luas__shared_queue_is_closed(const luas__object *o)
{
    return atomic_load(&queue_of(o)->closed) != 0;
}

uint64_t luas__shared_queue_count(const luas__object *o)
{
    queue *q = queue_of(o);
    uint64_t got = atomic_load(&q->got.count), put_count = atomic_load(&q->put.count);
    return put_count > got ? put_count - got : 0;
}

uint64_t luas__shared_queue_bytes(const luas__object *o)
{
    return queue_of(o)->bytes;
}
