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
#include "embed_launch.h"
#include "embed_shared.h"
#include "error.h"
#include "pool_options.h"
#include "quiet.h"
#include "serving.h"

/* The header maps this name to a function that sets the size. */
#undef luas_pool_open

/* ---- the worker ---- */

static int worker_main(void *host, luas__channel *channel)
{
    const luas_pool *p = host;
    return luas__embed_worker_main(&p->kit, channel);
}

/* The state of a worker is new: nothing in it knows a descriptor of the application. */
static void keep(void *host, luas__fd_set *kept)
{
    const luas_pool *p = host;
    if (p->kit.shared != NULL)
        luas__fd_set_add(kept, p->kit.shared->arena.fd);
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
    if (p->pool != NULL && luas__embed_kit_has_exit(&p->kit))
        (void)luas__pool_stop(p->pool);
    if (p->pool != NULL)
        luas__pool_close(p->pool);
    if (p->is_quiet)
        luas__quiet_drop();
    luas__results_release(&p->results);
    luas__buffer_release(&p->printed);
    luas__embed_kit_release(&p->kit);
    luas__embed_calls_release(&p->calls);
    free(p->jobs);
    free(p->label);
    free(p);
}

static int start_job(luas_pool *p, const luas_options *o)
{
    luas__job *job;
    p->policy = (luas__policy){
        .timeout = luas__seconds(o->timeout),
        .grace = o->grace > 0 ? luas__seconds(o->grace) : o->grace < 0 ? 0 : LUAS__SECOND / 2,
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

/* Workers that keep the application's files are forked by it. Where no quiet process can be had
   all workers are, but for those that are fresh programs. */
static int open_engine(luas_pool *p, luas__pool_options *options, const luas_options *o)
{
    bool is_fresh = o->start == LUAS_START_EXEC;
    luas__serving_watch_forks();
    options->launch = is_fresh ? luas__embed_launch : NULL;
    options->launcher = &p->kit;
    p->is_quiet = !o->keep_files && !is_fresh && luas__embed_worker_hold() == 0;
    options->bear = p->is_quiet ? luas__embed_worker_bear : NULL;
    options->bearer = &p->kit;
    return luas__pool_open(&p->pool, options);
}

static luas__pool_options standard(const luas_options *o)
{
    return (luas__pool_options){
        .workers = luas__cpus_count(), .main = worker_main, .label = "worker",
        .has_init = true, .init_timeout = LUAS__SECOND * LUAS_INIT_TIMEOUT,
        .keeping = o->keep_files ? LUAS__KEEP_ALL : LUAS__KEEP_NONE, .keeps = keep,
        .hear = o->output == LUAS_OUTPUT_LINES ? o->on_line : NULL, .hearer = o->line_data,
    };
}

static int open_pool(luas_pool **pool, const luas_options *o, luas__buffer *why)
{
    luas_pool *p = calloc(1, sizeof *p);
    if (p == NULL)
        return LUAS_ENOMEM;
    luas__pool_options options = standard(o);
    int rc = luas__pool_options_take(o, &options);
    if (rc == 0)
        rc = luas__embed_kit_read(&p->kit, o, why);
    if (rc == 0)
        rc = open_engine(p, &options, o);
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

static bool are_valid(const luas_options *o)
{
    return (o->script != NULL || o->source != NULL) && o->timeout >= 0 && o->retries >= 0
        && (unsigned)o->retry_on <= LUAS_RETRY_ANY && (unsigned)o->start <= LUAS_START_EXEC && o->retry_delay >= 0 && !isnan(o->grace)
        && o->count >= 0 && (o->count == 0 || o->arguments != NULL)
        && (o->setup_size == 0 || o->setup_data != NULL)
        && (o->output == LUAS_OUTPUT_LINES) == (o->on_line != NULL);
}

bool luas__embed_read_options(luas_options *known, const luas_options *given)
{
    *known = (luas_options){.size = sizeof *known};
    return luas__embed_read(known, sizeof *known, given, given->size, offsetof(luas_options, script))
        && are_valid(known);
}

void luas__embed_say_why(const luas_options *o, int rc, const luas__buffer *words)
{
    if (rc >= 0)
        return;
    const char *more = words->len > 0 ? luas__buffer_bytes(words) : "";
    const char *code = (rc == LUAS_ESCRIPT || rc == LUAS_EPROTO) && words->len > 0 ? "" : luas_strerror(rc);
    if (o->why != NULL && o->why_size > 0)
        snprintf(o->why, o->why_size, "%s%s%s", more, *more != '\0' && *code != '\0' ? ": " : "", code);
}

int luas_pool_open(luas_pool **pool, const luas_options *given)
{
    luas_options options;
    luas__buffer words = LUAS__BUFFER_INIT;
    *pool = NULL;
    int rc = luas__embed_read_options(&options, given) ? open_pool(pool, &options, &words) : LUAS_EINVAL;
    luas__embed_say_why(&options, rc, &words);
    luas__buffer_release(&words);
    return rc;
}

int luas_prepare(void)
{
    luas__serving_watch_forks();
    return luas__embed_worker_prepare();
}

/* ---- the pool itself ---- */

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
