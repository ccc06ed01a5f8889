/*
 * The public C interface for applications without Lua: opening and closing a pool whose workers
 * have a Lua state each, made in the child, with the application's script.
 */
#define _GNU_SOURCE
#include "embed.h"

#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "cpus.h"
#include "embed_events.h"
#include "embed_shared.h"
#include "error.h"
#include "quiet.h"
#include "task.h"

/* The header maps this name to a function that sets the size. */
#undef luas_pool_open

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

void luas_pool_close(luas_pool *p)
{
    if (p == NULL)
        return;
    if (luas__embed_is_foreign(p)) { /* a child that the application has forked: the workers are not its own */
        luas__pool_abandon(p->pool, NULL);
        return;
    }
    if (p->pool != NULL)
        luas__pool_close(p->pool);
    if (p->is_quiet)
        luas__quiet_drop();
    luas__results_release(&p->results);
    luas__buffer_release(&p->script);
    luas__embed_calls_release(&p->calls);
    free(p->jobs);
    free(p->label);
    free(p->setup_data);
    free(p);
}

static int start_job(luas_pool *p, const luas_options *o)
{
    luas__job *job;
    p->policy = (luas__policy){
        .timeout = luas__seconds(o->timeout), .grace = LUAS__SECOND / 2,
        .retries = o->retries,
        .retry = {
            .on = (enum luas__retry_on)o->retry_on, .delay = luas__seconds(o->retry_delay),
            .factor = o->retry_factor > 0 ? o->retry_factor : 2,
            .max = luas__seconds(o->retry_max > 0 ? o->retry_max : 60),
        },
        .flags = LUAS__JOB_CALL | LUAS__JOB_STAMPED | (o->timeout > 0 ? LUAS__JOB_TIMED : 0),
    };
    return luas__embed_submit_job(p, &p->policy, &job);
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
    };
    luas__task_watch_forks();
    p->is_quiet = !o->keep_files && luas__embed_worker_hold() == 0;
    options.bear = p->is_quiet ? luas__embed_worker_bear : NULL;
    options.bearer = &p->worker;
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

static bool read_options(luas_options *known, const luas_options *given)
{
    *known = (luas_options){.size = sizeof *known};
    return luas__embed_read(known, sizeof *known, given, given->size, offsetof(luas_options, script));
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

/* ---- the pool itself ---- */

int luas_pool_trim(luas_pool *p)
{
    return luas__embed_is_foreign(p) ? LUAS_EFOREIGN : luas__pool_trim(p->pool);
}

int luas_pool_fd(const luas_pool *p)
{
    return luas__embed_is_foreign(p) ? LUAS_EFOREIGN : p->pool->poller.fd;
}

const char *luas_pool_why(const luas_pool *p)
{
    if (p->pool->health.broken != 0 && p->pool->health.why.len > 0)
        return luas__buffer_bytes(&p->pool->health.why);
    return p->failure < 0 ? luas_strerror(p->failure) : "";
}
