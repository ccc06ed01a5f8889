/* Calls of a pool of luas.h, on their way to workers. */
#define _GNU_SOURCE
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "array.h"
#include "clock.h"
#include "embed.h"
#include "error.h"
#include "plain_value.h"

/* ---- arguments ---- */

/* Writes a task: the size of its arguments in five bytes, then the arguments: the name, the
   input if there is one, the others. */
static int write_call(luas__buffer *b, const luas_call *c, const luas_value *input)
{
    size_t before = b->len + 5;
    int rc = luas__buffer_append(b, "\xce\0\0\0\0", 5);
    if (rc == 0)
        rc = luas__mp_write_array(b, (uint32_t)c->count + 1 + (input != NULL));
    if (rc == 0)
        rc = luas__mp_write_string(b, c->name, strlen(c->name));
    if (rc == 0 && input != NULL)
        rc = luas__plain_value_write(b, input);
    for (int i = 0; i < c->count && rc == 0; i++)
        rc = luas__plain_value_write(b, &c->arguments[i]);
    size_t size = b->len - before;
    if (rc == 0 && size > UINT32_MAX)
        rc = LUAS_ETOOBIG;
    for (int i = 0; i < 4 && rc == 0; i++)
        luas__buffer_bytes(b)[before - 4 + (size_t)i] = (char)(size >> (24 - 8 * i));
    return rc;
}

/* ---- jobs ---- */

/* While there are no more jobs than this, those without calls are kept for later ones. */
enum { MOST_IDLE = 16 };

/* Only in these can calls differ. */
static bool is_same(const luas__policy *a, const luas__policy *b)
{
    return a->timeout == b->timeout && a->retries == b->retries && a->priority == b->priority
        && a->retry.on == b->retry.on;
}

/* The first one stays. */
static void drop_idle(luas_pool *p)
{
    for (int i = p->njobs - 1; i > 0; i--)
        if (p->jobs[i].job->input.fed == p->jobs[i].taken) {
            luas__pool_drop(p->pool, p->jobs[i].job);
            p->jobs[i] = p->jobs[--p->njobs];
        }
}

static int add_job(luas_pool *p, const luas__policy *policy, luas__job **job)
{
    int rc = luas__array_reserve(&p->jobs, &p->cap_jobs, (size_t)p->njobs + 1, sizeof *p->jobs);
    *job = rc < 0 ? NULL : luas__job_new(policy);
    if (*job == NULL)
        return LUAS_ENOMEM;
    rc = luas__pool_start(p->pool, *job);
    if (rc < 0) {
        luas__job_free(*job);
        return rc;
    }
    p->jobs[p->njobs++] = (luas__call_job){.job = *job};
    return 0;
}

int luas__embed_submit_job(luas_pool *p, const luas__policy *policy, luas__job **job)
{
    for (int i = 0; i < p->njobs; i++)
        if (is_same(&(*job = p->jobs[i].job)->policy, policy))
            return 0;
    if (p->njobs >= MOST_IDLE)
        drop_idle(p);
    return add_job(p, policy, job);
}

static luas__policy policy_of(const luas_pool *p, const luas_call *c)
{
    luas__policy policy = p->policy;
    if (c->timeout != 0)
        policy.timeout = c->timeout < 0 || isinf(c->timeout) ? 0 : luas__seconds(c->timeout);
    if (c->retries != 0)
        policy.retries = c->retries > 0 ? c->retries : 0;
    if (c->retries > 0)
        policy.retry.on = (enum luas__retry_on)c->retry_on;
    policy.priority = c->priority;
    policy.flags &= ~LUAS__JOB_TIMED;
    policy.flags |= policy.timeout > 0 ? LUAS__JOB_TIMED : 0;
    return policy;
}

/* ---- submitting ---- */

/* The calls of one luas_map, on their way. */
typedef struct load {
    luas__buffer bytes;
    size_t *ends;           /* of each */
    luas__call *calls;
    uint32_t count;
} load;

static void release(load *l)
{
    for (uint32_t i = 0; l->calls != NULL && i < l->count; i++)
        free(l->calls[i].label);
    free(l->calls);
    free(l->ends);
    luas__buffer_release(&l->bytes);
}

static int write_one(load *l, const luas_call *c, const luas_value *input, uint32_t i)
{
    int rc = write_call(&l->bytes, c, input);
    l->ends[i] = l->bytes.len;
    l->calls[i] = (luas__call){.position = i, .data = c->data, .receive = c->on_outcome};
    if (rc == 0 && c->label != NULL && (l->calls[i].label = strdup(c->label)) == NULL)
        rc = LUAS_ENOMEM;
    return rc;
}

static int pack(load *l, const luas_call *c, const luas_value *inputs, uint32_t n)
{
    *l = (load){.bytes = LUAS__BUFFER_INIT, .count = n};
    l->ends = malloc(n * sizeof *l->ends);
    l->calls = calloc(n, sizeof *l->calls);
    int rc = l->ends == NULL || l->calls == NULL ? LUAS_ENOMEM : 0;
    for (uint32_t i = 0; i < n && rc == 0; i++)
        rc = write_one(l, c, inputs != NULL ? &inputs[i] : NULL, i);
    return rc;
}

/* *first gets the number of the first of them. The job owns the bytes and the ends then, and the
   pool the labels. */
static int feed(luas_pool *p, luas__job *job, load *l, uint64_t *first)
{
    int rc = luas__embed_calls_reserve(&p->calls, l->count);
    if (rc == 0)
        rc = luas__pool_surround(p->pool, job);
    uint64_t index = job->input.fed + 1;
    if (rc == 0)
        rc = luas__pool_feed(p->pool, job, &l->bytes, l->ends, l->count);
    if (rc < 0)
        return rc;
    *first = luas__embed_number(job->id, index);
    for (uint32_t i = 0; i < l->count; i++) {
        l->calls[i].number = *first + i;
        luas__embed_calls_add(&p->calls, &l->calls[i]);
    }
    l->ends = NULL;
    l->count = 0;
    return 0;
}

/* An outcome that comes during this makes no further event: so the descriptor is made readable for an
   application that polls it. */
void luas__embed_submit_hurry(luas_pool *p)
{
    while (luas__pool_step(p->pool, 0, p) > 0 && !luas__embed_has_outcome(p))
        continue;
    if (luas__embed_has_outcome(p))
        luas__poller_wake(&p->pool->poller);
}

static int submit(luas_pool *p, const luas_call *c, const luas_value *inputs, uint32_t n,
                  uint64_t *first)
{
    luas__policy policy = policy_of(p, c);
    luas__job *job;
    load l;
    int rc = pack(&l, c, inputs, n);
    if (rc == 0)
        rc = luas__embed_submit_job(p, &policy, &job);
    uint64_t number = 0;
    if (rc == 0)
        rc = feed(p, job, &l, &number);
    release(&l);
    if (rc < 0)
        return rc;
    if (first != NULL)
        *first = number;
    luas__embed_submit_hurry(p);
    return 0;
}

static int check(const luas_pool *p, const luas_call *c)
{
    if (c->name == NULL || c->count < 0 || (c->count > 0 && c->arguments == NULL)
        || !(c->timeout >= 0 || c->timeout < 0) || (unsigned)c->retry_on > LUAS_RETRY_ANY)
        return LUAS_EINVAL;
    return luas__embed_is_foreign(p) ? LUAS_EFOREIGN : p->is_drained ? LUAS_ECLOSED : p->pool->health.broken;
}

static bool read_call(luas_call *known, const luas_call *given)
{
    *known = (luas_call){.size = sizeof *known};
    return luas__embed_read(known, sizeof *known, given, given->size, offsetof(luas_call, data));
}

/* The header maps these names to functions that set the size. */
#undef luas_submit_call
#undef luas_map

int luas_submit_call(luas_pool *p, const luas_call *given, uint64_t *number)
{
    luas_call call;
    int rc = read_call(&call, given) ? check(p, &call) : LUAS_EINVAL;
    return rc < 0 ? rc : submit(p, &call, NULL, 1, number);
}

int luas_map(luas_pool *p, const luas_call *given, size_t n, const luas_value *inputs,
             uint64_t *first)
{
    luas_call call;
    int rc = read_call(&call, given) ? check(p, &call) : LUAS_EINVAL;
    if (rc < 0 || n == 0)
        return rc;
    return inputs == NULL || n > UINT32_MAX ? LUAS_EINVAL : submit(p, &call, inputs, (uint32_t)n, first);
}

int luas_submit(luas_pool *p, const char *name, int count, const luas_value *arguments,
                uint64_t *number)
{
    luas_call call = {.size = sizeof call, .name = name, .count = count, .arguments = arguments};
    return luas_submit_call(p, &call, number);
}

int luas_cancel(luas_pool *p, uint64_t number)
{
    int64_t id = (int64_t)(number >> LUAS__INDEX_BITS);
    uint64_t index = number & ((UINT64_C(1) << LUAS__INDEX_BITS) - 1);
    int rc = LUAS_ENOCALL;
    if (luas__embed_is_foreign(p))
        return LUAS_EFOREIGN;
    if (luas__embed_calls_find(&p->calls, number) == NULL)
        return LUAS_ENOCALL;
    for (int i = 0; i < p->njobs; i++)
        if (p->jobs[i].job->id == (id > 0 ? id : 1))
            rc = luas__pool_cancel(p->pool, p->jobs[i].job, index, index);
    luas__embed_submit_hurry(p);
    return rc;
}

uint64_t luas_pending(const luas_pool *p)
{
    return p->calls.count;
}
