/* Counts the events of pools. */
#define _GNU_SOURCE
#include "tally.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "array.h"
#include "mp_text.h"

/* The most bytes of an input or a message that a report shows. */
enum { MOST_TEXT = 1000 };

/* ---- lanes ---- */

static luas__lane *find_lane(luas__tally *t, int pool, int machine, int number)
{
    for (int i = 0, at = t->last_lane; i < t->nlanes; i++, at = at + 1 < t->nlanes ? at + 1 : 0)
        if (t->lanes[at].number == number && t->lanes[at].pool == pool && t->lanes[at].machine == machine)
            return &t->lanes[t->last_lane = at];
    return NULL;
}

static int reserve_lane(luas__tally *t)
{
    return luas__array_reserve(&t->lanes, &t->cap_lanes, (size_t)t->nlanes + 1, sizeof *t->lanes);
}

/* NULL without memory. */
static luas__lane *lane_of(luas__tally *t, int pool, const luas__pool_event *e)
{
    luas__lane *lane = find_lane(t, pool, e->machine, e->worker);
    if (lane != NULL || reserve_lane(t) < 0)
        return lane;
    int row = luas__timeline_row(&t->timeline);
    if (row < 0)
        return NULL;
    lane = &t->lanes[t->nlanes++];
    *lane = (luas__lane){.pool = pool, .machine = e->machine, .number = e->worker, .row = row};
    snprintf(lane->name, sizeof lane->name, "%s %d", e->workers != NULL ? e->workers : "worker", (int)e->worker);
    snprintf(lane->machine_name, sizeof lane->machine_name, "%s", e->machine_name != NULL ? e->machine_name : "");
    return lane;
}

static void on_fork(luas__lane *lane, const luas__pool_event *e)
{
    if (lane->forked_at > 0 && lane->died_at > 0)
        lane->alive += lane->died_at - lane->forked_at;
    lane->forked_at = e->at;
    lane->died_at = 0;
    lane->begun = false;
    lane->forks++;
}

static void on_death(luas__tally *t, luas__lane *lane, const luas__pool_event *e)
{
    lane->died_at = e->at;
    if (lane->forked_at == 0)
        lane->forked_at = t->first;
    bool was_asked = e->status != -1 && WIFEXITED(e->status) && WEXITSTATUS(e->status) == 0;
    if (was_asked)
        return;
    lane->deaths++;
    if (lane->nmarks < LUAS__MARKS)
        lane->marks[lane->nmarks++] = (luas__mark){.at = e->at, .status = e->status};
}

/* ---- tasks worth telling of ---- */

static char *copy_text(const char *bytes, size_t len, size_t (*write)(const char *, size_t, char *, size_t))
{
    char text[MOST_TEXT];
    return bytes == NULL ? NULL : (write(bytes, len, text, sizeof text), strdup(text));
}

/* The message of [value, message, traceback]. */
static char *copy_message(const luas__pool_event *e)
{
    luas__mp_reader r = {(const unsigned char *)e->raised, (const unsigned char *)e->raised};
    luas__mp_token t;
    if (e->raised_len == 0)
        return NULL;
    r.end += e->raised_len;
    if (luas__mp_read(&r, &t) != 1 || luas__mp_skip(&r) < 0
        || luas__mp_read(&r, &t) != 1 || (t.type != MP_STR && t.type != MP_BIN))
        return NULL;
    return copy_text(t.bytes, t.len, luas__mp_text_line);
}

static void note(luas__notable *n, int pool, const luas__pool_event *e)
{
    *n = (luas__notable){.start = e->start, .took = e->took, .job = e->job, .index = e->index, .pool = pool,
                         .machine = e->machine, .worker = e->worker, .attempts = e->attempts, .status = e->status,
                         .kind = e->kind};
    memcpy(n->label, e->label, strnlen(e->label, sizeof n->label - 1));
    size_t len;
    const char *input = luas__events_input(e, &len);
    n->input = copy_text(input, len, luas__mp_text);
    n->message = copy_message(e);
}

static void forget(luas__notable *n)
{
    free(n->input);
    free(n->message);
}

static bool is_slow(const luas__tally *t, int64_t took)
{
    return t->nslowest < LUAS__SLOWEST || took > t->slowest[LUAS__SLOWEST - 1].took;
}

static void consider_slow(luas__tally *t, int pool, const luas__pool_event *e)
{
    if (!is_slow(t, e->took))
        return;
    if (t->nslowest == LUAS__SLOWEST)
        forget(&t->slowest[--t->nslowest]);
    int at = t->nslowest++;
    for (; at > 0 && t->slowest[at - 1].took < e->took; at--)
        t->slowest[at] = t->slowest[at - 1];
    note(&t->slowest[at], pool, e);
}

static int reserve_failure(luas__tally *t)
{
    return luas__array_reserve(&t->failures, &t->cap_failures, (size_t)t->nfailures + 1,
                               sizeof *t->failures);
}

static void note_failure(luas__tally *t, int pool, const luas__pool_event *e)
{
    if (t->nfailures == LUAS__FAILURES || reserve_failure(t) < 0)
        t->unlisted++;
    else
        note(&t->failures[t->nfailures++], pool, e);
}

/* ---- hearing ---- */

/* Notes that n tasks have ended in the lane, the first of which began at e->start. */
static void count_in_lane(luas__tally *t, luas__lane *lane, const luas__pool_event *e, uint64_t n, int64_t end)
{
    if (!lane->begun && lane->forked_at > 0 && e->start > lane->forked_at)
        lane->startup += e->start - lane->forked_at;
    lane->begun = true;
    lane->tasks += n;
    lane->in_chunk += n;
    if (e->ends_chunk) {
        t->chunks++;
        lane->last_chunk = lane->in_chunk;
        lane->in_chunk = 0;
    }
    lane->last_end = end;
}

static void add_span(luas__tally *t, luas__lane *lane, int64_t start, int64_t end)
{
    lane->busy += end - start;
    luas__timeline_span(&t->timeline, lane->row, start, end);
}

static void on_end(luas__tally *t, int pool, const luas__pool_event *e)
{
    bool is_failure = e->kind != LUAS__KIND_VALUE && e->kind != LUAS__KIND_CANCELLED;
    if (e->retried)
        t->retries++;
    else
        t->kinds[e->kind] += e->count;
    if (e->at > t->last)
        t->last = e->at;
    if (e->took < 0)
        return;
    luas__lane *lane = lane_of(t, pool, e);
    if (lane != NULL) {
        count_in_lane(t, lane, e, 1, e->at);
        add_span(t, lane, e->start, e->at);
    }
    luas__timeline_count(&t->timeline, t->ended_row, e->at, 1);
    luas__histogram_add(&t->times, e->took);
    consider_slow(t, pool, e);
    if (is_failure && !e->retried) {
        luas__timeline_count(&t->timeline, t->failed_row, e->at, 1);
        note_failure(t, pool, e);
    }
}

static void begin(luas__tally *t, int64_t at)
{
    if (t->first == 0)
        t->first = at;
    luas__timeline_start(&t->timeline, t->first);
}

static void hear(luas__tally *t, int pool, const luas__pool_event *e)
{
    luas__lane *lane = NULL;
    begin(t, e->type == LUAS__EVENT_ENDED && e->took >= 0 ? e->start : e->at); /* of some engines no other is told */
    if (e->type != LUAS__EVENT_ENDED && (lane = lane_of(t, pool, e)) == NULL)
        return;
    switch (e->type) {
    case LUAS__EVENT_ENDED: on_end(t, pool, e); break;
    case LUAS__EVENT_FORKED:
    case LUAS__EVENT_REPLACED: on_fork(lane, e); break;
    case LUAS__EVENT_DIED: on_death(t, lane, e); break;
    case LUAS__EVENT_DEALT:
    case LUAS__EVENT_STARTED:
    case LUAS__EVENT_MOTHER:
    case LUAS__EVENT_TICK: break;
    }
}

static void on_event(luas__reader *self, int tag, const luas__pool_event *e)
{
    luas__tally *t = (luas__tally *)self;
    if (t->only != 0 && e->job != 0 && e->job != t->only)
        return;
    hear(t, tag, e);
}

/* ---- runs of values ---- */

/* Tasks between which no time has passed are one span. */
static void add_spans(luas__tally *t, luas__lane *lane, const luas__ended *tasks, size_t n)
{
    int64_t start = tasks[0].start;
    for (size_t i = 1; i < n; i++)
        if (tasks[i].start != tasks[i - 1].at) {
            add_span(t, lane, start, tasks[i - 1].at);
            start = tasks[i].start;
        }
    add_span(t, lane, start, tasks[n - 1].at);
}

/* Mostly all end in one bin of time. */
static void count_ends(luas__tally *t, const luas__ended *tasks, size_t n)
{
    luas__timeline_count(&t->timeline, t->ended_row, tasks[n - 1].at, 1);
    if (luas__timeline_is_last(&t->timeline, tasks[0].at)) {
        luas__timeline_count(&t->timeline, t->ended_row, tasks[0].at, (float)(n - 1));
        return;
    }
    for (size_t i = 0; i + 1 < n; i++)
        luas__timeline_count(&t->timeline, t->ended_row, tasks[i].at, 1);
}

static void consider_one(luas__tally *t, int pool, const luas__pool_event *first, const luas__ended *tasks, size_t i)
{
    luas__pool_event e = *first;
    e.index += i;
    e.start = tasks[i].start;
    e.at = tasks[i].at;
    e.took = e.at - e.start;
    consider_slow(t, pool, &e);
}

static void consider_each(luas__tally *t, int pool, const luas__pool_event *first, const luas__ended *tasks, size_t n)
{
    int64_t took[LUAS__MOST_ENDED];
    for (size_t i = 0; i < n; i++) {
        took[i] = tasks[i].at - tasks[i].start;
        if (is_slow(t, took[i]))
            consider_one(t, pool, first, tasks, i);
    }
    luas__histogram_add_all(&t->times, took, n);
}

static void on_run(luas__reader *self, int tag, const luas__pool_event *first, const luas__ended *tasks, size_t n)
{
    luas__tally *t = (luas__tally *)self;
    int64_t end = tasks[n - 1].at;
    if (t->only != 0 && first->job != t->only)
        return;
    begin(t, tasks[0].start);
    t->kinds[LUAS__KIND_VALUE] += n;
    if (end > t->last)
        t->last = end;
    luas__lane *lane = lane_of(t, tag, first);
    if (lane != NULL) {
        count_in_lane(t, lane, first, n, end);
        add_spans(t, lane, tasks, n);
    }
    count_ends(t, tasks, n);
    consider_each(t, tag, first, tasks, n);
}

/* ---- making and freeing ---- */

static void close_tally(luas__reader *self)
{
    luas__tally *t = (luas__tally *)self;
    for (int i = 0; i < t->nslowest; i++)
        forget(&t->slowest[i]);
    for (int i = 0; i < t->nfailures; i++)
        forget(&t->failures[i]);
    free(t->failures);
    free(t->lanes);
    luas__timeline_release(&t->timeline);
    free(t);
}

luas__tally *luas__tally_new(int64_t only)
{
    luas__tally *t = calloc(1, sizeof *t);
    if (t == NULL)
        return NULL;
    luas__events_init_reader(&t->reader, 1u << LUAS__EVENT_ENDED | 1u << LUAS__EVENT_FORKED
                      | 1u << LUAS__EVENT_REPLACED | 1u << LUAS__EVENT_DIED, on_event, close_tally);
    t->reader.hear_run = on_run;
    t->only = only;
    t->ended_row = luas__timeline_row(&t->timeline);
    t->failed_row = luas__timeline_row(&t->timeline);
    if (t->ended_row < 0 || t->failed_row < 0) {
        luas__events_drop_reader(&t->reader);
        return NULL;
    }
    return t;
}
