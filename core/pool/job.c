/* Inputs, pending ranges and outcomes of one job. */
#include "job.h"

#include <stdlib.h>

#include "array.h"
#include "clock.h"
#include "error.h"

luas__job *luas__job_new(const luas__policy *policy)
{
    luas__job *j = calloc(1, sizeof *j);
    if (j != NULL) {
        j->policy = *policy;
        j->made_at = luas__now_coarse();
    }
    return j;
}

static void free_batch(luas__batch *b)
{
    luas__buffer_release(&b->bytes);
    free(b->ends);
    free(b);
}

static void free_batches(luas__job *j)
{
    while (j->input.batches != NULL) {
        luas__batch *b = j->input.batches;
        j->input.batches = b->next;
        free_batch(b);
    }
    j->input.last_batch = j->input.cursor = NULL;
}

void luas__job_move(luas__job *j, luas__job_list *list)
{
    if (j->list != NULL) {
        *j->link = j->next;
        if (j->next != NULL)
            j->next->link = j->link;
        else
            j->list->last = j->link;
    }
    j->list = list;
    j->next = NULL;
    if (list == NULL)
        return;
    j->link = list->last;
    *j->link = j;
    list->last = &j->next;
}

/* ---- its place in the queue ---- */

bool luas__job_ready(const luas__job *j)
{
    return j->input.waiting > 0 && !j->closed && !luas__job_full(j);
}

/* After whatever changes the answer of luas__job_ready. */
static void requeue(luas__job *j)
{
    bool ready = j->queue != NULL && luas__job_ready(j);
    if (ready && !j->queued)
        luas__queue_add(j->queue, &j->place);
    else if (!ready && j->queued)
        luas__queue_remove(j->queue, &j->place);
    j->queued = ready;
}

void luas__job_enqueue(luas__job *j, luas__queue *q)
{
    if (j->queued)
        luas__queue_remove(j->queue, &j->place);
    j->queued = false;
    j->place.priority = j->policy.priority;
    j->place.age = j->id;
    j->queue = q;
    requeue(j);
}

void luas__job_close(luas__job *j)
{
    j->closed = true;
    requeue(j);
}

/* ---- inputs ---- */

void luas__job_free(luas__job *j)
{
    if (j == NULL)
        return;
    luas__job_enqueue(j, NULL);
    luas__job_move(j, NULL);
    free_batches(j);
    free(j->definitions);
    free(j->input.pending);
    if (j->seen.names != NULL)
        free_batch(j->seen.names);
    luas__buffer_release(&j->output.inbox);
    luas__buffer_release(&j->output.taken);
    free(j);
}

int luas__job_reserve(luas__job *j, size_t extra)
{
    return luas__array_reserve(&j->input.pending, &j->input.cap_pending,
                               j->input.npending + extra, sizeof *j->input.pending);
}

/* New tasks go to the bottom of the stack, joined with the youngest there. */
static int add_pending(luas__job *j, uint64_t count)
{
    uint64_t first = j->input.fed + 1;
    luas__range *bottom = j->input.pending;
    if (j->input.npending > 0 && bottom->first + bottom->count == first && bottom->attempts == 0) {
        bottom->count += count;
    } else {
        int rc = luas__job_reserve(j, 1);
        if (rc < 0)
            return rc;
        memmove(j->input.pending + 1, j->input.pending, j->input.npending * sizeof *j->input.pending);
        j->input.pending[0] = (luas__range){.first = first, .count = count};
        j->input.npending++;
    }
    j->input.fed += count;
    j->input.waiting += count;
    requeue(j);
    return 0;
}

static void append_batch(luas__job *j, luas__batch *b)
{
    if (j->input.last_batch != NULL)
        j->input.last_batch->next = b;
    else
        j->input.batches = b;
    j->input.last_batch = b;
}

int luas__job_feed(luas__job *j, luas__buffer *bytes, size_t *ends, uint32_t count)
{
    luas__batch *b = malloc(sizeof *b);
    if (b == NULL)
        return LUAS_ENOMEM;
    uint64_t first = j->input.fed + 1;
    int rc = add_pending(j, count);
    if (rc < 0) {
        free(b);
        return rc;
    }
    *b = (luas__batch){.first = first, .count = count, .unsettled = count,
                       .bytes = *bytes, .ends = ends};
    *bytes = (luas__buffer)LUAS__BUFFER_INIT;
    append_batch(j, b);
    return 0;
}

int luas__job_name_inputs(luas__job *j, luas__buffer *bytes, size_t *ends, uint32_t count)
{
    luas__batch *b = malloc(sizeof *b);
    if (b == NULL || j->seen.names != NULL) {
        free(b);
        return LUAS_ENOMEM;
    }
    *b = (luas__batch){.first = 1, .count = count, .bytes = *bytes, .ends = ends};
    *bytes = (luas__buffer)LUAS__BUFFER_INIT;
    j->seen.names = b;
    return 0;
}

int luas__job_feed_inherited(luas__job *j, uint64_t count)
{
    return count > 0 ? add_pending(j, count) : 0;
}

int luas__job_return(luas__job *j, luas__range range)
{
    int rc = luas__job_reserve(j, 1);
    if (rc < 0)
        return rc;
    j->input.pending[j->input.npending++] = range;
    j->input.waiting += range.count;
    requeue(j);
    return 0;
}

/* Tasks are mostly dealt in order, so the last batch found is a good guess. */
luas__batch *luas__job_batch(luas__job *j, uint64_t index)
{
    luas__batch *b = j->input.cursor != NULL && j->input.cursor->first <= index ? j->input.cursor : j->input.batches;
    while (b != NULL && index - b->first >= b->count)
        b = b->next;
    return j->input.cursor = b;
}

/* The topmost range that this worker may have. */
static luas__range *top_for(luas__job *j, uint32_t worker)
{
    for (size_t i = j->input.npending; i > 0; i--) {
        luas__range *r = &j->input.pending[i - 1];
        if (r->avoid == 0 || r->avoid != worker)
            return r;
    }
    return NULL;
}

static void drop_pending(luas__job *j, luas__range *r)
{
    size_t above = (size_t)(j->input.pending + j->input.npending - (r + 1));
    memmove(r, r + 1, above * sizeof *r);
    j->input.npending--;
}

bool luas__job_take(luas__job *j, uint32_t worker, uint32_t most, luas__range *range,
                    luas__batch **batch)
{
    luas__range *top = top_for(j, worker);
    if (top == NULL)
        return false;
    *range = *top;
    *batch = luas__job_batch(j, top->first);
    if (range->count > most)
        range->count = most;
    if (*batch != NULL) {
        uint64_t rest = (*batch)->first + (*batch)->count - top->first;
        if (range->count > rest)
            range->count = rest;
    }
    top->first += range->count;
    top->count -= range->count;
    j->input.waiting -= range->count;
    if (top->count == 0)
        drop_pending(j, top);
    requeue(j);
    return true;
}

const char *luas__job_batch_bytes(const luas__batch *b, uint64_t first, uint64_t count, size_t *len)
{
    size_t i = (size_t)(first - b->first);
    size_t from = i > 0 ? b->ends[i - 1] : 0;
    *len = b->ends[i + count - 1] - from;
    return luas__buffer_bytes(&b->bytes) + from;
}

static void drop_batch(luas__job *j, luas__batch **link, luas__batch *before)
{
    luas__batch *b = *link;
    *link = b->next;
    if (j->input.last_batch == b)
        j->input.last_batch = before;
    if (j->input.cursor == b)
        j->input.cursor = NULL;
    free_batch(b);
}

/* Inputs are kept until their whole batch is settled, for retries. Gives how
   many of the tasks from `index` on were in that batch. */
static uint64_t settle_inputs(luas__job *j, uint64_t index, uint64_t count)
{
    luas__batch **link = &j->input.batches, *before = NULL;
    while (*link != NULL && index - (*link)->first >= (*link)->count) {
        before = *link;
        link = &before->next;
    }
    luas__batch *b = *link;
    if (b == NULL)
        return count;
    uint64_t rest = b->first + b->count - index;
    if (count > rest)
        count = rest;
    b->unsettled -= (uint32_t)count;
    if (b->unsettled == 0)
        drop_batch(j, link, before);
    return count;
}

/* Outcomes lie in the buffer one after other, each padded to this. */
static size_t padded(size_t n)
{
    return (n + 7) & ~(size_t)7;
}

/* A fork sees what a thread writes in the order in which it does. */
static void set_posting(luas__job *j, bool is_so)
{
    atomic_store_explicit(&j->posting, is_so, memory_order_release);
    atomic_thread_fence(memory_order_release);
}

const char *luas__job_input(luas__job *j, uint64_t index, size_t *len)
{
    const luas__batch *b = luas__job_batch(j, index);
    if (b == NULL)
        b = j->seen.names;
    if (b == NULL || index - b->first >= b->count)
        return NULL;
    luas__mp_reader r;
    int64_t size;
    r.at = (const unsigned char *)luas__job_batch_bytes(b, index, 1, len);
    r.end = r.at + *len;
    if (luas__mp_read_int(&r, &size) < 0)
        return NULL;
    *len = (size_t)(r.end - r.at);
    return (const char *)r.at;
}

static uint32_t count_printed(const luas__buffer *printed)
{
    if (printed == NULL)
        return 0;
    return printed->len < UINT32_MAX / 2 ? (uint32_t)printed->len : UINT32_MAX / 2;
}

/* The outcome as it is kept, with the sizes of what goes with it. */
static luas__outcome complete(luas__job *j, const luas__outcome *o, const luas__buffer *printed,
                              const char **input)
{
    luas__outcome full = *o;
    size_t len = 0;
    bool names = j->policy.flags & LUAS__JOB_NAMES && o->kind != LUAS__KIND_VALUE && o->count == 1;
    full.printed = count_printed(printed);
    *input = names ? luas__job_input(j, o->index, &len) : NULL;
    full.input = *input != NULL && len < UINT32_MAX / 2 ? (uint32_t)len : 0;
    return full;
}

static size_t size_of(const luas__outcome *o)
{
    return sizeof *o + padded((size_t)o->len + o->printed + o->input);
}

int luas__job_reserve_outcome(luas__job *j, const luas__outcome *o, const luas__buffer *printed)
{
    if (j->closed)
        return 0;
    const char *input;
    luas__outcome full = complete(j, o, printed, &input);
    set_posting(j, true);
    int rc = luas__buffer_reserve(&j->output.inbox, size_of(&full));
    set_posting(j, false);
    return rc;
}

static int post(luas__job *j, const luas__outcome *o, const char *payload,
                const luas__buffer *printed)
{
    const char *input;
    luas__outcome full = complete(j, o, printed, &input);
    set_posting(j, true);
    int rc = luas__buffer_reserve(&j->output.inbox, size_of(&full));
    if (rc == 0) {
        char *at = luas__buffer_end(&j->output.inbox);
        memcpy(at, &full, sizeof full);
        if (full.len > 0)
            memcpy(at + sizeof full, payload, full.len);
        if (full.printed > 0)
            memcpy(at + sizeof full + full.len, luas__buffer_bytes(printed), full.printed);
        if (full.input > 0)
            memcpy(at + sizeof full + full.len + full.printed, input, full.input);
        j->output.inbox.len += size_of(&full);
    }
    set_posting(j, false);
    return rc;
}

int luas__job_settle(luas__job *j, const luas__outcome *o, const char *payload,
                     const luas__buffer *printed)
{
    int rc = j->closed ? 0 : post(j, o, payload, printed);
    if (rc < 0)
        return rc;
    for (uint64_t i = 0; i < o->count && j->input.batches != NULL;)
        i += settle_inputs(j, o->index + i, o->count - i);
    j->output.settled += o->count;
    if (o->kind != LUAS__KIND_VALUE && o->kind != LUAS__KIND_CANCELLED)
        j->output.failures++;
    if (o->kind == LUAS__KIND_CANCELLED)
        j->output.cancelled += o->count;
    requeue(j); /* more outcomes may wait than it has room for */
    return 0;
}

static int cancel_range(luas__job *j, uint64_t first, uint64_t count, uint32_t attempts)
{
    luas__outcome o = {.index = first, .count = count, .kind = LUAS__KIND_CANCELLED,
                       .attempts = (uint16_t)attempts};
    return luas__job_settle(j, &o, NULL, NULL);
}

static uint64_t clamp(uint64_t x, uint64_t low, uint64_t high)
{
    return x < low ? low : x > high ? high : x;
}

/* Cancels the middle of the range at `i`; what is left goes before and after. */
static int cancel_within(luas__job *j, size_t i, uint64_t from, uint64_t to)
{
    luas__range r = j->input.pending[i], rest = r;
    uint64_t end = r.first + r.count;
    uint64_t low = clamp(from, r.first, end), high = clamp(to, low, end);
    if (low == high)
        return 0;
    int rc = luas__job_reserve(j, 1);
    if (rc == 0)
        rc = cancel_range(j, low, high - low, r.attempts);
    if (rc < 0)
        return rc;
    j->input.waiting -= high - low;
    requeue(j);
    j->input.pending[i].count = low - r.first;
    rest.first = high;
    rest.count = end - high;
    memmove(&j->input.pending[i + 1], &j->input.pending[i], (j->input.npending++ - i) * sizeof r);
    j->input.pending[i] = rest; /* below the lower indices, which come first */
    return 0;
}

static void drop_empty_ranges(luas__job *j)
{
    size_t kept = 0;
    for (size_t i = 0; i < j->input.npending; i++)
        if (j->input.pending[i].count > 0)
            j->input.pending[kept++] = j->input.pending[i];
    j->input.npending = kept;
}

int luas__job_cancel_pending(luas__job *j, uint64_t from, uint64_t to)
{
    uint64_t past = to < UINT64_MAX ? to + 1 : to;
    int rc = 0;
    for (size_t i = j->input.npending; i-- > 0 && rc == 0;)
        rc = cancel_within(j, i, from, past);
    drop_empty_ranges(j);
    return rc;
}

bool luas__job_finished(const luas__job *j)
{
    return j->input.sealed && j->output.settled == j->input.fed;
}

bool luas__job_full(const luas__job *j)
{
    return j->policy.room > 0 && j->output.inbox.len > j->policy.room;
}

void luas__job_swap(luas__job *j)
{
    luas__buffer empty = j->output.taken;
    j->output.taken = j->output.inbox;
    j->output.inbox = empty;
    j->output.inbox.start = j->output.inbox.len = 0;
    requeue(j);
}

bool luas__job_has_taken(const luas__job *j)
{
    return j->output.framed > 0 || j->output.taken.len > 0;
}

static const luas__outcome *next_value(luas__job *j, const char **payload)
{
    uint64_t index;
    *payload = luas__job_next_value(j, &index, &j->output.value.len);
    return &j->output.value;
}

static const luas__outcome *first_value(luas__job *j, const luas__outcome *o,
                                        const char **payload)
{
    j->output.value = *o;
    j->output.value.index--;
    j->output.value.count = 1;
    j->output.value.framed = 0;
    j->output.framed = o->count;
    j->output.frames = (const char *)(o + 1);
    return next_value(j, payload);
}

const luas__outcome *luas__job_next(luas__job *j, const char **payload)
{
    if (j->output.framed > 0)
        return next_value(j, payload);
    if (j->output.taken.len == 0)
        return NULL;
    const luas__outcome *o = (const luas__outcome *)(void *)luas__buffer_bytes(&j->output.taken);
    *payload = (const char *)(o + 1);
    luas__buffer_consume(&j->output.taken, size_of(o));
    return o->framed ? first_value(j, o, payload) : o;
}
