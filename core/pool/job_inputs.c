/* What a job is to do: batches of inputs, pending tasks, and what its limit keeps back. */
#include "job_inputs.h"

#include <stdlib.h>

#include "array.h"
#include "error.h"
#include "mp_text.h"

/* ---- a limit on what may start ---- */

static void release(luas__job *j, uint64_t index)
{
    j->input.waiting += luas__limit_release(j->input.limit, index, &j->input.pending);
    luas__job_requeue(j);
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

int luas__job_inputs_again(luas__job *j, luas__range task)
{
    uint64_t added = 0;
    if (j->input.limit == NULL)
        return luas__job_inputs_return(j, task);
    int rc = luas__limit_wait(j->input.limit, task, &j->input.pending, &added);
    if (rc < 0)
        return rc;
    j->input.waiting += added;
    release(j, task.first);
    return 0;
}

void luas__job_inputs_has_run(luas__job *j, uint64_t index)
{
    luas__limit_ended(j->input.limit, index);
    release(j, index);
}

void luas__job_inputs_release_due(luas__job *j)
{
    j->input.waiting += luas__limit_release_due(j->input.limit, &j->input.pending);
    luas__job_requeue(j);
}

void luas__job_inputs_dropped(luas__job *j, uint64_t first, uint64_t count)
{
    j->input.waiting -= count;
    for (uint64_t i = 0; j->input.limit != NULL && i < count; i++) {
        luas__limit_dropped(j->input.limit, first + i);
        release(j, first + i);
    }
    luas__job_requeue(j);
}

/* ---- feeding ---- */

int luas__job_inputs_reserve(luas__job *j, size_t extra)
{
    return luas__pending_reserve(&j->input.pending, extra);
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
    luas__job_requeue(j);
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

int luas__job_inputs_feed_records(luas__job *j, const luas__passage *of, luas__buffer *bytes, size_t *ends,
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

int luas__job_inputs_feed(luas__job *j, luas__buffer *bytes, size_t *ends, uint32_t count)
{
    return luas__job_inputs_feed_records(j, &(luas__passage){.text = NULL}, bytes, ends, count);
}

int luas__job_inputs_feed_at(luas__job *j, luas__range tasks, luas__buffer *bytes, size_t *ends)
{
    uint64_t before = tasks.first - 1;
    j->input.fed = j->output.settled = before;
    int rc = luas__job_inputs_feed(j, bytes, ends, (uint32_t)tasks.count);
    if (rc < 0) {
        j->input.fed = j->output.settled = 0;
        return rc;
    }
    luas__pending_take(&j->input.pending, luas__pending_first(&j->input.pending), tasks.count);
    return luas__pending_add(&j->input.pending, tasks); /* there is room: that of the range before */
}

int luas__job_inputs_name(luas__job *j, luas__buffer *bytes, size_t *ends, uint32_t count)
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

int luas__job_inputs_feed_inherited(luas__job *j, uint64_t count)
{
    return count > 0 ? add_pending(j, count) : 0;
}

int luas__job_inputs_return(luas__job *j, luas__range range)
{
    int rc = luas__pending_add(&j->input.pending, range);
    if (rc < 0)
        return rc;
    j->input.waiting += range.count;
    for (uint64_t i = 0; j->input.limit != NULL && i < range.count; i++)
        luas__limit_returned(j->input.limit, range.first + i);
    luas__job_requeue(j);
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

luas__batch *luas__job_inputs_batch(luas__job *j, uint64_t index)
{
    const luas__batch_place *at = find_batch(j, index);
    return at != NULL ? at->batch : NULL;
}

/* Takes up to `most` tasks off the front of a range. */
static void take_front(luas__job *j, const luas__range *next, uint64_t most, luas__range *range,
                       luas__batch **batch)
{
    *range = *next;
    *batch = luas__job_inputs_batch(j, next->first);
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
        luas__job_requeue(j);
}

bool luas__job_inputs_take(luas__job *j, uint32_t worker, uint32_t most, luas__range *range,
                           luas__batch **batch)
{
    const luas__range *next = worker == 0 ? luas__pending_first(&j->input.pending)
                                          : luas__pending_for(&j->input.pending, worker);
    if (next == NULL)
        return false;
    take_front(j, next, most, range, batch);
    return true;
}

bool luas__job_inputs_take_within(luas__job *j, uint64_t first, uint64_t count, luas__range *range,
                                  luas__batch **batch)
{
    const luas__range *next = luas__pending_from(&j->input.pending, first);
    if (next == NULL || next->first < first || next->first - first >= count)
        return false;
    take_front(j, next, count - (next->first - first), range, batch);
    return true;
}

size_t luas__job_inputs_range(const luas__batch *b, uint64_t first, uint64_t count, size_t *len)
{
    size_t i = (size_t)(first - b->first);
    size_t from = i > 0 ? b->ends[i - 1] : 0;
    *len = b->ends[i + count - 1] - from;
    return from;
}

const char *luas__job_inputs_bytes(const luas__batch *b, uint64_t first, uint64_t count, size_t *len)
{
    size_t from = luas__job_inputs_range(b, first, count, len);
    return luas__buffer_bytes(&b->bytes) + from;
}

static void drop_batch(luas__job *j, luas__batch_place *at)
{
    luas__job_free_batch(at->batch);
    at->batch = NULL;
    while (j->input.first_batch < j->input.nbatches && j->input.batches[j->input.first_batch].batch == NULL)
        j->input.first_batch++;
    if (j->input.first_batch == j->input.nbatches)
        j->input.first_batch = j->input.nbatches = 0;
}

uint64_t luas__job_inputs_settle(luas__job *j, uint64_t index, uint64_t count)
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

/* Reads the record of a task, and encodes it; NULL if it cannot be read. */
static const char *record_input(luas__job *j, const luas__batch *b, uint64_t index, size_t *len)
{
    luas__buffer raw = LUAS__BUFFER_INIT, *out = &j->input.record;
    const luas__text *text = b->of.text;
    size_t size, from = luas__job_inputs_range(b, index, 1, &size);
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

const char *luas__job_inputs_of(luas__job *j, uint64_t index, size_t *len)
{
    const luas__batch *b = luas__job_inputs_batch(j, index);
    if (b != NULL && b->of.text != NULL)
        return record_input(j, b, index, len);
    if (b == NULL)
        b = j->seen.names;
    if (b == NULL || index - b->first >= b->count)
        return NULL;
    luas__mp_reader r;
    int64_t size;
    r.at = (const unsigned char *)luas__job_inputs_bytes(b, index, 1, len);
    r.end = r.at + *len;
    if (luas__mp_read_int(&r, &size) < 0)
        return NULL;
    *len = (size_t)(r.end - r.at);
    return (const char *)r.at;
}
