/*
 * The public C interface for applications without Lua: a pool whose workers
 * have a Lua state each, made in the child, with the application's script.
 * All calls belong to one job of the core's; a call's number is its index.
 */
#define _GNU_SOURCE
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "cpus.h"
#include "embed_events.h"
#include "embed_shared.h"
#include "embed_worker.h"
#include "error.h"
#include "task.h"
#include "pool.h"
#include "quiet.h"
#include "results.h"

/* The header maps these names to functions that set the size. */
#undef luas_pool_open
#undef luas_next

struct luas_pool {
    luas__pool *pool;
    luas__job *job;
    luas__embed_worker worker;  /* what each of them needs */
    luas__buffer script;    /* its text and name */
    void *setup_data;       /* the copy, or NULL */
    bool is_quiet;          /* has a share in the quiet process */
    uint64_t taken;         /* outcomes that the application has taken */
    double timeout;         /* seconds */
    luas__outcome next;     /* `count` calls from `index` on are next */
    const char *payload;    /* of these */
    luas__results results;  /* of the last outcome */
    char message[80];       /* for an outcome without a message */
    int failure;            /* the last result of luas_next, if negative */
};

/* ---- the worker ---- */

static int worker_main(void *host, luas__channel *channel)
{
    const luas_pool *p = host;
    return luas__embed_worker_main(&p->worker, channel);
}

/* The state of a worker is new: nothing in it knows a descriptor of the application. */
static void keep(void *host, luas__fd_set *kept)
{
    const luas_pool *p = host;
    if (p->worker.shared != NULL)
        luas__fd_set_add(kept, p->worker.shared->arena.fd);
}

/* ---- opening and closing ---- */

static bool is_foreign(const luas_pool *p)
{
    return p->pool != NULL && !luas__fork_detect_is_here(&p->pool->fork_detect);
}

void luas_pool_close(luas_pool *p)
{
    if (p == NULL)
        return;
    if (is_foreign(p)) { /* a child that the application has forked: the workers are not its own */
        luas__pool_abandon(p->pool, NULL);
        return;
    }
    if (p->pool != NULL)
        luas__pool_close(p->pool);
    if (p->is_quiet)
        luas__quiet_drop();
    luas__results_release(&p->results);
    luas__buffer_release(&p->script);
    free(p->setup_data);
    free(p);
}

static int start_job(luas_pool *p, const luas_options *o)
{
    luas__policy policy = {
        .timeout = luas__seconds(o->timeout), .grace = LUAS__SECOND / 2,
        .retries = o->retries,
        .retry = {
            .on = (enum luas__retry_on)o->retry_on, .delay = luas__seconds(o->retry_delay),
            .factor = o->retry_factor > 0 ? o->retry_factor : 2,
            .max = luas__seconds(o->retry_max > 0 ? o->retry_max : 60),
        },
        .flags = LUAS__JOB_CALL | LUAS__JOB_STAMPED | (o->timeout > 0 ? LUAS__JOB_TIMED : 0),
    };
    luas__job *job = luas__job_new(&policy);
    int rc = job == NULL ? LUAS_ENOMEM : luas__pool_start(p->pool, job);
    if (rc < 0)
        luas__job_free(job);
    else
        p->job = job;
    return rc;
}

static int listen(luas_pool *p, const luas_options *o)
{
    if (o->on_event == NULL)
        return 0;
    luas__reader *reader = luas__embed_events_new(o->on_event, o->event_data);
    int rc = reader == NULL ? LUAS_ENOMEM : luas__events_listen(p->pool, reader, 0, true);
    luas__events_drop_reader(reader);
    return rc;
}

/* In ns; 0: no limit. */
static int64_t init_timeout(const luas_options *o)
{
    return o->init_timeout == 0 ? LUAS__SECOND * LUAS_INIT_TIMEOUT
        : o->init_timeout < 0 || isinf(o->init_timeout) ? 0 : luas__seconds(o->init_timeout);
}

/* What an application gives by its size is copied: each worker gets it as it is now. */
static int read_setup(luas_pool *p, const luas_options *o)
{
    p->worker.setup = o->setup;
    p->worker.setup_data = o->setup_data;
    p->worker.setup_size = o->setup_size;
    if (o->setup_size == 0)
        return 0;
    p->worker.setup_data = p->setup_data = malloc(o->setup_size);
    if (p->setup_data == NULL)
        return LUAS_ENOMEM;
    memcpy(p->setup_data, o->setup_data, o->setup_size);
    return 0;
}

static int read_script(luas_pool *p, const luas_options *o, luas__buffer *why)
{
    luas__script *s = &p->worker.script;
    int rc = o->source == NULL ? luas__embed_script_read(s, &p->script, o->script)
        : luas__embed_script_copy(s, &p->script, o->source,
                                  o->source_size > 0 ? o->source_size : strlen(o->source),
                                  o->script != NULL ? o->script : o->source);
    if (rc < 0 && rc > LUAS_EFIRST && o->script != NULL)
        (void)luas__buffer_append(why, o->script, strlen(o->script) + 1);
    return rc < 0 ? rc : luas__embed_script_check(s, why);
}

static luas_pool *new_pool(const luas_options *o)
{
    luas_pool *p = calloc(1, sizeof *p);
    if (p == NULL)
        return NULL;
    p->timeout = o->timeout;
    p->worker.shared = o->shared;
    return p;
}

/* Workers that keep the application's files are forked by it. Where no quiet process can be had
   all workers are. */
static int open_engine(luas_pool *p, const luas_options *o)
{
    luas__pool_options options = {
        .workers = o->workers > 0 ? o->workers : luas__cpus_count(),
        .main = worker_main, .has_init = true, .init_timeout = init_timeout(o),
        .keeping = o->keep_files ? LUAS__KEEP_ALL : LUAS__KEEP_NONE, .keeps = keep,
        .idle = o->idle > 0 ? luas__seconds(o->idle) : 0,
        .bear = o->keep_files ? NULL : luas__embed_worker_bear, .bearer = &p->worker,
    };
    luas__task_watch_forks();
    p->is_quiet = !o->keep_files && luas__embed_worker_hold() == 0;
    return luas__pool_open(&p->pool, &options);
}

static int open_pool(luas_pool **pool, const luas_options *o, luas__buffer *why)
{
    luas_pool *p = new_pool(o);
    if (p == NULL)
        return LUAS_ENOMEM;
    int rc = read_setup(p, o);
    if (rc == 0)
        rc = read_script(p, o, why);
    if (rc == 0)
        rc = open_engine(p, o);
    if (rc == 0)
        rc = listen(p, o);
    if (rc == 0)
        rc = start_job(p, o);
    if (rc == 0)
        rc = luas__pool_populate(p->pool, p);
    if (rc < 0) {
        luas_pool_close(p);
        return rc;
    }
    *pool = p;
    return 0;
}

/* Reads the options that the program knows. Returns false if it sets some that this library
   does not know. */
static bool read_options(luas_options *known, const luas_options *given)
{
    *known = (luas_options){.size = sizeof *known};
    if (given->size < offsetof(luas_options, script))
        return false;
    for (size_t i = sizeof *known; i < given->size; i++)
        if (((const char *)given)[i] != 0)
            return false;
    memcpy(known, given, given->size < sizeof *known ? given->size : sizeof *known);
    return true;
}

static bool are_valid(const luas_options *o)
{
    return (o->script != NULL || o->source != NULL) && o->workers >= 0 && o->timeout >= 0 && o->retries >= 0
        && (unsigned)o->retry_on <= LUAS_RETRY_ANY && o->retry_delay >= 0;
}

/* `words` are what is known beside the code: for an error of the system the file's name. */
static int say_why(const luas_options *o, int rc, const luas__buffer *words)
{
    const char *more = words->len > 0 ? luas__buffer_bytes(words) : "";
    const char *code = rc == LUAS_ESCRIPT && words->len > 0 ? "" : luas_strerror(rc);
    if (o->why != NULL && o->why_size > 0)
        snprintf(o->why, o->why_size, "%s%s%s", more, *more != '\0' && *code != '\0' ? ": " : "", code);
    return rc;
}

int luas_pool_open(luas_pool **pool, const luas_options *given)
{
    luas_options options;
    luas__buffer words = LUAS__BUFFER_INIT;
    *pool = NULL;
    if (!read_options(&options, given))
        return LUAS_EINVAL;
    int rc = are_valid(&options) ? open_pool(pool, &options, &words) : LUAS_EINVAL;
    if (rc < 0)
        say_why(&options, rc, &words);
    luas__buffer_release(&words);
    return rc;
}

int luas_prepare(void)
{
    luas__task_watch_forks();
    return luas__embed_worker_prepare();
}

/* ---- calls ---- */

luas_value luas_integer(int64_t integer)
{
    return (luas_value){.type = LUAS_INTEGER, .as.integer = integer};
}

luas_value luas_number(double number)
{
    return (luas_value){.type = LUAS_NUMBER, .as.number = number};
}

luas_value luas_string(const char *string)
{
    return luas_bytes(string, strlen(string));
}

luas_value luas_bytes(const char *bytes, size_t len)
{
    return (luas_value){.type = LUAS_STRING, .bytes = bytes, .len = len};
}

static int write_value(luas__buffer *b, const luas_value *v)
{
    if (v->type >= LUAS_STRING && v->bytes == NULL && v->len > 0)
        return LUAS_EINVAL;
    switch (v->type) {
    case LUAS_NIL: return luas__mp_write_nil(b);
    case LUAS_BOOLEAN: return luas__mp_write_bool(b, v->as.boolean);
    case LUAS_INTEGER: return luas__mp_write_int(b, v->as.integer);
    case LUAS_NUMBER: return luas__mp_write_double(b, v->as.number);
    case LUAS_STRING: /* NULL with length 0 is an empty string */
        return luas__mp_write_string(b, v->bytes != NULL ? v->bytes : "", v->len);
    case LUAS_OTHER: return luas__buffer_append(b, v->bytes, v->len);
    }
    return LUAS_EINVAL;
}

/* Writes a task: the size of its arguments in five bytes, then the arguments. */
static int write_call(luas__buffer *b, const char *name, int count, const luas_value *arguments)
{
    int rc = luas__buffer_append(b, "\xce\0\0\0\0", 5);
    if (rc == 0)
        rc = luas__mp_write_array(b, (uint32_t)count + 1);
    if (rc == 0)
        rc = luas__mp_write_string(b, name, strlen(name));
    for (int i = 0; i < count && rc == 0; i++)
        rc = write_value(b, &arguments[i]);
    if (rc == 0 && b->len - 5 > UINT32_MAX)
        rc = LUAS_ETOOBIG;
    for (int i = 0; i < 4 && rc == 0; i++)
        luas__buffer_bytes(b)[1 + i] = (char)((b->len - 5) >> (24 - 8 * i));
    return rc;
}

static bool has_outcome(const luas_pool *p)
{
    return p->next.count > 0 || luas__job_has_taken(p->job) || p->job->output.inbox.len > 0;
}

/* Deals and forks, so that calls are under way at once. A failure here will come again in
   luas_next. An outcome that comes during this makes no further event: so the descriptor is
   made readable for an application that polls it. */
static void get_going(luas_pool *p)
{
    while (luas__pool_step(p->pool, 0, p) > 0 && !has_outcome(p))
        continue;
    if (has_outcome(p))
        luas__poller_wake(&p->pool->poller);
}

static int feed(luas_pool *p, luas__buffer *bytes)
{
    size_t *end = malloc(sizeof *end);
    if (end == NULL)
        return LUAS_ENOMEM;
    *end = bytes->len;
    int rc = luas__pool_surround(p->pool, p->job);
    if (rc == 0)
        rc = luas__pool_feed(p->pool, p->job, bytes, end, 1);
    if (rc < 0)
        free(end);
    return rc;
}

int luas_submit(luas_pool *p, const char *name, int count, const luas_value *arguments,
                uint64_t *call)
{
    if (name == NULL || count < 0 || (count > 0 && arguments == NULL))
        return LUAS_EINVAL;
    if (is_foreign(p))
        return LUAS_EFOREIGN;
    if (p->pool->health.broken != 0)
        return p->pool->health.broken;
    luas__buffer bytes = LUAS__BUFFER_INIT;
    int rc = write_call(&bytes, name, count, arguments);
    if (rc == 0)
        rc = feed(p, &bytes);
    luas__buffer_release(&bytes); /* empty if the task was fed */
    if (rc < 0)
        return rc;
    if (call != NULL)
        *call = p->job->input.fed;
    get_going(p);
    return 0;
}

int luas_cancel(luas_pool *p, uint64_t call)
{
    if (is_foreign(p))
        return LUAS_EFOREIGN;
    int rc = luas__pool_cancel(p->pool, p->job, call, call);
    get_going(p);
    return rc;
}

int luas_pool_trim(luas_pool *p)
{
    return is_foreign(p) ? LUAS_EFOREIGN : luas__pool_trim(p->pool);
}

int luas_pool_fd(const luas_pool *p)
{
    return is_foreign(p) ? LUAS_EFOREIGN : p->pool->poller.fd;
}

uint64_t luas_pending(const luas_pool *p)
{
    return p->job->input.fed - p->taken;
}

/* ---- outcomes ---- */

/* How a worker ended, in the outcome's fields and in words. */
static void describe_end(luas_pool *p, int status, luas_outcome *out)
{
    const char *format = "its worker ended, nobody knows how";
    int number = 0;
    if (status != -1 && WIFEXITED(status)) {
        format = "its worker exited with status %d";
        number = out->exitcode = WEXITSTATUS(status);
    } else if (status != -1 && WIFSIGNALED(status)) {
        format = "its worker was killed by signal %d";
        number = out->signal = WTERMSIG(status);
    }
    snprintf(p->message, sizeof p->message, format, number);
}

static void describe(luas_pool *p, int status, luas_outcome *out)
{
    out->message = p->message;
    switch (out->kind) {
    case LUAS_VALUE:
    case LUAS_ERROR:
        out->message = p->results.message;
        break;
    case LUAS_TIMEOUT:
        snprintf(p->message, sizeof p->message, "timed out after %g s", p->timeout);
        break;
    case LUAS_CRASH:
        describe_end(p, status, out);
        break;
    case LUAS_CANCELLED:
        out->message = "cancelled";
        break;
    }
}

/* The outcome stays the next one. No event will tell when there is memory again, so the alarm
   is set. */
static int try_again(luas_pool *p, int rc)
{
    luas__poller_alarm(&p->pool->poller, luas__now() + 20 * LUAS__MS);
    return rc;
}

static int give(luas_pool *p, luas_outcome *out)
{
    const luas__outcome *o = &p->next;
    const luas__results *r = &p->results;
    int kind = luas__results_read(&p->results, o->in_init ? LUAS__KIND_ERROR : o->kind, p->payload, o->len);
    if (kind < 0)
        return try_again(p, kind);
    if (o->in_init)
        kind = o->kind;
    *out = (luas_outcome){.call = o->index, .kind = (luas_kind)kind, .count = kind > LUAS__KIND_ERROR ? 0 : r->count,
                          .results = r->values, .traceback = r->traceback, .pid = o->pid,
                          .exitcode = -1, .took = o->took};
    describe(p, o->status, out);
    if (o->in_init) /* whatever the kind, in the words that came with it */
        out->message = r->message;
    p->next.index++;
    p->next.count--;
    p->taken++;
    return 1;
}

/* Returns 1 and an outcome, or 0 when there is none. */
static int take(luas_pool *p, luas_outcome *out)
{
    if (p->next.count == 0) {
        const luas__outcome *o = luas__pool_take(p->pool, p->job)
            ? luas__job_next(p->job, &p->payload) : NULL;
        if (o == NULL)
            return 0;
        p->next = *o;
    }
    return give(p, out);
}

/* Steps until nothing happens: a worker that has ended is replaced only in the next step. */
static int step_and_take(luas_pool *p, luas_outcome *out)
{
    int rc;
    while ((rc = take(p, out)) == 0)
        if ((rc = luas__pool_step(p->pool, 0, p)) <= 0)
            return rc == LUAS_EINTR ? 0 : rc;
    return rc;
}

int luas_next(luas_pool *p, luas_outcome *outcome)
{
    luas_outcome full;
    size_t size = outcome->size;
    int rc = is_foreign(p) ? LUAS_EFOREIGN : step_and_take(p, &full);
    if (rc < 0)
        p->failure = rc;
    if (rc > 0) {
        full.size = size;
        memset(outcome, 0, size);
        memcpy(outcome, &full, size < sizeof full ? size : sizeof full);
    }
    return rc;
}

int luas_wait(luas_pool *p, double seconds)
{
    if (is_foreign(p))
        return LUAS_EFOREIGN;
    if (has_outcome(p))
        return 1;
    return luas__pool_step(p->pool, luas__seconds(seconds), p);
}

const char *luas_pool_why(const luas_pool *p)
{
    if (p->pool->health.broken != 0 && p->pool->health.why.len > 0)
        return luas__buffer_bytes(&p->pool->health.why);
    return p->failure < 0 ? luas_strerror(p->failure) : "";
}
