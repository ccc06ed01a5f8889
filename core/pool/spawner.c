/* From a prepared worker to a process. */
#define _GNU_SOURCE
#include "spawner.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "array.h"
#include "atfork.h"
#include "clock.h"
#include "error.h"
#include "jobs.h"
#include "orphan.h"
#include "procfs.h"
#include "quiet.h"
#include "snapshots.h"
#include "stack.h"
#include "starts.h"

enum { MOST_AT_ONCE = 64 };     /* signals are blocked during such a row of forks */
enum { SHORT = 8 << 10 };       /* bytes that a worker has read and decoded in no time */

/* A child that has not got ready after so long (us) hangs in a lock, or the machine is very busy: it
   is forked again, after some times with twice as long, and so on. */
enum { FIRST_TIME = 25000, ALIKE = 4, MOST_DOUBLED = 5, MOST_TRIES = 40 };

/* ---- preparing ---- */

/* The lowest free number. Looks at 64 numbers at a time. */
static int free_number(const luas__pool *p)
{
    uint64_t taken = UINT64_MAX;
    int number = 1 - 64;
    while (taken == UINT64_MAX) {
        number += 64;
        taken = 0;
        for (int i = 0; i < p->nworkers; i++) {
            unsigned at = (unsigned)(p->workers[i]->number - number);
            if (at < 64 && p->workers[i]->state < LUAS__WORKER_REAPED)
                taken |= UINT64_C(1) << at;
        }
    }
    for (; taken & 1; taken >>= 1)
        number++;
    return number;
}

static void note_spawn(luas__pool *p, luas__worker *w)
{
    w->resident = luas__state_weighs(p) ? luas__procfs_rss(w->pid) : 0;
    p->stats.forks++;
    p->spawn.forked_at = w->forked_at = luas__now();
    if (luas__events_wanted(&p->events))
        luas__events_forked(p, w);
}

/* ---- the mother ---- */

/* The first may die; then one more is made. */
enum { MOST_BIRTHS = 2 };

static int bear(luas__pool *p, luas__snapshot *k)
{
    int rc = luas__jobs_look_around(p);
    if (rc < 0)
        return rc;
    k->around = luas__surroundings_use(p->around);
    luas__atfork_leave(p);
    rc = p->options.bear(p->options.bearer, &k->zygote, k->around, &p->bulk);
    luas__atfork_return(p);
    return rc;
}

static luas__snapshot *make_mother(luas__pool *p)
{
    luas__snapshot *k = malloc(sizeof *k);
    if (k == NULL)
        return NULL;
    *k = (luas__snapshot){.zygote = LUAS__ZYGOTE_INIT};
    if (bear(p, k) < 0) {
        luas__snapshots_release(k);
        return NULL;
    }
    k->next = p->snapshots;
    p->snapshots = k;
    return k;
}

/* NULL: the host has to fork. */
static luas__snapshot *find_mother(luas__pool *p)
{
    luas__snapshot *k = luas__snapshots_mother(p);
    if (k != NULL || p->spawn.births > MOST_BIRTHS || (p->options.bear == NULL && !p->spawn.had_mother))
        return k;
    bool had_one = p->spawn.had_mother;
    while (k == NULL && p->spawn.births++ < MOST_BIRTHS)
        k = make_mother(p);
    p->mother = k;
    p->spawn.had_mother |= k != NULL;
    if (had_one)
        luas__events_mother(p);
    return k;
}

/* ---- a worker ---- */

static pid_t ask_zygote(void *zygote, const luas__zygote_request *wanted)
{
    return luas__zygote_spawn(zygote, wanted);
}

/* A zygote that failed is not asked again. */
static int spawn_from_zygote(luas__pool *p, const luas__spawn_request *request,
                             luas__job *snapshot_job, luas__snapshot *kept)
{
    int rc = luas__worker_spawn(&p->workers[p->nworkers], &p->poller, request,
                                ask_zygote, &kept->zygote);
    if (rc < 0 && !luas__error_is_shortage(rc)) {
        luas__zygote_end(&kept->zygote);
        return p->scaling.asks_only ? rc : luas__spawner_prepare(p, snapshot_job);
    }
    if (rc < 0)
        return rc;
    p->workers[p->nworkers]->snapshot_job = snapshot_job;
    p->workers[p->nworkers]->lock.may_hang = kept->may_hang;
    note_spawn(p, p->workers[p->nworkers++]);
    return 0;
}

/* Of a worker that is a fresh program. */
typedef struct launch {
    const luas__pool *pool;
    const luas__surroundings *around;
    char why[LUAS__LAUNCH_WORDS];
} launch;

static pid_t start_program(void *starter, const luas__zygote_request *wanted)
{
    launch *l = starter;
    const luas__pool *p = l->pool;
    return p->options.launch(p->options.launcher, wanted, l->around, &p->bulk, l->why);
}

static int launch_worker(luas__pool *p, luas__spawn_request *request)
{
    int rc = luas__jobs_look_around(p);
    if (rc < 0)
        return rc;
    request->around = p->around;
    launch l = {.pool = p, .around = p->around};
    rc = luas__worker_spawn(&p->workers[p->nworkers], &p->poller, request, start_program, &l);
    if (rc < 0)
        return *l.why == '\0' || luas__error_is_shortage(rc) ? rc
            : luas__starts_refused(p, request->number, rc, l.why);
    note_spawn(p, p->workers[p->nworkers++]);
    return 0;
}

int luas__spawner_prepare(luas__pool *p, luas__job *snapshot_job)
{
    uint32_t snapshot = snapshot_job != NULL ? snapshot_job->snapshot.id : 0;
    int definitions = snapshot_job != NULL ? snapshot_job->ndefinitions : 0;
    int rc = luas__array_reserve(&p->workers, &p->cap_workers, (size_t)p->nworkers + 1,
                                 sizeof *p->workers);
    if (rc < 0)
        return rc;
    luas__snapshot *kept = snapshot != 0 ? luas__snapshots_find(p, snapshot) : find_mother(p);
    luas__spawn_request request = {
        .number = free_number(p), .serial = ++p->spawn.last_serial, .output = p->options.output,
        .label = p->options.label, .bulk = &p->bulk, .sinks = &p->sinks, .snapshot = snapshot,
        .inherited_definitions = kept != NULL ? kept->definitions : definitions};
    if (p->options.launch != NULL && snapshot == 0)
        return launch_worker(p, &request);
    if (kept != NULL) {
        request.around = kept->around;
        return spawn_from_zygote(p, &request, snapshot_job, kept);
    }
    /* Nothing of the user's runs while a row of workers is prepared. */
    rc = p->spawn.pending == 0 ? luas__jobs_look_around(p) : 0;
    if (rc < 0)
        return rc;
    request.around = p->around;
    rc = luas__worker_prepare(&p->workers[p->nworkers], &p->poller, &request);
    if (rc < 0)
        return rc;
    p->workers[p->nworkers]->wanted_at = luas__now();
    p->workers[p->nworkers++]->snapshot_job = snapshot_job;
    p->spawn.pending++;
    return 0;
}

/* ---- in the child ---- */

typedef struct life {
    luas__pool *pool;
    void *host;
    luas__channel channel;
} life;

static void run_main(void *argument)
{
    life *l = argument;
    l->channel.around = l->pool->around;
    luas__orphan_exit(l->pool->options.main(l->host, &l->channel));
}

/* Must the host wait until its children have given up what it had open? */
static bool waits_for(const luas__pool *p, const luas__descriptors *found)
{
    return p->options.keeping != LUAS__KEEP_ALL && luas__descriptors_matter(found);
}

/* So it does where the child may hang in a lock of another thread, before it begins. */
static bool awaits_begin(const luas__pool *p, const luas__descriptors *found)
{
    return !found->is_alone || waits_for(p, found);
}

/* Gives up the descriptors of the host that are left when those of pools are closed. The child
   needs its `own`; `job` is the one whose snapshot it has, or NULL. */
static void give_up_descriptors(const luas__pool *p, const luas__descriptors *found,
                                const luas__job *job, void *host, const int own[2])
{
    luas__kept kept = {.keeping = p->options.keeping};
    if (p->options.keeping != LUAS__KEEP_NONE && !waits_for(p, found))
        return; /* nothing to give up */
    if (p->options.keeps != NULL)
        p->options.keeps(host, &kept.fds);
    for (int i = 0; i < 2; i++)
        luas__fd_set_add(&kept.fds, own[i]);
    luas__descriptors_cut(found, &kept, job != NULL ? &job->captured : NULL);
    luas__fd_set_release(&kept.fds);
}

static _Noreturn void live(luas__pool *p, const luas__worker *self,
                           const luas__descriptors *found, void *host)
{
    life l = {.pool = p, .host = host};
    luas__atfork_abandon(p, self);
    luas__atfork_abandon_all();
    luas__worker_become(self, &l.channel);
    give_up_descriptors(p, found, self->snapshot_job, host, (int[]){l.channel.in, l.channel.out});
    if (awaits_begin(p, found))
        luas__scoreboard_begin(l.channel.scoreboard);
    luas__stack_run(run_main, &l);
}

/* ---- forking ---- */

/* The next worker at or after *at that has no process; *at becomes its index. A zygote
   may have forked some that were prepared later. */
static luas__worker *next_to_fork(const luas__pool *p, int *at)
{
    while (p->workers[*at]->pid != 0)
        ++*at;
    return p->workers[*at];
}

/* Called when the pool was left. */
static void look(luas__descriptors *found)
{
    luas__fd_set own = {.bits = NULL};
    int threads;
    *found = (luas__descriptors)LUAS__DESCRIPTORS_INIT;
    if (luas__quiet_list(&own) && luas__atfork_list_own(&own, &threads))
        luas__descriptors_look(found, &own, threads);
    luas__fd_set_release(&own);
}

static long time_for(const luas__descriptors *found, int tries)
{
    int doubled = tries / ALIKE < MOST_DOUBLED ? tries / ALIKE : MOST_DOUBLED;
    return found->is_alone ? 0 : (long)FIRST_TIME << doubled;
}

/* Between two forks the host writes to its stack and to no other memory; only the handlers
   (atfork.c) do. */
static int fork_next(luas__pool *p, luas__descriptors *found, void *host, pid_t *pids,
                     int most, int tries)
{
    luas__child_forks forks;
    int n = 0;
    luas__atfork_leave(p);
    look(found);
    luas__child_forks_begin(&forks);
    forks.most = time_for(found, tries);
    for (int at = 0; n < most; at++, n++) {
        const luas__worker *w = next_to_fork(p, &at);
        pids[n] = luas__worker_fork(w, &forks);
        if (pids[n] == 0)
            live(p, w, found, host);
        if (pids[n] < 0)
            break;
    }
    luas__child_forks_end(&forks);
    luas__atfork_return(p);
    return n;
}

static void begin(luas__pool *p, luas__worker *w)
{
    luas__worker_begin(w, &p->poller);
    if (w->tasks.unanswered == 0 || w->link.out.len > SHORT)
        w->wanted_at = 0;
    p->spawn.pending--;
    note_spawn(p, w);
}

/* Forks up to `most` of them; those that hang stay to be forked. Returns 0, or why there are
   fewer. */
static int fork_some(luas__pool *p, void *host, int most, int tries)
{
    pid_t pids[MOST_AT_ONCE];
    luas__descriptors found;
    int n = fork_next(p, &found, host, pids, most, tries);
    for (int i = 0, at = 0; i < n; i++, at++) {
        luas__worker *w = next_to_fork(p, &at);
        w->lock.may_hang = !found.is_alone;
        if (luas__worker_adopt(w, pids[i], awaits_begin(p, &found)))
            begin(p, w);
    }
    luas__descriptors_release(&found);
    return n < most ? (int)pids[n] : 0;
}

/* Removes the workers that could not be forked. Their tasks are pending again; room for that was
   reserved in schedule.c. */
static void give_up(luas__pool *p)
{
    for (int i = p->nworkers; p->spawn.pending > 0;) {
        luas__worker **at = &p->workers[--i];
        if ((*at)->pid != 0)
            continue;
        luas__worker_tasks_revoke(*at);
        luas__worker_close(*at, &p->poller);
        memmove(at, at + 1, (size_t)(--p->nworkers - i) * sizeof *at);
        p->spawn.pending--;
    }
}

int luas__spawner_fork_pending(luas__pool *p, void *host)
{
    int rc = 0;
    for (int tries = 0; rc == 0 && p->spawn.pending > 0; tries++) {
        int before = p->spawn.pending;
        rc = fork_some(p, host, before < MOST_AT_ONCE ? before : MOST_AT_ONCE, tries);
        if (p->spawn.pending < before)
            tries = 0;
        else if (rc == 0 && tries >= MOST_TRIES)
            rc = -EAGAIN;
    }
    give_up(p);
    return rc;
}

/* ---- zygotes ---- */

/* Runs the zygote; and goes on in each worker that the zygote forks. */
static _Noreturn void be_zygote(luas__pool *p, luas__snapshot *k, const luas__descriptors *found,
                                void *host)
{
    luas__zygote_request wanted;
    life l = {.pool = p, .host = host};
    luas__zygote z = luas__zygote_become(&k->zygote);
    luas__atfork_close_copies(p); /* not the slots: its workers will need free ones */
    luas__atfork_abandon_all();
    give_up_descriptors(p, found, k->job, host, (int[]){z.socket, z.socket});
    luas__zygote_serve(&z, &wanted);
    luas__bulk_keep(&p->bulk, wanted.slot);
    if (luas__worker_wake(&l.channel, &wanted) < 0)
        _exit(1);
    luas__stack_run(run_main, &l);
}

static pid_t fork_zygote(luas__pool *p, luas__snapshot *k, luas__descriptors *found, void *host,
                         int tries)
{
    luas__child_forks forks;
    luas__atfork_leave(p);
    look(found);
    luas__child_forks_begin(&forks);
    forks.most = time_for(found, tries);
    pid_t pid = luas__child_fork(&forks);
    if (pid == 0)
        be_zygote(p, k, found, host);
    luas__child_forks_end(&forks);
    luas__atfork_return(p);
    return pid;
}

/* Returns LUAS_ETIMEDOUT, with nothing left behind, if it has hung. */
static int open_zygote(luas__pool *p, luas__snapshot *k, void *host, int tries)
{
    luas__descriptors found = LUAS__DESCRIPTORS_INIT;
    int rc = luas__zygote_prepare(&k->zygote);
    if (rc == 0)
        rc = fork_zygote(p, k, &found, host, tries);
    if (rc > 0) {
        luas__zygote_begin(&k->zygote, rc);
        k->may_hang = !found.is_alone;
        if (awaits_begin(p, &found))
            luas__zygote_await(&k->zygote);
        if (!found.is_alone && luas__child_reap(&k->zygote.child)) {
            luas__zygote_close(&k->zygote);
            rc = LUAS_ETIMEDOUT;
        }
    }
    luas__descriptors_release(&found);
    return rc;
}

static void drop_first(luas__pool *p)
{
    luas__snapshot *k = p->snapshots;
    p->snapshots = k->next;
    luas__snapshots_release(k);
}

static int keep_host(luas__pool *p, const luas__snapshot *as, void *host)
{
    luas__snapshot *k = malloc(sizeof *k);
    if (k == NULL)
        return LUAS_ENOMEM;
    *k = *as;
    k->next = p->snapshots;
    if (luas__jobs_look_around(p) == 0)
        k->around = luas__surroundings_use(p->around);
    p->snapshots = k;
    int rc = LUAS_ETIMEDOUT;
    for (int tries = 0; rc == LUAS_ETIMEDOUT && tries < MOST_TRIES; tries++)
        rc = open_zygote(p, k, host, tries);
    if (rc < 0)
        drop_first(p);
    return rc;
}

void luas__spawner_zygote(luas__pool *p, const luas__job *job, void *host)
{
    (void)keep_host(p, &(luas__snapshot){.zygote = LUAS__ZYGOTE_INIT, .job = job,
                        .id = job->snapshot.id, .definitions = job->ndefinitions}, host);
}

int luas__spawner_mother(luas__pool *p, void *host)
{
    int rc = keep_host(p, &(luas__snapshot){.zygote = LUAS__ZYGOTE_INIT}, host);
    if (rc < 0)
        return rc;
    p->mother = p->snapshots;
    p->spawn.births = MOST_BIRTHS; /* no other could be like it */
    p->spawn.had_mother = true;
    return 0;
}
