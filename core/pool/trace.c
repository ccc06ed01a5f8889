/* Writes events as a Chrome trace. */
#define _GNU_SOURCE
#include "trace.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>

#include "array.h"
#include "clock.h"
#include "error.h"
#include "log_file.h"
#include "mp_text.h"

/* A task that takes this long is always an event of its own. */
#define LONG (10 * LUAS__MS)
#define QUEUE_EACH (10 * LUAS__MS)

/* Numbers of processes for the machines of a pool. */
enum { MOST_INPUT = 200, MACHINES = 100000 };

/* A worker's row, and its tasks that will be one event. */
typedef struct row {
    int pool, worker;
    uint64_t count, first;
    int64_t start, end;
} row;

typedef struct luas__trace {
    luas__reader reader;
    luas__log_file file;
    int64_t origin;         /* ns; 0: nothing happened yet */
    int64_t queue_at;       /* ns; when the length of the queue was last written */
    uint64_t tasks;         /* events that are tasks */
    bool begun, finished;
    row *rows;
    int nrows;
    size_t cap_rows;
} luas__trace;

/* ---- writing ---- */

/* Text between the braces; times are microseconds. */
static void add(luas__trace *t, const char *text, int len)
{
    if (len <= 0)
        return;
    luas__log_file_add(&t->file, t->begun ? ",\n{" : "[\n{", 3);
    luas__log_file_add(&t->file, text, (size_t)len);
    luas__log_file_add(&t->file, "}", 1);
    t->begun = true;
}

static double us(const luas__trace *t, int64_t ns)
{
    return (double)(ns - t->origin) / 1e3;
}

static void name_row(luas__trace *t, const row *r, const luas__pool_event *e)
{
    char text[200], name[80], process[80];
    snprintf(process, sizeof process, "pool %d", r->pool);
    if (e->machine_name != NULL)
        luas__mp_text_json(e->machine_name, process, sizeof process);
    luas__mp_text_json(e->workers != NULL ? e->workers : "worker", name, sizeof name);
    add(t, text, snprintf(text, sizeof text,
        "\"name\":\"process_name\",\"ph\":\"M\",\"pid\":%d,\"args\":{\"name\":\"%s\"}",
        r->pool, process));
    add(t, text, snprintf(text, sizeof text,
        "\"name\":\"thread_name\",\"ph\":\"M\",\"pid\":%d,\"tid\":%d,\"args\":{\"name\":\"%s %d\"}",
        r->pool, r->worker, name, r->worker));
}

/* NULL without memory. Then the row has no name, and its tasks are not joined. */
static row *row_of(luas__trace *t, int pool, const luas__pool_event *e)
{
    for (int i = 0; i < t->nrows; i++)
        if (t->rows[i].worker == e->worker && t->rows[i].pool == pool)
            return &t->rows[i];
    if (luas__array_reserve(&t->rows, &t->cap_rows, (size_t)t->nrows + 1, sizeof *t->rows) < 0)
        return NULL;
    row *r = &t->rows[t->nrows++];
    *r = (row){.pool = pool, .worker = e->worker};
    name_row(t, r, e);
    return r;
}

/* ---- tasks ---- */

static void add_task(luas__trace *t, int pool, const luas__pool_event *e)
{
    static const char *const kinds[] = {"value", "error", "timeout", "crash", "cancelled"};
    char text[4 * MOST_INPUT + 400], input[MOST_INPUT], escaped[2 * MOST_INPUT], label[100];
    size_t len;
    const char *bytes = luas__events_input(e, &len);
    luas__mp_text(bytes, bytes != NULL ? len : 0, input, sizeof input);
    luas__mp_text_json(input, escaped, sizeof escaped);
    luas__mp_text_json(e->label, label, sizeof label);
    add(t, text, snprintf(text, sizeof text,
        "\"name\":\"%s\",\"cat\":\"%s\",\"ph\":\"X\",\"pid\":%d,\"tid\":%d,\"ts\":%.3f,\"dur\":%.3f,"
        "\"args\":{\"index\":%" PRIu64 ",\"input\":\"%s\",\"attempt\":%d%s}",
        label[0] != '\0' ? label : "task", kinds[e->kind], pool, e->worker, us(t, e->start),
        (double)e->took / 1e3, e->index, escaped, e->attempts, e->retried ? ",\"retried\":true" : ""));
}

static void end_run(luas__trace *t, row *r)
{
    char text[240];
    if (r->count == 0)
        return;
    add(t, text, snprintf(text, sizeof text,
        "\"name\":\"%" PRIu64 " tasks\",\"cat\":\"chunk\",\"ph\":\"X\",\"pid\":%d,\"tid\":%d,\"ts\":%.3f,"
        "\"dur\":%.3f,\"args\":{\"first\":%" PRIu64 ",\"tasks\":%" PRIu64 "}",
        r->count, r->pool, r->worker, us(t, r->start), (double)(r->end - r->start) / 1e3, r->first,
        r->count));
    r->count = 0;
}

static void join_run(luas__trace *t, row *r, const luas__pool_event *e)
{
    if (r->count == 0) {
        r->start = e->start;
        r->first = e->index;
    }
    r->end = e->at;
    r->count++;
    if (e->ends_chunk)
        end_run(t, r);
}

static void say_that_many(luas__trace *t, int pool)
{
    char text[200];
    add(t, text, snprintf(text, sizeof text,
        "\"name\":\"from here on an event is a chunk, or a task that failed or took 10 ms\","
        "\"ph\":\"i\",\"s\":\"g\",\"pid\":%d,\"tid\":0,\"ts\":%.3f", pool, us(t, luas__now())));
}

static void on_end(luas__trace *t, int pool, const luas__pool_event *e)
{
    if (e->took < 0)
        return; /* it never ran */
    row *r = row_of(t, pool, e);
    bool is_plain = e->kind == LUAS__KIND_VALUE && e->took < LONG;
    if (t->tasks++ == LUAS__TRACE_MOST)
        say_that_many(t, pool);
    if (r != NULL && is_plain && t->tasks > LUAS__TRACE_MOST) {
        join_run(t, r, e);
        return;
    }
    if (r != NULL)
        end_run(t, r);
    add_task(t, pool, e);
}

/* ---- workers, and the queue ---- */

static void add_instant(luas__trace *t, int pool, const luas__pool_event *e, const char *what)
{
    char text[200];
    add(t, text, snprintf(text, sizeof text,
        "\"name\":\"%s\",\"ph\":\"i\",\"s\":\"t\",\"pid\":%d,\"tid\":%d,\"ts\":%.3f,\"args\":{\"pid\":%d}",
        what, pool, e->worker, us(t, e->at), e->pid));
}

static void on_death(luas__trace *t, int pool, const luas__pool_event *e)
{
    char what[48] = "ended";
    if (e->status != -1 && WIFSIGNALED(e->status))
        snprintf(what, sizeof what, "killed by signal %d", WTERMSIG(e->status));
    else if (e->status != -1 && WIFEXITED(e->status) && WEXITSTATUS(e->status) != 0)
        snprintf(what, sizeof what, "exited with status %d", WEXITSTATUS(e->status));
    add_instant(t, pool, e, what);
}

static void on_dealt(luas__trace *t, int pool, const luas__pool_event *e)
{
    char text[160];
    if (e->at - t->queue_at < QUEUE_EACH && e->waiting > 0)
        return;
    t->queue_at = e->at;
    add(t, text, snprintf(text, sizeof text,
        "\"name\":\"queue\",\"ph\":\"C\",\"pid\":%d,\"ts\":%.3f,\"args\":{\"waiting\":%" PRIu64 "}",
        pool, us(t, e->at), e->waiting));
}

/* The number of what is shown as a process. */
static int process_of(int tag, const luas__pool_event *e)
{
    return e->machine == 0 ? tag : MACHINES * tag + e->machine;
}

static void hear(luas__reader *self, int tag, const luas__pool_event *e)
{
    luas__trace *t = (luas__trace *)self;
    if (t->finished)
        return;
    int pool = process_of(tag, e);
    if (t->origin == 0)
        t->origin = e->start > 0 ? e->start : e->at;
    switch (e->type) {
    case LUAS__EVENT_DEALT: on_dealt(t, pool, e); break;
    case LUAS__EVENT_ENDED:
        on_end(t, pool, e);
        if (e->retried)
            add_instant(t, pool, e, "retry");
        break;
    case LUAS__EVENT_FORKED: case LUAS__EVENT_REPLACED:
        row_of(t, pool, e);
        add_instant(t, pool, e, e->type == LUAS__EVENT_FORKED ? "forked" : "replaced");
        break;
    case LUAS__EVENT_DIED: on_death(t, pool, e); break;
    case LUAS__EVENT_STARTED: case LUAS__EVENT_MOTHER: case LUAS__EVENT_TICK: break;
    }
    luas__log_file_settle(&t->file, e->at);
}

/* ---- opening and closing ---- */

static void close_trace(luas__reader *self)
{
    luas__trace *t = (luas__trace *)self;
    luas__log_file_close(&t->file);
    free(t->rows);
    free(t);
}

int luas__trace_open(luas__reader **reader, const char *path)
{
    luas__trace *t = calloc(1, sizeof *t);
    *reader = NULL;
    if (t == NULL)
        return LUAS_ENOMEM;
    int rc = luas__log_file_open(&t->file, path);
    if (rc < 0) {
        free(t);
        return rc;
    }
    luas__events_init_reader(&t->reader, ~(1u << LUAS__EVENT_STARTED), hear, close_trace);
    *reader = &t->reader;
    return 0;
}

int luas__trace_finish(luas__reader *self)
{
    luas__trace *t = (luas__trace *)self;
    pthread_mutex_lock(&self->lock);
    for (int i = 0; i < t->nrows && !t->finished; i++)
        end_run(t, &t->rows[i]);
    if (!t->finished)
        luas__log_file_add(&t->file, t->begun ? "\n]\n" : "[\n]\n", t->begun ? 3 : 4);
    t->finished = true;
    int rc = luas__log_file_flush(&t->file);
    pthread_mutex_unlock(&self->lock);
    return rc;
}
