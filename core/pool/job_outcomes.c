/* What became of a job's tasks, until the owner has taken it. */
#include "job_outcomes.h"

#include <stdlib.h>

#include "error.h"
#include "job_inputs.h"
#include "mp_text.h"

/* As much of one task's input goes with its outcome, and of all inputs of a job: of more
   there is a text. */
enum { MOST_INPUT = 1 << 20, MOST_INPUTS = 64 << 20, INPUT_TEXT = 1000 };

/* MessagePack of a list of one string: the bytes before the string, and room for all. */
enum { TEXT_HEAD = 4, TEXT_ROOM = TEXT_HEAD + INPUT_TEXT };

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
    const char *input = luas__job_inputs_of(j, o->index, &len);
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

int luas__job_outcomes_reserve(luas__job *j, const luas__outcome *o, const luas__buffer *printed)
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

int luas__job_outcomes_settle(luas__job *j, const luas__outcome *o, const char *payload,
                              const luas__buffer *printed)
{
    int rc = j->closed ? 0 : post(j, o, payload, printed);
    if (rc < 0)
        return rc;
    for (uint64_t i = 0; i < o->count && j->input.nbatches > 0;)
        i += luas__job_inputs_settle(j, o->index + i, o->count - i);
    for (uint64_t i = 0; i < o->count && j->input.limit != NULL; i++)
        luas__limit_settled(j->input.limit, o->index + i);
    j->output.settled += o->count;
    if (o->kind != LUAS__KIND_VALUE && o->kind != LUAS__KIND_CANCELLED)
        j->output.failures += o->count;
    if (o->kind == LUAS__KIND_CANCELLED)
        j->output.cancelled += o->count;
    if (j->policy.room > 0)
        luas__job_requeue(j); /* there may be no more room for outcomes */
    return 0;
}

/* ---- tasks that do not start any more ---- */

/* How many tasks at the front of a range end together: all, unless each is to name its input. */
static uint64_t end_together(const luas__job *j, uint64_t count)
{
    return j->policy.flags & LUAS__JOB_NAMES && count > 0 ? 1 : count;
}

static uint64_t clamp(uint64_t x, uint64_t low, uint64_t high)
{
    return x < low ? low : x > high ? high : x;
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
    if (as->attempts == 0)
        o.attempts = (uint16_t)range->attempts;
    int rc = luas__pending_reserve(pending, 1);
    if (rc == 0)
        rc = luas__job_outcomes_settle(j, &o, payload, NULL);
    if (rc < 0)
        return rc;
    *from = o.index + o.count;
    luas__pending_cut(pending, range, low, o.count);
    if (pending == &j->input.pending)
        luas__job_inputs_dropped(j, low, o.count);
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
    int rc = luas__job_outcomes_settle(j, &o, payload, NULL);
    if (rc == 0)
        luas__held_remove(&j->input.held, task);
    return rc;
}

int luas__job_outcomes_end_pending(luas__job *j, uint64_t from, uint64_t to, const luas__outcome *as,
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

void luas__job_outcomes_trim(luas__job *j)
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

/* ---- the owner ---- */

void luas__job_outcomes_swap(luas__job *j)
{
    luas__buffer empty = j->output.taken;
    j->output.taken = j->output.inbox;
    j->output.inbox = empty;
    j->output.inbox.start = j->output.inbox.len = 0;
    luas__job_requeue(j);
}

bool luas__job_outcomes_has_taken(const luas__job *j)
{
    return j->output.framed > 0 || j->output.taken.len > 0;
}

float luas__job_outcomes_took(const luas__job *j, const char *stamp)
{
    const unsigned char *p = (const unsigned char *)stamp;
    return j->seen.stamp == 0 ? 0
        : (float)((double)(int64_t)(luas__mp_get_8(p + 8) - luas__mp_get_8(p)) / 1e9);
}

static const luas__outcome *next_value(luas__job *j, const char **payload)
{
    uint64_t index;
    *payload = luas__job_outcomes_next_value(j, &index, &j->output.value.len);
    j->output.value.took = luas__job_outcomes_took(j, *payload + j->output.value.len);
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

const luas__outcome *luas__job_outcomes_next_run(luas__job *j, const char **payload)
{
    if (j->output.taken.len == 0)
        return NULL;
    const luas__outcome *o = (const luas__outcome *)(void *)luas__buffer_bytes(&j->output.taken);
    *payload = (const char *)(o + 1);
    luas__buffer_consume(&j->output.taken, size_of(o));
    return o;
}

const luas__outcome *luas__job_outcomes_next(luas__job *j, const char **payload)
{
    if (j->output.framed > 0)
        return next_value(j, payload);
    const luas__outcome *o = luas__job_outcomes_next_run(j, payload);
    return o != NULL && o->framed ? first_value(j, o, payload) : o;
}

/* ---- outcomes that the owner decides on ---- */

int luas__job_outcomes_ask(luas__job *j, const luas__outcome *o, const char *payload, const luas__buffer *printed)
{
    return append(j, &j->output.asked.inbox, o, payload, printed);
}

void luas__job_outcomes_swap_asked(luas__job *j)
{
    luas__buffer empty = j->output.asked.taken;
    j->output.asked.taken = j->output.asked.inbox;
    j->output.asked.inbox = empty;
    j->output.asked.inbox.start = j->output.asked.inbox.len = 0;
}

const luas__outcome *luas__job_outcomes_asked(luas__job *j, const char **payload)
{
    if (j->output.asked.taken.len == 0)
        return NULL;
    const luas__outcome *o = (const luas__outcome *)(void *)luas__buffer_bytes(&j->output.asked.taken);
    *payload = (const char *)(o + 1);
    return o;
}

int luas__job_outcomes_settle_asked(luas__job *j, const luas__outcome *o, const char *payload)
{
    luas__buffer printed = {.data = (char *)(uintptr_t)payload + o->len, .len = o->printed};
    luas__outcome bare = *o;
    bare.printed = bare.input = 0;
    bare.input_is_cut = 0;
    return luas__job_outcomes_settle(j, &bare, payload, &printed);
}

void luas__job_outcomes_answered(luas__job *j)
{
    const char *payload;
    const luas__outcome *o = luas__job_outcomes_asked(j, &payload);
    j->output.inputs -= o->input;
    luas__buffer_consume(&j->output.asked.taken, size_of(o));
}
