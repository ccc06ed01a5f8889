/* Sends tasks to a worker, takes them back, and removes those that were answered. */
#include "worker_tasks.h"

#include <string.h>
#include <unistd.h>

#include "array.h"
#include "clock.h"
#include "job_inputs.h"
#include "surroundings_message.h"

static luas__known_job *find_job(const luas__worker *w, const luas__job *job)
{
    for (int i = w->known.njobs; i-- > 0;)
        if (w->known.jobs[i].id == job->id)
            return &w->known.jobs[i];
    return NULL;
}

bool luas__worker_tasks_had(const luas__worker *w, const luas__job *job)
{
    const luas__known_job *known = find_job(w, job);
    return known != NULL && known->tasks > 0;
}

static luas__known_job *know_job(luas__worker *w, const luas__job *job, int *rc)
{
    luas__known_job *known = find_job(w, job);
    if (known != NULL)
        return known;
    *rc = luas__array_reserve(&w->known.jobs, &w->known.cap_jobs, (size_t)w->known.njobs + 1,
                              sizeof *w->known.jobs);
    if (*rc < 0)
        return NULL;
    *rc = luas__frame_write(&w->link.out, LUAS__MSG_JOB,
                            (int64_t[]){job->id, job->policy.flags, job->policy.seed}, 3);
    if (*rc < 0)
        return NULL;
    bool is_of_snapshot = (job->policy.flags & LUAS__JOB_INHERIT) && job->snapshot.id == w->snapshot;
    w->known.jobs[w->known.njobs] = (luas__known_job){.id = job->id, .is_inherited = is_of_snapshot,
                                          .defined = is_of_snapshot ? w->inherited_definitions : 0};
    return &w->known.jobs[w->known.njobs++];
}

static bool knows_definition(const luas__worker *w, int64_t id)
{
    for (int i = w->known.ndefinitions; i-- > 0;)
        if (w->known.definitions[i] == id)
            return true;
    return false;
}

static int send_definition(luas__worker *w, const luas__definition *definition)
{
    int rc = luas__array_reserve(&w->known.definitions, &w->known.cap_definitions,
                                 (size_t)w->known.ndefinitions + 1, sizeof *w->known.definitions);
    if (rc < 0)
        return rc;
    size_t mark;
    rc = luas__frame_begin(&w->link.out, LUAS__MSG_DEFINITION, &mark);
    if (rc < 0)
        return rc;
    rc = luas__mp_write_int(&w->link.out, definition->id);
    if (rc == 0)
        rc = luas__buffer_append(&w->link.out, definition->bytes, definition->len);
    if (rc == 0)
        rc = luas__frame_end(&w->link.out, mark);
    if (rc < 0)
        luas__buffer_truncate(&w->link.out, mark);
    else
        w->known.definitions[w->known.ndefinitions++] = definition->id;
    return rc;
}

static int define(luas__worker *w, const luas__job *job, luas__known_job *known)
{
    for (; known->defined < job->ndefinitions; known->defined++) {
        const luas__definition *definition = job->definitions[known->defined];
        int rc = knows_definition(w, definition->id) ? 0 : send_definition(w, definition);
        if (rc == 0)
            rc = luas__frame_write(&w->link.out, LUAS__MSG_DEFINE,
                                   (int64_t[]){job->id, definition->id}, 2);
        if (rc < 0)
            return rc;
    }
    return 0;
}

/* Tells the worker what is around the tasks that come next, if that is not what it was told
   last. Workers of an inherited job have it since they were forked. */
static int surround(luas__worker *w, const luas__job *job, const luas__batch *batch)
{
    luas__surroundings *around = batch != NULL ? batch->around : job->around;
    if (around == w->around.told || around == NULL || w->around.told == NULL
        || job->policy.flags & LUAS__JOB_INHERIT)
        return 0;
    size_t mark, before = w->link.out.len;
    int rc = luas__frame_begin(&w->link.out, LUAS__MSG_AROUND, &mark);
    if (rc == 0)
        rc = luas__surroundings_message_write(&w->link.out, w->around.forked, around);
    if (rc == 0)
        rc = luas__frame_end(&w->link.out, mark);
    if (rc < 0) {
        luas__buffer_truncate(&w->link.out, before);
        return rc;
    }
    luas__surroundings_release(w->around.told);
    w->around.told = luas__surroundings_use(around);
    return 0;
}

/* Says where the records of a chunk are, or has them. */
static int send_records(luas__buffer *out, const luas__chunk *c, const luas__batch *b)
{
    const luas__text *text = b->of.text;
    size_t len, from = luas__job_inputs_range(b, c->index, c->count, &len);
    const int64_t place[] = {text->fd >= 0 ? getpid() : 0, text->fd, (int64_t)text->device, (int64_t)text->inode,
                             (int64_t)(b->of.from + from), (int64_t)len,
                             (int64_t)(b->of.number + (c->index - b->first)),
                             text->whole, text->delimiter};
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < sizeof place / sizeof *place; i++)
        rc = luas__mp_write_int(out, place[i]);
    if (rc == 0)
        rc = luas__mp_write_string(out, text->name, strlen(text->name));
    if (rc == 0)
        rc = luas__mp_write_string(out, text->sep, text->nsep);
    if (rc == 0 && text->fd < 0)
        rc = luas__buffer_append(out, luas__buffer_bytes(&b->bytes) + from, len);
    return rc;
}

static int send_inputs(luas__buffer *out, const luas__chunk *c, const luas__batch *batch)
{
    size_t len;
    if (batch == NULL)
        return 0;
    if (batch->of.text != NULL)
        return send_records(out, c, batch);
    const char *bytes = luas__job_inputs_bytes(batch, c->index, c->count, &len);
    return luas__buffer_append(out, bytes, len);
}

static enum luas__message chunk_code(const luas__batch *batch)
{
    return batch == NULL ? LUAS__MSG_RANGE : batch->of.text != NULL ? LUAS__MSG_RECORDS : LUAS__MSG_RUN;
}

static int send_chunk(luas__worker *w, const luas__chunk *c, const luas__batch *batch)
{
    size_t mark, before = w->link.out.len;
    int rc = c->attempts == 0 ? 0
        : luas__frame_write(&w->link.out, LUAS__MSG_AGAIN, (int64_t[]){c->attempts}, 1);
    if (rc == 0)
        rc = luas__frame_begin_with(&w->link.out, chunk_code(batch),
                                    (int64_t[]){c->job->id, c->seq, (int64_t)c->index, c->count},
                                    4, &mark);
    if (rc == 0)
        rc = send_inputs(&w->link.out, c, batch);
    if (rc == 0)
        rc = luas__frame_end(&w->link.out, mark);
    if (rc < 0)
        luas__buffer_truncate(&w->link.out, before);
    return rc;
}

/* Room for one chunk more: of that which those at the front have left, or new. */
static int reserve_chunk(luas__worker *w)
{
    size_t n = (size_t)w->tasks.nchunks, cap = w->tasks.cap_room;
    if (cap > 0 && (size_t)(w->tasks.chunks - w->tasks.room) + n < cap)
        return 0;
    if (n > 0)
        memmove(w->tasks.room, w->tasks.chunks, n * sizeof *w->tasks.chunks);
    int rc = n < cap / 2 ? 0 : luas__array_reserve(&w->tasks.room, &w->tasks.cap_room, cap + 1,
                                                   sizeof *w->tasks.room);
    w->tasks.chunks = w->tasks.room;
    return rc;
}

int luas__worker_tasks_give(luas__worker *w, luas__job *job, luas__range range, luas__batch *batch)
{
    int rc = 0;
    luas__known_job *known = know_job(w, job, &rc);
    if (known == NULL || (rc = define(w, job, known)) < 0 || (rc = surround(w, job, batch)) < 0)
        return rc;
    rc = reserve_chunk(w);
    if (rc < 0)
        return rc;
    luas__chunk *c = &w->tasks.chunks[w->tasks.nchunks];
    *c = (luas__chunk){.job = job, .index = range.first, .count = (uint32_t)range.count,
                       .size = (uint32_t)range.count, .seq = w->tasks.next_seq,
                       .attempts = range.attempts};
    rc = send_chunk(w, c, batch);
    if (rc < 0)
        return rc;
    w->tasks.nchunks++;
    w->tasks.next_seq += c->count;
    w->tasks.unanswered += c->count;
    known->tasks += c->count;
    job->dealt += c->count;
    return 0;
}

int luas__worker_tasks_forget(luas__worker *w, int64_t job)
{
    for (int i = 0; i < w->known.njobs; i++)
        if (w->known.jobs[i].id == job) {
            /* The tasks of an inheriting job may have changed globals and upvalues. Other jobs
               of the snapshot must not see that, so the worker is replaced. */
            w->retiring |= w->known.jobs[i].is_inherited && w->known.jobs[i].tasks > 0;
            w->known.jobs[i] = w->known.jobs[--w->known.njobs];
            return luas__frame_write(&w->link.out, LUAS__MSG_FORGET, &job, 1);
        }
    return 0;
}

int luas__worker_tasks_drop(luas__worker *w, int64_t definition)
{
    for (int i = 0; i < w->known.ndefinitions; i++)
        if (w->known.definitions[i] == definition) {
            w->known.definitions[i] = w->known.definitions[--w->known.ndefinitions];
            return luas__frame_write(&w->link.out, LUAS__MSG_DROP, &definition, 1);
        }
    return 0;
}

/* How many tasks of a chunk come after `started`. Sequence numbers wrap. */
static uint32_t after(const luas__chunk *c, uint32_t started)
{
    int32_t begun = (int32_t)(started - c->seq) + 1;
    if (begun <= 0)
        return c->count;
    return (uint32_t)begun < c->count ? c->count - (uint32_t)begun : 0;
}

/* The last one that was started, as far as that can be: a worker that says it started what
   it was never sent has its first one. */
static uint32_t checked(const luas__worker *w, uint32_t started)
{
    bool is_lie = luas__scoreboard_is_after(started, w->tasks.next_seq - 1);
    return is_lie && w->tasks.nchunks > 0 ? w->tasks.chunks[0].seq : started;
}

uint32_t luas__worker_tasks_started(const luas__worker *w)
{
    return checked(w, luas__scoreboard_started(w->scoreboard));
}

int64_t luas__worker_tasks_since(const luas__worker *w)
{
    int64_t since = atomic_load(&w->scoreboard->since);
    return since > 0 && since <= luas__now() + LUAS__SECOND ? since : 0;
}

uint32_t luas__worker_tasks_unstarted(const luas__worker *w)
{
    uint32_t started = luas__worker_tasks_started(w), unstarted = 0;
    for (int i = w->tasks.nchunks; i-- > 0;) {
        uint32_t n = after(&w->tasks.chunks[i], started);
        unstarted += n;
        if (n < w->tasks.chunks[i].count)
            break;
    }
    return unstarted;
}

luas__chunk *luas__worker_tasks_running(const luas__worker *w)
{
    luas__chunk *first = w->tasks.chunks;
    return w->tasks.nchunks > 0
        && !luas__scoreboard_is_after(first->seq, luas__worker_tasks_started(w)) ? first : NULL;
}

/* Returns the tasks of the last chunk that come after `started`. */
static void return_last(luas__worker *w, uint32_t started)
{
    luas__chunk *c = &w->tasks.chunks[w->tasks.nchunks - 1];
    uint32_t back = after(c, started), kept = c->count - back;
    luas__job_inputs_return(c->job, (luas__range){.first = c->index + kept, .count = back,
                                           .attempts = c->attempts});
    luas__known_job *known = find_job(w, c->job);
    if (known != NULL)
        known->tasks -= back;
    c->count = kept;
    c->job->dealt -= back;
    w->tasks.unanswered -= back;
    if (kept == 0)
        w->tasks.nchunks--;
}

int luas__worker_tasks_revoke(luas__worker *w)
{
    for (int i = 0; i < w->tasks.nchunks; i++) {
        int rc = luas__job_inputs_reserve(w->tasks.chunks[i].job, (size_t)w->tasks.nchunks);
        if (rc < 0)
            return rc; /* nothing was revoked */
    }
    if (w->tasks.unanswered == 0)
        return 0;
    uint32_t started = checked(w, luas__scoreboard_revoke(w->scoreboard, w->tasks.next_seq - 1));
    if (after(&w->tasks.chunks[w->tasks.nchunks - 1], started) > 0)
        w->tasks.revoked_seq = w->tasks.next_seq - 1;
    while (w->tasks.nchunks > 0 && after(&w->tasks.chunks[w->tasks.nchunks - 1], started) > 0)
        return_last(w, started);
    return 0;
}

void luas__worker_tasks_answered(luas__worker *w, uint32_t n)
{
    luas__chunk *c = &w->tasks.chunks[0];
    for (uint32_t i = 0; c->job->input.limit != NULL && i < n; i++)
        luas__job_inputs_has_run(c->job, c->index + i);
    c->index += n;
    c->seq += n;
    c->count -= n;
    c->job->dealt -= n;
    w->tasks.unanswered -= n;
    w->tasks.served += n;
    if (c->count > 0)
        return;
    w->tasks.chunks++;
    w->tasks.nchunks--;
}
