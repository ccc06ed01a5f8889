/*
 * Supervising workers: what arrives from them, what became of their tasks,
 * deaths, and their replacement. (deadlines.c has deadlines and limits.)
 */
#define _GNU_SOURCE
#include "pool.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "error.h"

void luas__state_break(luas__pool *p, int code, const char *words, size_t len)
{
    if (p->health.broken != 0)
        return;
    p->health.broken = code;
    if (luas__buffer_append(&p->health.why, words, len) < 0
        || luas__buffer_append(&p->health.why, "", 1) < 0)
        luas__buffer_truncate(&p->health.why, 0); /* no memory: just the code */
    p->progress++;
}

/* ---- outcomes ---- */

static void count(luas__stats *s, const luas__outcome *o)
{
    uint64_t *counters[] = {&s->values, &s->errors, &s->timeouts, &s->crashes, &s->cancelled};
    *counters[o->kind] += o->count;
    s->tasks += o->count;
}

/* What the task printed that is just over, read before its outcome is known:
   where output is captured a worker has one task at a time, so all that came
   is that task's. NULL where it is passed on. */
static luas__buffer *captured(luas__pool *p, luas__worker *w)
{
    if (w->output.mode == LUAS__OUTPUT_INHERIT)
        return NULL;
    luas__output_read(&w->output, &p->poller);
    return w->output.mode == LUAS__OUTPUT_CAPTURE ? &w->output.text[0] : NULL;
}

/* Without memory for it the job does more than it should; the outcome that
   led here is settled all the same. */
static void halt(luas__pool *p, luas__job *job)
{
    if (luas__jobs_revoke(p, job) == 0)
        luas__jobs_cancel_pending(p, job, 0, UINT64_MAX);
}

static int settle(luas__pool *p, luas__worker *w, const luas__outcome *o, const char *payload)
{
    luas__job *job = w->tasks.chunks[0].job;
    luas__buffer *text = captured(p, w);
    int rc = luas__job_settle(job, o, payload, text);
    if (rc < 0)
        return rc;
    count(&p->stats, o);
    if (text != NULL)
        luas__buffer_truncate(text, 0);
    luas__worker_answered(w, (uint32_t)o->count);
    job->failed_starts = 0;
    w->deadline.stop_seq = 0;
    p->progress++;
    if (job->policy.halt > 0 && job->output.failures >= job->policy.halt)
        halt(p, job);
    if (luas__job_finished(job))
        luas__jobs_done(p, job);
    return 0;
}

/* Retries go to the front, elsewhere if there is an elsewhere. */
static int retry(luas__pool *p, luas__worker *w)
{
    const luas__chunk *c = &w->tasks.chunks[0];
    luas__range again = {.first = c->index, .count = 1, .attempts = c->attempts + 1,
                         .avoid = w->serial};
    int rc = luas__job_return(c->job, again);
    if (rc < 0)
        return rc;
    luas__buffer *text = captured(p, w); /* the last attempt's is what counts */
    if (text != NULL)
        luas__buffer_truncate(text, 0);
    c->job->failed_starts = 0;
    p->stats.retries++;
    luas__worker_answered(w, 1);
    w->deadline.stop_seq = 0;
    p->progress++;
    return 0;
}

/* Not what has been tried elsewhere already without its having begun. */
static bool retriable(const luas__chunk *c, int kind)
{
    return (kind == LUAS__KIND_CRASH || kind == LUAS__KIND_TIMEOUT)
        && c->job->failed_starts <= LUAS__MOST_FAILED_STARTS && !c->job->closed
        && c->attempts < (uint32_t)c->job->policy.retries;
}

/* The first unanswered task of a worker has ended so. */
static int end_task(luas__pool *p, luas__worker *w, int kind, luas__mp_reader *payload, int status)
{
    const luas__chunk *c = &w->tasks.chunks[0];
    if (retriable(c, kind))
        return retry(p, w);
    luas__outcome o = {.index = c->index, .count = 1, .kind = (uint8_t)kind, .over_memory = w->over_memory,
                       .attempts = (uint16_t)(c->attempts + 1), .worker = w->number,
                       .pid = w->pid, .status = status};
    if (payload != NULL)
        o.len = (uint32_t)(payload->end - payload->at);
    return settle(p, w, &o, payload != NULL ? (const char *)payload->at : NULL);
}

/* ---- messages ---- */

static void measure(luas__worker *w, uint32_t size, luas__job *job)
{
    int64_t busy = atomic_load_explicit(&w->scoreboard->busy, memory_order_acquire);
    double each = (double)(busy - w->tasks.busy) / size;
    w->tasks.busy = busy;
    job->pace.steady_ns += (each - job->pace.steady_ns) / 128;
    if (each > 0)
        job->pace.task_ns = job->pace.task_ns > 0 ? 0.5 * job->pace.task_ns + 0.5 * each : each;
}

static int take_outcome(luas__pool *p, luas__worker *w, int code, luas__mp_reader *body)
{
    int64_t seq;
    if (luas__mp_read_int(body, &seq) < 0 || w->tasks.nchunks == 0
        || (uint32_t)seq != w->tasks.chunks[0].seq)
        return LUAS_EPROTO;
    luas__chunk c = w->tasks.chunks[0];
    int kind = code == LUAS__MSG_VALUE ? LUAS__KIND_VALUE : LUAS__KIND_ERROR;
    /* A task that was asked to stop and raised did what it was asked; one
       that had its value ready was faster. */
    if (kind == LUAS__KIND_ERROR && w->deadline.stop_seq == (uint32_t)seq)
        kind = w->deadline.stop_kind;
    if (c.count == 1)
        measure(w, c.size, c.job);
    return end_task(p, w, kind, body, 0);
}

static int settle_values(luas__pool *p, luas__worker *w, uint32_t n, size_t len, bool framed)
{
    const luas__chunk *c = &w->tasks.chunks[0];
    const char *payload = luas__buffer_bytes(&w->link.in), *at = payload;
    luas__outcome o = {.index = c->index, .count = n, .kind = LUAS__KIND_VALUE, .framed = framed,
                       .attempts = (uint16_t)(c->attempts + 1), .worker = w->number,
                       .pid = w->pid, .len = (uint32_t)len};
    if (!framed)
        payload = luas__frame_next_value(&at, &o.len);
    if (c->count == n)
        measure(w, c->size, c->job);
    return settle(p, w, &o, payload);
}

/* The values at the front, if any, settled together as the frames that they
   are, or one by one where each goes with what its task printed: 1, or 0 for
   none. What was ready before it could be stopped counts. */
static int take_values(luas__pool *p, luas__worker *w)
{
    size_t len;
    bool captured = w->output.mode == LUAS__OUTPUT_CAPTURE;
    const luas__chunk *c = w->tasks.nchunks > 0 ? &w->tasks.chunks[0] : NULL;
    uint32_t n = c == NULL ? 0 : luas__frame_values(&w->link.in, c->seq, captured ? 1 : c->count, &len);
    if (n == 0)
        return 0;
    int rc = settle_values(p, w, n, len, !captured);
    if (rc < 0)
        return rc;
    luas__buffer_consume(&w->link.in, len);
    return 1;
}

/* Without init there is no worker; one whose exit fails has done its work. */
static int take_failure(luas__pool *p, const luas__worker *w, luas__mp_reader *body)
{
    luas__mp_token words;
    if (luas__mp_read(body, &words) != 1 || (words.type != MP_STR && words.type != MP_BIN))
        return LUAS_EPROTO;
    if (!w->told_to_stop)
        luas__state_break(p, LUAS_EBROKEN, words.bytes, words.len);
    else if (p->health.exit_error.len == 0 && !p->health.exit_error_told)
        return luas__buffer_append(&p->health.exit_error, words.bytes, words.len);
    return 0;
}

static int take_words(luas__pool *p, luas__worker *w, int64_t code, luas__mp_reader *body)
{
    switch (code) {
    case LUAS__MSG_VALUE:
    case LUAS__MSG_ERROR:
        return take_outcome(p, w, (int)code, body);
    case LUAS__MSG_READY:
        w->ready = p->health.initialized = true;
        return 0;
    case LUAS__MSG_FAILED:
        return take_failure(p, w, body);
    default:
        return LUAS_EPROTO;
    }
}

/* What lies in the worker's slot of the area. */
static int take_large(luas__pool *p, luas__worker *w, luas__mp_reader *body)
{
    int64_t at, len, code;
    if (luas__mp_read_int(body, &at) < 0 || luas__mp_read_int(body, &len) < 0)
        return LUAS_EPROTO;
    const char *bytes = luas__bulk_got(w->slot, at, len);
    if (bytes == NULL)
        return LUAS_EPROTO;
    luas__mp_reader large = {(const unsigned char *)bytes, (const unsigned char *)bytes + len};
    if (luas__mp_read_int(&large, &code) < 0)
        return LUAS_EPROTO;
    int rc = take_words(p, w, code, &large);
    if (rc == 0)
        luas__bulk_return(w->scoreboard, at, len);
    return rc;
}

static int take_message(luas__pool *p, luas__worker *w, luas__mp_reader *body)
{
    int64_t code;
    if (luas__mp_read_int(body, &code) < 0)
        return LUAS_EPROTO;
    return code == LUAS__MSG_LARGE ? take_large(p, w, body) : take_words(p, w, code, body);
}

/* Takes what is at the front: 1, or 0 when nothing is there whole. */
static int take_next(luas__pool *p, luas__worker *w)
{
    luas__mp_reader body;
    int rc = take_values(p, w);
    if (rc == 0 && luas__frame_has_short(&w->link.in))
        return LUAS_EPROTO; /* not of its next task */
    if (rc != 0 || !luas__frame_peek(&w->link.in, &body))
        return rc;
    rc = take_message(p, w, &body);
    if (rc < 0)
        return rc;
    luas__frame_drop(&w->link.in);
    return 1;
}

int luas__receive_messages(luas__pool *p, luas__worker *w)
{
    int rc;
    while ((rc = take_next(p, w)) > 0)
        ;
    if (rc != LUAS_EPROTO)
        return rc; /* no memory: the message stays for the next try */
    luas__child_signal_group(&w->child, SIGKILL); /* those are not a worker's words */
    luas__buffer_truncate(&w->link.in, 0);
    return 0;
}

int luas__receive_from(luas__pool *p, luas__worker *w)
{
    int rc = luas__worker_receive(w, &p->poller);
    int taken = luas__receive_messages(p, w);
    return rc < 0 ? rc : taken;
}

/* What was committed is in the ring, in the pipe, or just on its way from the
   one to the other: then a second look finds it. The ring costs no call. */
int luas__receive_catch_up(luas__pool *p, luas__worker *w)
{
    int rc = 0;
    for (int looks = 0; looks < 4 && rc == 0 && luas__worker_is_ahead(w); looks++) {
        rc = luas__worker_peek(w);
        if (rc == 0 && luas__worker_is_ahead(w))
            rc = luas__worker_receive(w, &p->poller);
    }
    return rc < 0 ? rc : luas__receive_messages(p, w);
}

/* ---- death ---- */

static int receive_all(luas__pool *p, luas__worker *w)
{
    size_t before;
    int rc;
    do { /* the pipe first: the ring continues what went through it */
        before = (size_t)w->link.piped;
        rc = luas__receive_from(p, w);
    } while (rc == 0 && w->link.piped > before);
    return rc == 0 ? luas__receive_catch_up(p, w) : rc;
}

/* Its running task dies with it. So does that of a process, started or not,
   and one whose input alone was more than the worker may have. */
static const luas__chunk *culprit(const luas__pool *p, const luas__worker *w)
{
    const luas__chunk *running = luas__worker_running(w);
    bool came_to_tasks = w->ready || !p->options.has_init;
    bool doomed = w->tasks.nchunks > 0
        && (w->process != NULL || (w->over_memory && came_to_tasks) || w->deadline.stop_seq != 0
            || w->tasks.chunks[0].job->failed_starts > LUAS__MOST_FAILED_STARTS);
    return running == NULL && doomed ? &w->tasks.chunks[0] : running;
}

/* More than one only after a worker's words were not understood: what it
   started since then may have been answered, but nobody knows. */
static int settle_culprits(luas__pool *p, luas__worker *w)
{
    const luas__chunk *c;
    int rc = 0;
    while (rc == 0 && (c = culprit(p, w)) != NULL) {
        bool stopped = w->deadline.stop_seq != 0 && w->deadline.stop_seq == c->seq;
        rc = end_task(p, w, stopped ? w->deadline.stop_kind : LUAS__KIND_CRASH, NULL, w->child.status);
        if (rc == 0)
            w->over_memory = false; /* the others were not at fault */
    }
    return rc;
}

static void note_process_end(luas__worker *w)
{
    if (w->process == NULL)
        return;
    w->process->process_status = w->child.status;
    w->process->process_gone = true;
}

static void break_in_init(luas__pool *p, const luas__worker *w)
{
    char words[80] = "a worker ended while it ran init";
    size_t len = strlen(words);
    int status = w->child.status;
    if (w->over_memory)
        snprintf(words + len, sizeof words - len, ": it passed its memory limit");
    else if (WIFEXITED(status))
        snprintf(words + len, sizeof words - len, ": it exited with status %d", WEXITSTATUS(status));
    else if (WIFSIGNALED(status))
        snprintf(words + len, sizeof words - len, ": it was killed by signal %d", WTERMSIG(status));
    luas__state_break(p, LUAS_EBROKEN, words, strlen(words));
}

/* Too many deaths without any work done are no accident. */
static void consider_failed_start(luas__pool *p, const luas__worker *w)
{
    static const char words[] = "workers end before they run anything";
    if (w->told_to_stop || w->tasks.served > 0 || luas__scoreboard_started(w->scoreboard) > 0)
        p->health.failed_starts = 0;
    else if (++p->health.failed_starts > LUAS__MOST_FAILED_STARTS * p->options.workers + 10)
        luas__state_break(p, LUAS_EBROKEN, words, sizeof words - 1);
    /* Where init has run before, another may be luckier. */
    if (!w->ready && p->options.has_init && !w->told_to_stop && p->health.broken == 0
        && (!p->health.initialized || p->health.failed_starts > LUAS__MOST_FAILED_STARTS))
        break_in_init(p, w);
}

static bool reap(luas__pool *p, luas__worker *w)
{
    if (w->state < LUAS__WORKER_REAPED && luas__child_reap(&w->child)) {
        w->state = LUAS__WORKER_REAPED;
        luas__poller_remove(&p->poller, w->child.watch);
        luas__child_release(&w->child);
    }
    return w->state >= LUAS__WORKER_REAPED;
}

/* A worker that had all it was sent and died before it began a task may have
   died of the job's definition: gives a job of which several have. */
static luas__job *count_failed_start(const luas__pool *p, luas__worker *w)
{
    if (w->tasks.nchunks == 0 || w->link.out.len > 0 || w->told_to_stop || luas__worker_running(w) != NULL
        || (p->options.has_init && !w->ready))
        return NULL;
    luas__job *job = w->tasks.chunks[0].job;
    job->failed_starts += !w->counted;
    w->counted = true; /* asked again where there was no memory */
    return job->failed_starts > LUAS__MOST_FAILED_STARTS ? job : NULL;
}

/* Its first task has the crash; the others would have the same, unless they are
   calls, which have no definition. */
static int give_up_job(luas__pool *p, luas__job *job)
{
    if (job->policy.flags & LUAS__JOB_CALL)
        return 0;
    int rc = luas__jobs_revoke(p, job);
    if (rc == 0)
        rc = luas__jobs_cancel_pending(p, job, 0, UINT64_MAX);
    if (luas__job_finished(job))
        luas__jobs_done(p, job);
    return rc;
}

/* Also called again by the clock, after there was no memory for it. */
int luas__reap_worker(luas__pool *p, luas__worker *w)
{
    if (w->state == LUAS__WORKER_ENDED || !reap(p, w))
        return 0;
    int rc = receive_all(p, w);
    luas__job *guilty = rc == 0 ? count_failed_start(p, w) : NULL;
    if (rc == 0)
        rc = settle_culprits(p, w);
    if (rc == 0)
        rc = luas__worker_revoke(w);
    if (rc == 0 && guilty != NULL)
        rc = give_up_job(p, guilty);
    if (rc < 0)
        return rc;
    consider_failed_start(p, w);
    note_process_end(w);
    w->state = LUAS__WORKER_ENDED;
    p->progress++;
    return 0;
}

void luas__reap_free(luas__pool *p)
{
    int kept = 0;
    for (int i = 0; i < p->nworkers; i++) {
        luas__worker *w = p->workers[i];
        if (w->state == LUAS__WORKER_ENDED)
            luas__worker_close(w, &p->poller);
        else
            p->workers[kept++] = w;
    }
    p->nworkers = kept;
    luas__snapshots_free(p);
}

/* ---- events ---- */

/* Workers stand in the order of their serial numbers. */
static luas__worker *find(luas__pool *p, uint32_t serial)
{
    int from = 0, to = p->nworkers;
    while (from < to) {
        int middle = (from + to) / 2;
        if (p->workers[middle]->serial < serial)
            from = middle + 1;
        else
            to = middle;
    }
    return from < p->nworkers && p->workers[from]->serial == serial ? p->workers[from] : NULL;
}

int luas__drive_event(luas__pool *p, uint64_t key)
{
    if (key == LUAS__ALARM || key == LUAS__WAKE) {
        luas__poller_acknowledge(&p->poller, key);
        p->alarmed |= key == LUAS__ALARM;
        return 0;
    }
    luas__worker *w = find(p, (uint32_t)(key >> 2));
    if (w == NULL || w->state == LUAS__WORKER_ENDED)
        return 0;
    switch ((enum luas__worker_event)(key & 3)) {
    case LUAS__ON_RESULT: {
        int rc = luas__receive_from(p, w);
        return rc == 0 && w->link.result < 0 ? luas__reap_worker(p, w) : rc;
    }
    case LUAS__ON_REQUEST:
        return luas__worker_flush(w, &p->poller);
    case LUAS__ON_END:
        return luas__reap_worker(p, w);
    case LUAS__ON_OUTPUT:
        return luas__output_read(&w->output, &p->poller);
    }
    return 0;
}
