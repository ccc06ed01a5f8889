/*
 * An application without Lua whose workers are killed and stopped: each call must end exactly
 * once, with the right value or for a good reason. chaos.lua runs it.
 *
 *   chaos_host SECONDS SEED SCRIPT
 *
 * Calls are submitted in bursts, some are cancelled; pools are closed in the middle of their work.
 * Events say which workers there are. Exits with 1 and words if anything is wrong.
 */
#include <luas.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MOST_CALLS = 400, MOST_WORKERS = 6 };

static const char *const names[] = {"quick", "large", "failing", "leaving", "hanging"};
enum { QUICK, LARGE, FAILING, LEAVING, HANGING, NAMES };

typedef struct call {
    int name, x, ended, cancelled;
} call;

/* A pool, its calls by their numbers, and its workers' pids; 0 for one that has died. */
typedef struct run {
    luas_pool *pool;
    call calls[MOST_CALLS + 1];
    int submitted, ended, has_value;
    int pids[MOST_WORKERS];
} run;

static uint64_t state;
static long tally[LUAS_CANCELLED + 1], kills, pools;

static unsigned chance(unsigned n)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(state >> 33) % n;
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static _Noreturn void fail(const char *what, const call *c)
{
    printf("chaos_host: FAILED: %s", what);
    if (c != NULL)
        printf(", %s(%d)", names[c->name], c->x);
    printf("\n");
    exit(1);
}

static void on_event(void *data, const luas_event *e)
{
    run *r = data;
    bool born = e->type == LUAS_EVENT_FORKED || e->type == LUAS_EVENT_REPLACED;
    int *pid = r->pids, was = born ? 0 : e->pid;
    if (!born && e->type != LUAS_EVENT_DIED)
        return;
    while (pid < r->pids + MOST_WORKERS && *pid != was)
        pid++;
    if (pid < r->pids + MOST_WORKERS)
        *pid = born ? e->pid : 0;
}

/* A worker that has died is no victim: the pool tells of it when it reaps it. Nor is any before
   the first value: if no worker has loaded the script, a dead one says that none can. */
static void torment(run *r)
{
    int pid = r->pids[chance(MOST_WORKERS)];
    if (pid <= 0 || !r->has_value)
        return;
    kill(pid, chance(3) > 0 ? SIGKILL : chance(2) > 0 ? SIGSTOP : SIGCONT);
    kills++;
}

static void submit(run *r)
{
    call *c = &r->calls[r->submitted + 1];
    *c = (call){.name = (int)chance(NAMES), .x = (int)chance(100)};
    luas_value x = luas_integer(c->x);
    uint64_t number = 0;
    if (luas_submit(r->pool, names[c->name], 1, &x, &number) != 0 || number != (uint64_t)r->submitted + 1)
        fail("not submitted", c);
    r->submitted++;
}

static void cancel(run *r)
{
    uint64_t number = 1 + chance((unsigned)r->submitted);
    call *c = &r->calls[number];
    int rc = luas_cancel(r->pool, number);
    if (rc != (c->ended ? LUAS_ENOCALL : 0))
        fail(rc == 0 ? "an outcome to come of a call that has ended" : luas_strerror(rc), c);
    c->cancelled = 1;
}

/* What a call may end as: anybody's worker may be killed, or be stopped until its time is over. */
static void judge(const call *c, const luas_outcome *o)
{
    if (o->kind == LUAS_VALUE && (o->count < 1 || o->results[0].as.integer != 2 * c->x))
        fail("a wrong value", c);
    if (o->kind == LUAS_ERROR && !(c->name == FAILING && c->x % 7 == 3))
        fail(o->message, c);
    if (o->kind == LUAS_CANCELLED && !c->cancelled)
        fail("cancelled by nobody", c);
    if (o->kind == LUAS_VALUE && ((c->name == LEAVING && c->x % 11 == 5)
        || (c->name == HANGING && c->x % 13 == 6)))
        fail("a value where there is none", c);
    if (o->message == NULL || (o->kind != LUAS_VALUE && o->message[0] == '\0'))
        fail("no message", c);
}

static void take(run *r)
{
    luas_outcome o;
    int rc;
    while ((rc = luas_next(r->pool, &o)) > 0) {
        call *c = &r->calls[o.call];
        if (o.call < 1 || o.call > (uint64_t)r->submitted || c->ended++)
            fail("ended twice", c);
        judge(c, &o);
        r->ended++;
        r->has_value |= o.kind == LUAS_VALUE;
        tally[o.kind]++;
    }
    if (rc < 0)
        fail(luas_pool_why(r->pool), NULL);
}

static void drive(run *r, int wanted)
{
    double last = now();
    int before = -1;
    while (r->ended < r->submitted || r->submitted < wanted) {
        struct pollfd fd = {.fd = luas_pool_fd(r->pool), .events = POLLIN};
        for (unsigned burst = chance(20); burst > 0 && r->submitted < wanted; burst--)
            submit(r);
        if (chance(8) == 0 && r->submitted > 0)
            cancel(r);
        poll(&fd, 1, 5);
        take(r);
        if (chance(15) == 0) /* seldom enough for a call to live until its time is over */
            torment(r);
        if (r->ended != before)
            before = r->ended, last = now();
        if (now() - last > 60)
            fail("nothing ends any more", NULL);
        if (chance(2000) == 0)
            return; /* the rest is given up with the pool */
    }
    if (luas_pending(r->pool) != 0)
        fail("calls are pending that have ended", NULL);
}

static void one_pool(const char *script)
{
    static run r;
    memset(&r, 0, sizeof r);
    luas_options options = {.script = script, .workers = 1 + (int)chance(4), .timeout = 0.4,
                            .retries = (int)chance(3), .on_event = on_event, .event_data = &r};
    if (luas_pool_open(&r.pool, &options) < 0)
        fail("a pool that does not open", NULL);
    drive(&r, 1 + (int)chance(MOST_CALLS));
    luas_pool_close(r.pool);
    pools++;
}

int main(int count, char **arguments)
{
    if (count < 4)
        return 2;
    state = (uint64_t)atoll(arguments[2]);
    double over = now() + atof(arguments[1]);
    while (now() < over)
        one_pool(arguments[3]);
    printf("chaos_host: %ld pools, %ld signals: %ld values, %ld errors, %ld timeouts, %ld crashes, %ld cancelled\n",
           pools, kills, tally[0], tally[1], tally[2], tally[3], tally[4]);
    return 0;
}
