/* Telling listeners what tasks and workers do. */
#define _GNU_SOURCE
#include "events.h"

#include <stdlib.h>

#include "clock.h"
#include "error.h"
#include "job_inputs.h"
#include "snapshots.h"
#include "state.h"

/* ---- listeners ---- */

void luas__events_init_reader(luas__reader *r, unsigned wants,
                       void (*hear)(luas__reader *, int, const luas__pool_event *),
                       void (*close)(luas__reader *))
{
    r->wants = wants;
    r->hear = hear;
    r->hear_run = NULL;
    r->close = close;
    atomic_init(&r->users, 1);
    atomic_init(&r->due, 0);
    pthread_mutex_init(&r->lock, NULL);
}

void luas__events_drop_reader(luas__reader *r)
{
    if (r == NULL || atomic_fetch_sub(&r->users, 1) > 1)
        return;
    pthread_mutex_destroy(&r->lock);
    r->close(r);
}

int luas__events_listen(luas__pool *p, luas__reader *reader, int tag, bool all)
{
    luas__listener *l = malloc(sizeof *l);
    if (l == NULL)
        return LUAS_ENOMEM;
    int rc = luas__state_lock(p);
    if (rc < 0) {
        free(l);
        return rc;
    }
    atomic_fetch_add(&reader->users, 1);
    *l = (luas__listener){.next = p->events.listeners, .reader = reader, .tag = tag};
    p->events.listeners = l;
    p->events.all |= all;
    p->events.wanted |= reader->wants;
    luas__state_unlock(p);
    return 0;
}

static unsigned all_wanted(const luas__events *e)
{
    unsigned wanted = 0;
    for (const luas__listener *l = e->listeners; l != NULL; l = l->next)
        wanted |= l->reader->wants;
    return wanted;
}

static void drop_first(luas__listener **at)
{
    luas__listener *l = *at;
    *at = l->next;
    luas__events_drop_reader(l->reader);
    free(l);
}

void luas__events_ignore(luas__pool *p, const luas__reader *reader)
{
    if (luas__state_lock(p) < 0)
        return; /* a forked child's copy of the pool tells nobody */
    for (luas__listener **at = &p->events.listeners; *at != NULL;)
        if ((*at)->reader == reader)
            drop_first(at);
        else
            at = &(*at)->next;
    p->events.all &= p->events.listeners != NULL;
    p->events.wanted = all_wanted(&p->events);
    luas__state_unlock(p);
}

void luas__events_release(luas__events *e)
{
    while (e->listeners != NULL)
        drop_first(&e->listeners);
    e->wanted = 0;
}

/* Locks the readers once for a whole run of tasks. */
static void lock_readers(const luas__pool *p)
{
    for (const luas__listener *l = p->events.listeners; l != NULL; l = l->next)
        pthread_mutex_lock(&l->reader->lock);
}

static void unlock_readers(const luas__pool *p)
{
    for (const luas__listener *l = p->events.listeners; l != NULL; l = l->next)
        pthread_mutex_unlock(&l->reader->lock);
}

static void tell_locked(const luas__pool *p, const luas__pool_event *event)
{
    for (const luas__listener *l = p->events.listeners; l != NULL; l = l->next)
        if (l->reader->wants & 1u << event->type)
            l->reader->hear(l->reader, l->tag, event);
}

static void tell(const luas__pool *p, const luas__pool_event *event)
{
    lock_readers(p);
    tell_locked(p, event);
    unlock_readers(p);
}

static bool is_wanted(const luas__pool *p, enum luas__event_type type)
{
    return p->events.wanted & 1u << type;
}

/* ---- tasks ---- */

static bool is_stamped(const luas__job *job)
{
    return job->policy.flags & LUAS__JOB_STAMPED;
}

static luas__pool_event about(const luas__pool *p, enum luas__event_type type, const luas__job *job,
                              const luas__worker *w)
{
    return (luas__pool_event){
        .type = type, .workers = p->options.label, .job = job->id, .journal = job->seen.journal, .label = job->seen.label, .fed = job->input.fed,
        .waiting = job->input.waiting, .worker = w != NULL ? w->number : 0,
        .pid = w != NULL ? (int32_t)w->pid : 0, .took = -1, .status = -1};
}

void luas__events_dealt(luas__pool *p, const luas__worker *w, const luas__job *job,
                        uint64_t index, uint64_t count)
{
    if (!is_stamped(job) || !is_wanted(p, LUAS__EVENT_DEALT))
        return;
    luas__pool_event e = about(p, LUAS__EVENT_DEALT, job, w);
    e.at = luas__now();
    e.index = index;
    e.count = count;
    tell(p, &e);
}

const char *luas__events_input(const luas__pool_event *e, size_t *len)
{
    *len = e->input_len;
    return e->source != NULL ? luas__job_inputs_of(e->source, e->index, len) : e->input;
}

static void keep_pace(luas__job *job, int64_t start, int64_t end, int64_t took)
{
    if (job->seen.first_start == 0 || start < job->seen.first_start)
        job->seen.first_start = start;
    if (end > job->seen.last_end)
        job->seen.last_end = end;
    if (took > job->seen.slowest)
        job->seen.slowest = took;
}

static void tell_start(const luas__pool *p, luas__worker *w, const luas__pool_event *ended,
                       uint32_t seq)
{
    if (w->seen.told_seq == seq)
        return;
    w->seen.told_seq = seq;
    luas__pool_event e = *ended;
    e.type = LUAS__EVENT_STARTED;
    e.at = e.start;
    e.took = -1;
    tell_locked(p, &e);
}

/* Called with the readers locked. */
static void tell_end(luas__pool *p, luas__worker *w, luas__pool_event *e, uint32_t seq,
                     bool starts)
{
    e->took = e->at - e->start;
    keep_pace(e->source, e->start, e->at, e->took);
    if (starts)
        tell_start(p, w, e, seq);
    tell_locked(p, e);
}

static void read_stamp(luas__pool_event *e, const char *bytes)
{
    e->start = (int64_t)luas__mp_get_8((const unsigned char *)bytes);
    e->at = (int64_t)luas__mp_get_8((const unsigned char *)bytes + 8);
}

/* ---- runs of values ---- */

static bool are_stamped(const char *frames, uint64_t count)
{
    uint32_t len;
    for (uint64_t i = 0; i < count; i++) {
        luas__frame_next_value(&frames, &len);
        if (len < LUAS__STAMP)
            return false;
    }
    return true;
}

static void read_ended(luas__ended *task, const char *value, uint32_t len)
{
    const unsigned char *stamp = (const unsigned char *)value + len - LUAS__STAMP;
    task->result = value;
    task->size = len - LUAS__STAMP;
    task->start = (int64_t)luas__mp_get_8(stamp);
    task->at = (int64_t)luas__mp_get_8(stamp + 8);
}

static void keep_pace_of(luas__job *job, const luas__ended *tasks, size_t n)
{
    int64_t slowest = job->seen.slowest;
    for (size_t i = 0; i < n; i++)
        slowest = tasks[i].at - tasks[i].start > slowest ? tasks[i].at - tasks[i].start : slowest;
    keep_pace(job, tasks[0].start, tasks[n - 1].at, slowest);
}

/* Tells them one by one. */
static void tell_each(const luas__listener *l, const luas__pool_event *first, const luas__ended *tasks, size_t n)
{
    luas__pool_event e = *first;
    for (size_t i = 0; i < n; i++, e.index++) {
        e.start = tasks[i].start;
        e.at = tasks[i].at;
        e.took = e.at - e.start;
        e.result = tasks[i].result;
        e.size = tasks[i].size;
        e.ends_chunk = first->ends_chunk && i + 1 == n;
        l->reader->hear(l->reader, l->tag, &e);
    }
}

static void tell_starts(luas__pool *p, luas__worker *w, const luas__pool_event *first,
                        const luas__ended *tasks, size_t n, uint32_t seq)
{
    luas__pool_event e = *first;
    for (size_t i = 0; i < n; i++, e.index++) {
        e.start = tasks[i].start;
        tell_start(p, w, &e, seq + (uint32_t)i);
    }
}

/* Tells of tasks with values, the first of which has this seq. Called with the readers locked. */
static void tell_values(luas__pool *p, luas__worker *w, const luas__pool_event *first,
                        const luas__ended *tasks, size_t n, uint32_t seq)
{
    keep_pace_of(first->source, tasks, n);
    if (is_wanted(p, LUAS__EVENT_STARTED))
        tell_starts(p, w, first, tasks, n, seq);
    for (const luas__listener *l = p->events.listeners; l != NULL; l = l->next)
        if (!(l->reader->wants & 1u << LUAS__EVENT_ENDED))
            continue;
        else if (l->reader->hear_run != NULL)
            l->reader->hear_run(l->reader, l->tag, first, tasks, n);
        else
            tell_each(l, first, tasks, n);
}

static int tell_run(luas__pool *p, luas__worker *w, luas__pool_event *e, const char *frames,
                    uint64_t count)
{
    const luas__chunk *c = &w->tasks.chunks[0];
    luas__ended tasks[LUAS__MOST_ENDED];
    if (!are_stamped(frames, count))
        return LUAS_EPROTO;
    lock_readers(p);
    for (uint64_t done = 0; done < count;) {
        size_t n = 0;
        for (uint32_t len; n < LUAS__MOST_ENDED && done + n < count; n++) {
            const char *value = luas__frame_next_value(&frames, &len);
            read_ended(&tasks[n], value, len);
        }
        e->ends_chunk = done + n == c->count;
        tell_values(p, w, e, tasks, n, c->seq + (uint32_t)done);
        e->index += n;
        done += n;
    }
    unlock_readers(p);
    return 0;
}

/* The same of a task whose value is not framed. */
static void tell_value(luas__pool *p, luas__worker *w, luas__pool_event *e, const char *payload, uint32_t len)
{
    const luas__chunk *c = &w->tasks.chunks[0];
    luas__ended task;
    read_ended(&task, payload, len + LUAS__STAMP);
    e->ends_chunk = c->count == 1;
    lock_readers(p);
    tell_values(p, w, e, &task, 1, c->seq);
    unlock_readers(p);
}

/* ---- other ends ---- */

static void tell_one(luas__pool *p, luas__worker *w, luas__pool_event *e)
{
    const luas__chunk *c = &w->tasks.chunks[0];
    e->ends_chunk = c->count == 1;
    lock_readers(p);
    tell_end(p, w, e, c->seq, is_wanted(p, LUAS__EVENT_STARTED));
    unlock_readers(p);
}

/* Tells the end of a task that was seen to start but has sent no stamps. */
static void tell_silent(luas__pool *p, luas__worker *w, luas__pool_event *e)
{
    int64_t since = luas__worker_tasks_since(w);
    e->at = luas__now();
    e->start = luas__worker_tasks_running(w) != NULL && since != 0 ? since : e->at;
    tell_one(p, w, e);
}

int luas__events_ended(luas__pool *p, luas__worker *w, const luas__outcome *o,
                       const char *payload, bool retried)
{
    const luas__chunk *c = &w->tasks.chunks[0];
    luas__pool_event e = about(p, LUAS__EVENT_ENDED, c->job, w);
    e.index = o->index;
    e.count = 1;
    e.kind = (enum luas__kind)o->kind;
    e.attempts = o->attempts;
    e.retried = retried;
    e.source = c->job;
    e.status = o->kind == LUAS__KIND_VALUE || o->kind == LUAS__KIND_ERROR ? -1 : o->status;
    if (o->framed)
        return tell_run(p, w, &e, payload, o->count);
    if (payload == NULL) {
        tell_silent(p, w, &e);
        return 0;
    }
    if (o->kind == LUAS__KIND_VALUE) {
        tell_value(p, w, &e, payload, o->len);
        return 0;
    }
    e.size = o->len;
    e.raised = payload;
    e.raised_len = o->len;
    read_stamp(&e, payload + o->len);
    tell_one(p, w, &e);
    return 0;
}

void luas__events_unbegun(luas__pool *p, luas__job *job, uint64_t count, enum luas__kind kind)
{
    if (count == 0 || !is_stamped(job))
        return;
    luas__pool_event e = about(p, LUAS__EVENT_ENDED, job, NULL);
    e.at = luas__now();
    e.count = count;
    e.kind = kind;
    tell(p, &e);
}

/* ---- workers ---- */

static luas__pool_event about_worker(const luas__pool *p, enum luas__event_type type, const luas__worker *w)
{
    return (luas__pool_event){.type = type, .workers = p->options.label, .at = luas__now(), .label = "", .worker = w->number,
                              .pid = (int32_t)w->pid, .took = -1, .status = -1};
}

void luas__events_forked(luas__pool *p, const luas__worker *w)
{
    bool is_first = w->number > p->events.numbers;
    if (is_first)
        p->events.numbers = w->number;
    luas__pool_event e = about_worker(p, is_first ? LUAS__EVENT_FORKED : LUAS__EVENT_REPLACED, w);
    tell(p, &e);
}

void luas__events_died(luas__pool *p, const luas__worker *w)
{
    luas__pool_event e = about_worker(p, LUAS__EVENT_DIED, w);
    e.status = w->child.status;
    tell(p, &e);
}

void luas__events_mother(luas__pool *p)
{
    if (!is_wanted(p, LUAS__EVENT_MOTHER))
        return;
    const luas__snapshot *mother = luas__snapshots_mother(p);
    luas__pool_event e = {
        .type = LUAS__EVENT_MOTHER, .at = luas__now(), .took = -1, .status = -1, .label = "",
        .workers = p->options.label, .pid = mother != NULL ? mother->zygote.child.pid : 0};
    tell(p, &e);
}

/* Tells that a task has started, once it is seen in the scoreboard. */
static void look_at(luas__pool *p, luas__worker *w)
{
    const luas__chunk *c = luas__worker_tasks_running(w);
    uint32_t seq = c != NULL ? luas__worker_tasks_started(w) : 0;
    if (c == NULL || !is_stamped(c->job) || seq - c->seq >= c->count || seq == w->seen.told_seq)
        return;
    luas__pool_event e = about(p, LUAS__EVENT_STARTED, c->job, w);
    e.index = c->index + (seq - c->seq);
    e.count = 1;
    e.attempts = (int32_t)c->attempts + 1;
    e.start = luas__worker_tasks_since(w);
    e.source = c->job;
    lock_readers(p);
    tell_start(p, w, &e, seq);
    unlock_readers(p);
}

void luas__events_tick(luas__pool *p)
{
    bool starts = is_wanted(p, LUAS__EVENT_STARTED);
    for (int i = 0; i < p->nworkers && starts; i++)
        if (p->workers[i]->state < LUAS__WORKER_REAPED)
            look_at(p, p->workers[i]);
    if (!is_wanted(p, LUAS__EVENT_TICK))
        return;
    luas__pool_event e = {.type = LUAS__EVENT_TICK, .at = luas__now(), .label = "", .took = -1};
    tell(p, &e);
}

int64_t luas__events_due(const luas__pool *p)
{
    int64_t due = INT64_MAX;
    for (const luas__listener *l = p->events.listeners; l != NULL; l = l->next) {
        int64_t at = atomic_load_explicit(&l->reader->due, memory_order_relaxed);
        if (at > 0 && at < due)
            due = at;
    }
    return due;
}
