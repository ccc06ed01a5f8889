/* Failing workers: pauses, and giving up. */
#define _GNU_SOURCE
#include "starts.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "clock.h"
#include "jobs.h"
#include "msgpack.h"

/* The pauses are 50 ms, 100 ms and so on: more than 6 s until it is given up. */
#define FIRST_PAUSE (50 * LUAS__MS)
#define LONGEST_PAUSE (5 * LUAS__SECOND)
enum { MOST_REFUSALS = 8, MOST_DOUBLED = 10 };

/* One that hangs in a lock that was held at its fork may do so by accident, also the first. */
enum { MOST_HANGS = 4 };

/* ---- when to try ---- */

static bool is_starting(const luas__worker *w)
{
    return !w->ready && w->state < LUAS__WORKER_STOPPING;
}

bool luas__starts_allowed(const luas__pool *p)
{
    if (p->health.refusals == 0)
        return true;
    for (int i = 0; i < p->nworkers; i++)
        if (is_starting(p->workers[i]))
            return false;
    return luas__now() >= p->health.retry_at;
}

int64_t luas__starts_retry_at(const luas__pool *p)
{
    return p->health.refusals > 0 && luas__now() < p->health.retry_at ? p->health.retry_at : INT64_MAX;
}

int64_t luas__starts_watch(luas__pool *p, luas__worker *w, int64_t now)
{
    int64_t most = p->options.init_timeout;
    if (w->ready || most == 0 || !p->options.has_init || w->state >= LUAS__WORKER_REAPED || w->pid == 0)
        return INT64_MAX;
    if (now - w->forked_at < most)
        return w->forked_at + most;
    w->start.timed_out = true;
    luas__child_signal_group(&w->child, SIGKILL);
    return INT64_MAX;
}

int luas__starts_failed(luas__worker *w, const char *words, size_t len)
{
    luas__buffer_truncate(&w->start.why, 0);
    int rc = luas__buffer_append(&w->start.why, words, len);
    w->start.failed = rc == 0;
    return rc;
}

void luas__starts_done(luas__pool *p, luas__worker *w)
{
    w->ready = p->health.initialized = true;
    p->health.refusals = 0;
    p->health.retry_at = 0;
}

/* Several that were forked together have failed once. */
static void count_refusal(luas__pool *p)
{
    int64_t now = luas__now();
    if (now < p->health.retry_at)
        return;
    int doubled = p->health.refusals < MOST_DOUBLED ? p->health.refusals : MOST_DOUBLED;
    int64_t pause = FIRST_PAUSE << doubled;
    p->health.retry_at = now + (pause < LONGEST_PAUSE ? pause : LONGEST_PAUSE);
    p->health.refusals++;
}

/* ---- in words ---- */

static uint8_t kind_of(const luas__worker *w)
{
    return w->start.timed_out ? LUAS__KIND_TIMEOUT : w->start.failed ? LUAS__KIND_ERROR : LUAS__KIND_CRASH;
}

/* How it ended, where it could not say so itself. */
static void describe_end(const luas__pool *p, const luas__worker *w, char *words, size_t size)
{
    int status = w->child.status;
    if (w->start.timed_out)
        snprintf(words, size, "timed out after %g s", (double)p->options.init_timeout / 1e9);
    else if (w->lock.hangs)
        snprintf(words, size, LUAS__HUNG_WORDS);
    else if (w->over_memory)
        snprintf(words, size, "it passed its memory limit");
    else if (status != -1 && WIFEXITED(status))
        snprintf(words, size, "it exited with status %d", WEXITSTATUS(status));
    else if (status != -1 && WIFSIGNALED(status))
        snprintf(words, size, "it was killed by signal %d", WTERMSIG(status));
    else
        snprintf(words, size, "it ended, nobody knows how");
}

/* "worker" is what a pool without a name calls them. */
static int name_worker(const luas__pool *p, const luas__worker *w, const char *words, size_t len,
                       luas__buffer *text)
{
    char head[80];
    const char *label = p->options.label;
    bool named = label[0] != '\0' && strcmp(label, "worker") != 0;
    snprintf(head, sizeof head, "init, worker %s%s%d: ", named ? label : "", named ? " " : "", w->number);
    int rc = luas__buffer_append(text, head, strlen(head));
    return rc < 0 ? rc : luas__buffer_append(text, words, len);
}

static int write_message(const luas__pool *p, const luas__worker *w, const char *words, size_t len,
                         luas__buffer *b)
{
    luas__buffer text = LUAS__BUFFER_INIT;
    int rc = name_worker(p, w, words, len, &text);
    if (rc == 0)
        rc = luas__mp_write_string(b, luas__buffer_bytes(&text), text.len);
    luas__buffer_release(&text);
    return rc;
}

/* Where a traceback begins that a worker has appended to its words; else their end. */
static const char *find_traceback(const char *words, size_t len)
{
    static const char head[] = "\nstack traceback:\n";
    const char *at = memmem(words, len, head, sizeof head - 1);
    return at != NULL ? at : words + len;
}

/* What went wrong, as what a task raises travels: [value, message, traceback]. */
static int write_raised(const luas__pool *p, const luas__worker *w, luas__buffer *b)
{
    char end[80];
    describe_end(p, w, end, sizeof end);
    const char *words = w->start.failed ? luas__buffer_bytes(&w->start.why) : end;
    size_t len = w->start.failed ? w->start.why.len : strlen(end);
    const char *traceback = find_traceback(words, len);
    size_t before = (size_t)(traceback - words);
    int rc = luas__mp_write_array(b, 3);
    if (rc == 0)
        rc = w->start.failed ? luas__mp_write_string(b, words, before) : luas__mp_write_nil(b);
    if (rc == 0)
        rc = write_message(p, w, words, before, b);
    if (rc < 0 || before == len)
        return rc < 0 ? rc : luas__mp_write_nil(b);
    return luas__mp_write_string(b, traceback + 1, len - before - 1);
}

/* ---- giving up ---- */

int luas__starts_give_up(luas__pool *p)
{
    luas__outcome unknown = {.kind = LUAS__KIND_CRASH, .status = -1};
    const luas__outcome *as = p->health.payload.len > 0 ? &p->health.as : &unknown;
    int rc = 0;
    for (luas__job *job = p->jobs.first, *next; job != NULL && rc == 0; job = next) {
        next = job->next;
        rc = luas__jobs_give_up(p, job, as, luas__buffer_bytes(&p->health.payload));
    }
    return rc;
}

static void break_pool(luas__pool *p, const luas__worker *w)
{
    char end[80];
    luas__buffer text = LUAS__BUFFER_INIT;
    describe_end(p, w, end, sizeof end);
    const char *words = w->start.failed ? luas__buffer_bytes(&w->start.why) : end;
    size_t len = w->start.failed ? w->start.why.len : strlen(end);
    if (name_worker(p, w, words, len, &text) == 0)
        luas__state_break(p, LUAS_EBROKEN, luas__buffer_bytes(&text), text.len);
    else
        luas__state_break(p, LUAS_EBROKEN, words, len);
    luas__buffer_release(&text);
}

/* Notes what tasks have that are given up because of this worker. */
static int prepare_outcome(luas__pool *p, const luas__worker *w)
{
    luas__buffer_truncate(&p->health.payload, 0);
    int rc = write_raised(p, w, &p->health.payload);
    if (rc < 0) {
        luas__buffer_truncate(&p->health.payload, 0);
        return rc;
    }
    p->health.as = (luas__outcome){
        .kind = kind_of(w), .in_init = 1, .over_memory = w->over_memory, .hung = w->lock.hangs, .pid = w->pid,
        .worker = w->number, .status = kind_of(w) == LUAS__KIND_CRASH ? w->child.status : 0,
        .len = (uint32_t)p->health.payload.len};
    return 0;
}

static int give_up_all(luas__pool *p, const luas__worker *w)
{
    int rc = prepare_outcome(p, w);
    if (rc < 0)
        return rc;
    break_pool(p, w);
    return luas__starts_give_up(p);
}

/* Of a job that inherits: others than its own workers cannot do it. */
static int give_up_job(luas__pool *p, luas__worker *w)
{
    luas__job *job = w->snapshot_job;
    int rc = prepare_outcome(p, w);
    return rc < 0 ? rc : luas__jobs_give_up(p, job, &p->health.as, luas__buffer_bytes(&p->health.payload));
}

/* Is there another that does tasks of this snapshot (0: any), or may come to? */
static bool has_others(const luas__pool *p, const luas__worker *w, uint32_t snapshot)
{
    for (int i = 0; i < p->nworkers; i++) {
        const luas__worker *other = p->workers[i];
        if (other != w && other->state < LUAS__WORKER_STOPPING
            && (snapshot == 0 || other->snapshot == snapshot))
            return true;
    }
    return false;
}

int luas__starts_refused(luas__pool *p, int number, int rc, const char *words)
{
    luas__worker none = {.number = number};
    if (has_others(p, &none, 0) || p->health.broken != 0)
        return rc;
    int failed = luas__starts_failed(&none, words, strlen(words));
    if (failed == 0)
        failed = give_up_all(p, &none);
    luas__buffer_release(&none.start.why);
    return failed < 0 ? failed : LUAS_EBROKEN;
}

int luas__starts_ended(luas__pool *p, luas__worker *w)
{
    if (w->ready || !p->options.has_init || w->told_to_stop || p->health.broken != 0)
        return 0;
    if (!w->start.counted)
        count_refusal(p);
    w->start.counted = true;
    if (p->health.refusals < (w->lock.hangs ? MOST_HANGS : p->health.initialized ? MOST_REFUSALS : 0))
        return 0;
    if (!has_others(p, w, 0))
        return give_up_all(p, w);
    return w->snapshot_job != NULL && !has_others(p, w, w->snapshot) ? give_up_job(p, w) : 0;
}
