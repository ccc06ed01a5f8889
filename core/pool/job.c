/* Inputs, pending ranges and outcomes of one job. */
#include "job.h"

#include <stdlib.h>

#include "array.h"
#include "clock.h"
#include "error.h"
#include "mp_text.h"

/* As much of one task's input goes with its outcome, and of all inputs of a job: of more
   there is a text. */
enum { MOST_INPUT = 1 << 20, MOST_INPUTS = 64 << 20, INPUT_TEXT = 1000 };

/* MessagePack of a list of one string: the bytes before the string, and room for all. */
enum { TEXT_HEAD = 4, TEXT_ROOM = TEXT_HEAD + INPUT_TEXT };

luas__job *luas__job_new(const luas__policy *policy)
{
    luas__job *j = calloc(1, sizeof *j);
    if (j == NULL)
        return NULL;
    j->policy = *policy;
    j->made_at = luas__now_coarse();
    bool is_limited = policy->limit.n > 0 || policy->limit.interval > 0;
    j->input.limit = is_limited ? luas__limit_new(&policy->limit) : NULL;
    if (is_limited && j->input.limit == NULL) {
        free(j);
        return NULL;
    }
    return j;
}

static void free_batch(luas__batch *b)
{
    luas__buffer_release(&b->bytes);
    free(b->ends);
    luas__text_release(b->of.text);
    luas__surroundings_release(b->around);
    free(b);
}

static void free_batches(luas__job *j)
{
    for (size_t i = j->input.first_batch; i < j->input.nbatches; i++)
        if (j->input.batches[i].batch != NULL)
            free_batch(j->input.batches[i].batch);
    free(j->input.batches);
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

/* Call it after every change that can change the answer of luas__job_ready. */
static void requeue(luas__job *j)
{
    bool ready = j->queue != NULL && luas__job_ready(j);
    if (ready && !j->queued)
        luas__queue_add(j->queue, &j->place);
    else if (!ready && j->queued)
        luas__queue_remove(j->queue, &j->place);
    j->queued = ready;
}

static void leave_queue(luas__job *j)
{
    if (j->queued)
        luas__queue_remove(j->queue, &j->place);
    j->queued = false;
}

void luas__job_enqueue(luas__job *j, luas__queue *q)
{
    leave_queue(j);
    j->place.priority = j->policy.priority;
    j->queue = q;
    requeue(j);
}

void luas__job_place(luas__job *j, int64_t turn)
{
    leave_queue(j);
    j->place.age = turn;
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
    luas__surroundings_release(j->around);
    luas__fd_set_release(&j->captured);
    luas__pending_release(&j->input.pending);
    luas__held_release(&j->input.held);
    luas__limit_free(j->input.limit);
    luas__buffer_release(&j->input.record);
    luas__buffer_release(&j->output.asked.inbox);
    luas__buffer_release(&j->output.asked.taken);
    if (j->seen.names != NULL)
        free_batch(j->seen.names);
    luas__buffer_release(&j->output.inbox);
    luas__buffer_release(&j->output.taken);
    free(j);
}

int luas__job_reserve(luas__job *j, size_t extra)
{
    return luas__pending_reserve(&j->input.pending, extra);
}

/* ---- a limit on what may start ---- */

static void release(luas__job *j, uint64_t index)
{
    j->input.waiting += luas__limit_release(j->input.limit, index, &j->input.pending);
    requeue(j);
}

/* Keys of batches that are freed are not needed any more. */
static int add_limited(luas__job *j, uint64_t first, uint64_t count)
{
    luas__limit *l = j->input.limit;
    luas__range range = {.first = first, .count = count};
    if (j->input.first_batch < j->input.nbatches)
        luas__limit_forget(l, j->input.batches[j->input.first_batch].first);
    uint64_t added = 0;
    int rc = luas__limit_wait(l, range, &j->input.pending, &added);
    if (rc < 0)
        return rc;
    j->input.waiting += added;
    for (uint64_t i = 0; i < count; i++)
        release(j, first + i);
    return 0;
}

int luas__job_again(luas__job *j, luas__range task)
{
    uint64_t added = 0;
    if (j->input.limit == NULL)
        return luas__job_return(j, task);
    int rc = luas__limit_wait(j->input.limit, task, &j->input.pending, &added);
    if (rc < 0)
        return rc;
    j->input.waiting += added;
    release(j, task.first);
    return 0;
}

void luas__job_has_run(luas__job *j, uint64_t index)
{
    luas__limit_ended(j->input.limit, index);
    release(j, index);
}

void luas__job_release_due(luas__job *j)
{
    j->input.waiting += luas__limit_release_due(j->input.limit, &j->input.pending);
    requeue(j);
}

static int add_pending(luas__job *j, uint64_t count)
{
    uint64_t first = j->input.fed + 1;
    bool is_limited = j->input.limit != NULL;
    int rc = is_limited ? add_limited(j, first, count) : luas__pending_append(&j->input.pending, first, count);
    if (rc < 0)
        return rc;
    j->input.fed += count;
    j->input.waiting += is_limited ? 0 : count;
    requeue(j);
    return 0;
}

/* Makes room for one more batch: reuses the places of freed batches at the front, or grows. */
static int reserve_batch(luas__job *j)
{
    if (j->input.nbatches < j->input.cap_batches)
        return 0;
    size_t left = j->input.nbatches - j->input.first_batch;
    if (left <= j->input.cap_batches / 2 && left > 0) {
        memmove(j->input.batches, j->input.batches + j->input.first_batch, left * sizeof *j->input.batches);
        j->input.first_batch = 0;
        j->input.nbatches = left;
        return 0;
    }
    return luas__array_reserve(&j->input.batches, &j->input.cap_batches, j->input.nbatches + 1,
                               sizeof *j->input.batches);
}

int luas__job_feed_records(luas__job *j, const luas__passage *of, luas__buffer *bytes, size_t *ends,
                           uint32_t count)
{
    luas__batch *b = malloc(sizeof *b);
    if (b == NULL)
        return LUAS_ENOMEM;
    uint64_t first = j->input.fed + 1;
    int rc = reserve_batch(j);
    if (rc == 0)
        rc = add_pending(j, count);
    if (rc < 0) {
        free(b);
        return rc;
    }
    *b = (luas__batch){.first = first, .count = count, .unsettled = count,
                       .bytes = *bytes, .ends = ends, .of = *of};
    if (of->text != NULL)
        luas__text_use(of->text);
    if (j->around != NULL)
        b->around = luas__surroundings_use(j->around);
    *bytes = (luas__buffer)LUAS__BUFFER_INIT;
    j->input.batches[j->input.nbatches++] = (luas__batch_place){.first = first, .batch = b};
    return 0;
}

int luas__job_feed(luas__job *j, luas__buffer *bytes, size_t *ends, uint32_t count)
{
    return luas__job_feed_records(j, &(luas__passage){.text = NULL}, bytes, ends, count);
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
    int rc = luas__pending_add(&j->input.pending, range);
    if (rc < 0)
        return rc;
    j->input.waiting += range.count;
    for (uint64_t i = 0; j->input.limit != NULL && i < range.count; i++)
        luas__limit_returned(j->input.limit, range.first + i);
    requeue(j);
    return 0;
}

static bool has_task(const luas__batch_place *at, uint64_t index)
{
    return at->batch != NULL && index - at->first < at->batch->count;
}

/* The place of the batch of a task; NULL if it has none, or it was freed. Mostly it is the
   first. */
static luas__batch_place *find_batch(luas__job *j, uint64_t index)
{
    size_t from = j->input.first_batch, to = j->input.nbatches; /* the place is before `to` */
    if (from < to && has_task(&j->input.batches[from], index))
        return &j->input.batches[from];
    while (from < to) {
        size_t middle = from + (to - from) / 2;
        if (j->input.batches[middle].first <= index)
            from = middle + 1;
        else
            to = middle;
    }
    luas__batch_place *at = from > j->input.first_batch ? &j->input.batches[from - 1] : NULL;
    return at != NULL && has_task(at, index) ? at : NULL;
}

luas__batch *luas__job_batch(luas__job *j, uint64_t index)
{
    const luas__batch_place *at = find_batch(j, index);
    return at != NULL ? at->batch : NULL;
}

/* Takes up to `most` tasks off the front of a range. */
static void take_front(luas__job *j, const luas__range *next, uint64_t most, luas__range *range,
                       luas__batch **batch)
{
    *range = *next;
    *batch = luas__job_batch(j, next->first);
    if (range->count > most)
        range->count = most;
    if (*batch != NULL) {
        uint64_t rest = (*batch)->first + (*batch)->count - next->first;
        if (range->count > rest)
            range->count = rest;
    }
    luas__pending_take(&j->input.pending, next, range->count);
    j->input.waiting -= range->count;
    for (uint64_t i = 0; j->input.limit != NULL && i < range->count; i++) {
        luas__limit_dealt(j->input.limit, range->first + i);
        release(j, range->first + i);
    }
    if (j->input.waiting == 0)
        requeue(j);
}

bool luas__job_take(luas__job *j, uint32_t worker, uint32_t most, luas__range *range,
                    luas__batch **batch)
{
    const luas__range *next = worker == 0 ? luas__pending_first(&j->input.pending)
                                          : luas__pending_for(&j->input.pending, worker);
    if (next == NULL)
        return false;
    take_front(j, next, most, range, batch);
    return true;
}

bool luas__job_take_within(luas__job *j, uint64_t first, uint64_t count, luas__range *range,
                           luas__batch **batch)
{
    const luas__range *next = luas__pending_from(&j->input.pending, first);
    if (next == NULL || next->first < first || next->first - first >= count)
        return false;
    take_front(j, next, count - (next->first - first), range, batch);
    return true;
}

size_t luas__job_batch_range(const luas__batch *b, uint64_t first, uint64_t count, size_t *len)
{
    size_t i = (size_t)(first - b->first);
    size_t from = i > 0 ? b->ends[i - 1] : 0;
    *len = b->ends[i + count - 1] - from;
    return from;
}

const char *luas__job_batch_bytes(const luas__batch *b, uint64_t first, uint64_t count, size_t *len)
{
    size_t from = luas__job_batch_range(b, first, count, len);
    return luas__buffer_bytes(&b->bytes) + from;
}

static void drop_batch(luas__job *j, luas__batch_place *at)
{
    free_batch(at->batch);
    at->batch = NULL;
    while (j->input.first_batch < j->input.nbatches && j->input.batches[j->input.first_batch].batch == NULL)
        j->input.first_batch++;
    if (j->input.first_batch == j->input.nbatches)
        j->input.first_batch = j->input.nbatches = 0;
}

/* Inputs are kept for retries until their whole batch is settled. Returns how many of the tasks
   from `index` on belong to the batch of the first one. */
static uint64_t settle_inputs(luas__job *j, uint64_t index, uint64_t count)
{
    luas__batch_place *at = find_batch(j, index);
    if (at == NULL)
        return count;
    luas__batch *b = at->batch;
    uint64_t rest = b->first + b->count - index;
    if (count > rest)
        count = rest;
    b->unsettled -= (uint32_t)count;
    if (b->unsettled == 0)
        drop_batch(j, at);
    return count;
}

/* Outcomes are in the buffer one after the other, each padded to this length. */
static size_t padded(size_t n)
{
    return (n + 7) & ~(size_t)7;
}

/* A forked child sees the writes of a thread in their order. So if it finds `posting` false,
   the inbox is complete. */
static void set_posting(luas__job *j, bool is_so)
{
    atomic_store_explicit(&j->posting, is_so, memory_order_release);
    atomic_thread_fence(memory_order_release);
}

/* Reads the record of a task, and encodes it; NULL if it cannot be read. */
static const char *record_input(luas__job *j, const luas__batch *b, uint64_t index, size_t *len)
{
    luas__buffer raw = LUAS__BUFFER_INIT, *out = &j->input.record;
    const luas__text *text = b->of.text;
    size_t size, from = luas__job_batch_range(b, index, 1, &size);
    const char *record = text->fd < 0 ? luas__buffer_bytes(&b->bytes) + from : "";
    int rc = text->fd < 0 ? 0 : luas__text_read(text->fd, b->of.from + from, size, &raw);
    if (text->fd >= 0 && (size = raw.len) > 0)
        record = luas__buffer_bytes(&raw);
    luas__buffer_truncate(out, 0);
    if (rc == 0)
        rc = luas__mp_write_array(out, 1);
    if (rc == 0)
        rc = luas__mp_write_string(out, record, text->whole ? size : luas__text_bare(text, record, size));
    luas__buffer_release(&raw);
    *len = out->len;
    return rc < 0 ? NULL : luas__buffer_bytes(out);
}

const char *luas__job_input(luas__job *j, uint64_t index, size_t *len)
{
    const luas__batch *b = luas__job_batch(j, index);
    if (b != NULL && b->of.text != NULL)
        return record_input(j, b, index, len);
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

static const char *cut_input(const char *input, size_t *len, char *room)
{
    size_t n = luas__mp_text(input, *len, room + TEXT_HEAD, INPUT_TEXT);
    memcpy(room, (char[]){(char)0x91, (char)0xda, (char)(n >> 8), (char)n}, TEXT_HEAD);
    *len = TEXT_HEAD + n;
    return room;
}

/* Notes the sizes of what goes with an outcome, which has neither yet; gives the input, which
   may have been made in `room`. */
static const char *complete(luas__job *j, luas__outcome *o, const luas__buffer *printed,
                            char room[TEXT_ROOM])
{
    o->printed = count_printed(printed);
    if (o->kind == LUAS__KIND_VALUE || o->count != 1 || !(j->policy.flags & LUAS__JOB_NAMES))
        return NULL;
    size_t len = 0;
    const char *input = luas__job_input(j, o->index, &len);
    o->input_is_cut = input != NULL && (len > MOST_INPUT || j->output.inputs + len > MOST_INPUTS);
    if (o->input_is_cut)
        input = cut_input(input, &len, room);
    o->input = input != NULL ? (uint32_t)len : 0;
    return input;
}

static size_t size_of(const luas__outcome *o)
{
    return sizeof *o + padded((size_t)o->len + o->printed + o->input);
}

int luas__job_reserve_outcome(luas__job *j, const luas__outcome *o, const luas__buffer *printed)
{
    if (j->closed)
        return 0;
    luas__outcome full = *o;
    char room[TEXT_ROOM];
    complete(j, &full, printed, room);
    set_posting(j, true);
    int rc = luas__buffer_reserve(&j->output.inbox, size_of(&full));
    set_posting(j, false);
    return rc;
}

/* Appends the outcome with all that goes with it. */
static int append(luas__job *j, luas__buffer *to, const luas__outcome *o, const char *payload,
                  const luas__buffer *printed)
{
    luas__outcome full = *o;
    char room[TEXT_ROOM];
    const char *input = complete(j, &full, printed, room);
    int rc = luas__buffer_reserve(to, size_of(&full));
    if (rc < 0)
        return rc;
    char *at = luas__buffer_end(to);
    memcpy(at, &full, sizeof full);
    if (full.len > 0)
        memcpy(at + sizeof full, payload, full.len);
    if (full.printed > 0)
        memcpy(at + sizeof full + full.len, luas__buffer_bytes(printed), full.printed);
    if (full.input > 0)
        memcpy(at + sizeof full + full.len + full.printed, input, full.input);
    to->len += size_of(&full);
    j->output.inputs += full.input;
    return 0;
}

static int post(luas__job *j, const luas__outcome *o, const char *payload,
                const luas__buffer *printed)
{
    set_posting(j, true);
    int rc = append(j, &j->output.inbox, o, payload, printed);
    set_posting(j, false);
    return rc;
}

int luas__job_settle(luas__job *j, const luas__outcome *o, const char *payload,
                     const luas__buffer *printed)
{
    int rc = j->closed ? 0 : post(j, o, payload, printed);
    if (rc < 0)
        return rc;
    for (uint64_t i = 0; i < o->count && j->input.nbatches > 0;)
        i += settle_inputs(j, o->index + i, o->count - i);
    for (uint64_t i = 0; i < o->count && j->input.limit != NULL; i++)
        luas__limit_settled(j->input.limit, o->index + i);
    j->output.settled += o->count;
    if (o->kind != LUAS__KIND_VALUE && o->kind != LUAS__KIND_CANCELLED)
        j->output.failures += o->count;
    if (o->kind == LUAS__KIND_CANCELLED)
        j->output.cancelled += o->count;
    if (j->policy.room > 0)
        requeue(j); /* there may be no more room for outcomes */
    return 0;
}

/* How many tasks at the front of a range end together: all, unless each is to name its input. */
static uint64_t end_together(const luas__job *j, uint64_t count)
{
    return j->policy.flags & LUAS__JOB_NAMES && count > 0 ? 1 : count;
}

static uint64_t clamp(uint64_t x, uint64_t low, uint64_t high)
{
    return x < low ? low : x > high ? high : x;
}

static void drop_pending(luas__job *j, uint64_t first, uint64_t count)
{
    j->input.waiting -= count;
    for (uint64_t i = 0; j->input.limit != NULL && i < count; i++) {
        luas__limit_dropped(j->input.limit, first + i);
        release(j, first + i);
    }
    requeue(j);
}

/* Ends the tasks of the range from *from to `past` - 1, or the first of these. *from is then the
   task after those. */
static int end_within(luas__job *j, luas__pending *pending, const luas__range *range, uint64_t *from,
                      uint64_t past, const luas__outcome *as, const char *payload)
{
    uint64_t end = range->first + range->count;
    uint64_t low = clamp(*from, range->first, end), high = clamp(past, low, end);
    luas__outcome o = *as;
    o.index = low;
    o.count = end_together(j, high - low);
    o.attempts = (uint16_t)range->attempts;
    int rc = luas__pending_reserve(pending, 1);
    if (rc == 0)
        rc = luas__job_settle(j, &o, payload, NULL);
    if (rc < 0)
        return rc;
    *from = o.index + o.count;
    luas__pending_cut(pending, range, low, o.count);
    if (pending == &j->input.pending)
        drop_pending(j, low, o.count);
    return 0;
}

static int end_in(luas__job *j, luas__pending *pending, uint64_t from, uint64_t past,
                  const luas__outcome *as, const char *payload)
{
    const luas__range *range;
    int rc = 0;
    while (rc == 0 && from < past && (range = luas__pending_from(pending, from)) != NULL
           && range->first < past)
        rc = end_within(j, pending, range, &from, past, as, payload);
    return rc;
}

/* What waits first, for what is pending makes room for it. */
static int end_limited(luas__job *j, uint64_t from, uint64_t past, const luas__outcome *as,
                       const char *payload)
{
    int rc = 0;
    luas__pending *waiting;
    for (size_t at = 0; j->input.limit != NULL && rc == 0
         && (waiting = luas__limit_waiting(j->input.limit, &at)) != NULL; at++)
        rc = end_in(j, waiting, from, past, as, payload);
    return rc;
}

static int end_held(luas__job *j, const luas__range *task, const luas__outcome *as, const char *payload)
{
    luas__outcome o = *as;
    o.index = task->first;
    o.count = 1;
    o.attempts = (uint16_t)task->attempts;
    int rc = luas__job_settle(j, &o, payload, NULL);
    if (rc == 0)
        luas__held_remove(&j->input.held, task);
    return rc;
}

int luas__job_end_pending(luas__job *j, uint64_t from, uint64_t to, const luas__outcome *as,
                          const char *payload)
{
    uint64_t past = to < UINT64_MAX ? to + 1 : to;
    const luas__range *task;
    int rc = end_limited(j, from, past, as, payload);
    if (rc == 0)
        rc = end_in(j, &j->input.pending, from, past, as, payload);
    while (rc == 0 && (task = luas__held_between(&j->input.held, from, to)) != NULL)
        rc = end_held(j, task, as, payload);
    return rc;
}

bool luas__job_finished(const luas__job *j)
{
    return j->input.sealed && j->output.settled == j->input.fed;
}

void luas__job_trim(luas__job *j)
{
    luas__pending_release(&j->input.pending);
    luas__limit_free(j->input.limit);
    j->input.limit = NULL;
    free(j->input.batches);
    j->input.batches = NULL;
    j->input.first_batch = j->input.nbatches = j->input.cap_batches = 0;
    set_posting(j, true);
    luas__buffer_trim(&j->output.inbox);
    set_posting(j, false);
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

float luas__job_took(const luas__job *j, const char *stamp)
{
    const unsigned char *p = (const unsigned char *)stamp;
    return j->seen.stamp == 0 ? 0
        : (float)((double)(int64_t)(luas__mp_get_8(p + 8) - luas__mp_get_8(p)) / 1e9);
}

static const luas__outcome *next_value(luas__job *j, const char **payload)
{
    uint64_t index;
    *payload = luas__job_next_value(j, &index, &j->output.value.len);
    j->output.value.took = luas__job_took(j, *payload + j->output.value.len);
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

const luas__outcome *luas__job_next_run(luas__job *j, const char **payload)
{
    if (j->output.taken.len == 0)
        return NULL;
    const luas__outcome *o = (const luas__outcome *)(void *)luas__buffer_bytes(&j->output.taken);
    *payload = (const char *)(o + 1);
    luas__buffer_consume(&j->output.taken, size_of(o));
    return o;
}

const luas__outcome *luas__job_next(luas__job *j, const char **payload)
{
    if (j->output.framed > 0)
        return next_value(j, payload);
    const luas__outcome *o = luas__job_next_run(j, payload);
    return o != NULL && o->framed ? first_value(j, o, payload) : o;
}

/* ---- outcomes that the owner decides on ---- */

int luas__job_ask(luas__job *j, const luas__outcome *o, const char *payload, const luas__buffer *printed)
{
    return append(j, &j->output.asked.inbox, o, payload, printed);
}

void luas__job_swap_asked(luas__job *j)
{
    luas__buffer empty = j->output.asked.taken;
    j->output.asked.taken = j->output.asked.inbox;
    j->output.asked.inbox = empty;
    j->output.asked.inbox.start = j->output.asked.inbox.len = 0;
}

const luas__outcome *luas__job_asked(luas__job *j, const char **payload)
{
    if (j->output.asked.taken.len == 0)
        return NULL;
    const luas__outcome *o = (const luas__outcome *)(void *)luas__buffer_bytes(&j->output.asked.taken);
    *payload = (const char *)(o + 1);
    return o;
}

int luas__job_settle_asked(luas__job *j, const luas__outcome *o, const char *payload)
{
    luas__buffer printed = {.data = (char *)(uintptr_t)payload + o->len, .len = o->printed};
    luas__outcome bare = *o;
    bare.printed = bare.input = 0;
    bare.input_is_cut = 0;
    return luas__job_settle(j, &bare, payload, &printed);
}

void luas__job_answered(luas__job *j)
{
    const char *payload;
    const luas__outcome *o = luas__job_asked(j, &payload);
    j->output.inputs -= o->input;
    luas__buffer_consume(&j->output.asked.taken, size_of(o));
}
