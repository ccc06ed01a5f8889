/*
 * Zygotes: workers that are forked long after, of the host as it was, and are
 * the host's children all the same; and what becomes of everybody when one of
 * the three dies.
 */
#define _GNU_SOURCE
#include "pool_testing.h"
#include "snapshots.h"

#include <fcntl.h>
#include <poll.h>

#include "fd.h"
#include "job_outcomes.h"

static int era; /* of the host: what a worker has of it is what it was at the fork */

/* ---- zygotes alone ---- */

typedef struct birth_note {
    int era, number;
    pid_t pid, parent, group;
} birth_note;

/* Writes what it is, and ends with a status of 7 when its host has no more. */
static _Noreturn void live(const luas__zygote_request *d)
{
    birth_note note = {.era = era, .pid = getpid(), .parent = getppid(), .group = getpgrp(),
                       .number = d->number};
    char byte;
    if (write(d->out, &note, sizeof note) != sizeof note)
        _exit(1);
    ssize_t n = read(d->in, &byte, 1);
    _exit(n == 0 ? 7 : 1);
}

static void open_zygote(luas__zygote *z)
{
    luas__child_forks forks;
    CHECK_INT(luas__zygote_prepare(z), 0);
    luas__child_forks_begin(&forks);
    pid_t pid = luas__child_fork(&forks);
    if (pid == 0) {
        luas__zygote_request d;
        luas__zygote own = luas__zygote_become(z);
        close(z->socket);
        luas__zygote_serve(&own, &d);
        live(&d);
    }
    luas__child_forks_end(&forks);
    CHECK(pid > 0);
    luas__zygote_begin(z, pid);
}

typedef struct nursling {
    luas__child child;
    luas__scoreboard *scoreboard;
    int in, out;            /* the host's ends of its pipes */
} nursling;

static int bear(luas__zygote *z, nursling *n, int number)
{
    int in[2], out[2];
    CHECK_INT(luas__fd_pipe(in), 0);
    CHECK_INT(luas__fd_pipe(out), 0);
    int scoreboard = luas__scoreboard_share(&n->scoreboard);
    CHECK(scoreboard >= 0);
    luas__zygote_request d = {.number = number, .in = in[0], .out = out[1], .scoreboard = scoreboard,
                     .prints = {-1, -1}};
    n->child = (luas__child)LUAS__CHILD_INIT;
    pid_t pid = luas__zygote_spawn(z, &d);
    if (pid > 0)
        luas__child_adopt(&n->child, pid);
    close(in[0]);
    close(out[1]);
    close(scoreboard);
    n->in = in[1];
    n->out = out[0];
    return pid > 0 ? 1 : pid;
}

static void check_alive(nursling *n, int number)
{
    birth_note note;
    CHECK_INT(read(n->out, &note, sizeof note), sizeof note);
    CHECK_INT(note.era, 1);
    CHECK_INT(note.pid, n->child.pid);
    CHECK_INT(note.parent, getpid());
    CHECK_INT(note.group, note.pid);
    CHECK_INT(note.number, number);
    CHECK_INT(luas__child_reap(&n->child), 0);
}

static void release(nursling *n)
{
    close(n->in);
    close(n->out);
    luas__scoreboard_unmap(n->scoreboard);
    luas__child_release(&n->child);
}

/* It is told by its pipe that it may go, and its own is at its end then: nobody
   else has a copy of either. */
static void check_leaves(nursling *n)
{
    char byte;
    close(n->in);
    n->in = -1;
    CHECK_INT(read(n->out, &byte, 1), 0);
    luas__child_await(&n->child);
    CHECK_INT(n->child.pid, 0);
    CHECK_INT(n->child.status, 7 << 8);
    close(n->out);
    luas__scoreboard_unmap(n->scoreboard);
    luas__child_release(&n->child);
}

static void bury(luas__zygote *z)
{
    luas__zygote_end(z);
    luas__child_await(&z->child);
    CHECK_INT(z->child.pid, 0);
    luas__zygote_close(z);
}

static void test_workers_are_the_hosts_and_see_it_as_it_was(void)
{
    luas__zygote z;
    nursling n[20];
    era = 1;
    open_zygote(&z);
    era = 2;
    for (int i = 0; i < 20; i++) {
        CHECK_INT(bear(&z, &n[i], i), 1);
        check_alive(&n[i], i);
    }
    for (int i = 0; i < 20; i++)
        check_leaves(&n[i]);
    bury(&z);
}

/* Also when it was killed before it was asked. */
static void test_workers_outlive_their_zygote(void)
{
    luas__zygote z;
    nursling n, late;
    era = 1;
    open_zygote(&z);
    CHECK_INT(bear(&z, &n, 1), 1);
    bury(&z);
    check_alive(&n, 1);
    CHECK_INT(bear(&z, &late, 2), LUAS_ECLOSED);
    release(&late);
    check_leaves(&n);
}

static void test_a_zygote_that_was_killed_is_not_waited_for(void)
{
    luas__zygote z;
    nursling n;
    open_zygote(&z);
    kill(z.child.pid, SIGKILL);
    int64_t began = luas__now();
    CHECK_INT(bear(&z, &n, 1), LUAS_ECLOSED);
    CHECK(luas__now() - began < within(LUAS__SECOND));
    CHECK_INT(z.socket, -1);
    release(&n);
    bury(&z);
}

/* When it goes on before it is found out, there is the worker. */
static void test_a_zygote_that_was_stopped_is_not_waited_for_long(void)
{
    luas__zygote z;
    nursling n;
    era = 1;
    open_zygote(&z);
    kill(z.child.pid, SIGSTOP);
    int64_t began = luas__now();
    CHECK_INT(bear(&z, &n, 1), LUAS_ECLOSED);
    CHECK(luas__now() - began < within(20 * LUAS__SECOND));
    release(&n);
    bury(&z);
    open_zygote(&z);
    kill(z.child.pid, SIGSTOP);
    pid_t helper = fork();
    CHECK(helper >= 0);
    if (helper == 0) {
        sleep_ms(100);
        _exit(kill(z.child.pid, SIGCONT) < 0);
    }
    CHECK_INT(bear(&z, &n, 1), 1);
    CHECK_INT(waitpid(helper, NULL, 0), helper);
    check_alive(&n, 1);
    check_leaves(&n);
    bury(&z);
}

static bool runs(pid_t pid)
{
    char path[40], state = 'X';
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return false;
    CHECK(fscanf(file, "%*d %*s %c", &state) == 1);
    fclose(file);
    return state != 'Z' && state != 'X';
}

static void check_ends(pid_t pid)
{
    for (int i = 0; i < 500 && runs(pid); i++)
        sleep_ms(10);
    CHECK(!runs(pid));
}

static void test_a_host_that_is_killed_leaves_neither(void)
{
    pid_t pids[2];
    int word[2];
    CHECK_INT(luas__fd_pipe(word), 0);
    pid_t host = fork();
    CHECK(host >= 0);
    if (host == 0) {
        luas__zygote z;
        nursling n;
        open_zygote(&z);
        bear(&z, &n, 1);
        pid_t own[2] = {z.child.pid, n.child.pid};
        ssize_t n_written = write(word[1], own, sizeof own);
        (void)n_written;
        hang();
    }
    CHECK_INT(read(word[0], pids, sizeof pids), sizeof pids);
    CHECK(runs(pids[0]) && runs(pids[1]));
    kill(host, SIGKILL);
    CHECK_INT(waitpid(host, NULL, 0), host);
    check_ends(pids[0]);
    check_ends(pids[1]);
    close(word[0]);
    close(word[1]);
}

/* ---- zygotes of a pool ---- */

static int act_in_era(luas__channel *c, uint32_t seq, char what)
{
    switch (what) {
    case 'k': return raise(SIGKILL);
    case 'L': return answer_large(c, seq, 1000000 + (size_t)era);
    case 'l': atomic_store(&c->scoreboard->over_gc_budget, 1); break;  /* had much memory */
    case 's': sleep_ms(50); break;
    case 'p':
        printf("era %d\n", era);
        fflush(stdout);
    }
    return answer(c, LUAS__MSG_VALUE, seq, (char *)&era, 1);
}

static int run_in_era(luas__channel *c, luas__mp_reader *body)
{
    int64_t job, seq, index, count, size;
    if (luas__mp_read_int(body, &job) < 0 || luas__mp_read_int(body, &seq) < 0
        || luas__mp_read_int(body, &index) < 0 || luas__mp_read_int(body, &count) < 0
        || luas__mp_read_int(body, &size) < 0)
        return LUAS_EPROTO;
    return luas__scoreboard_claim(c->scoreboard, (uint32_t)seq) ? act_in_era(c, (uint32_t)seq, (char)*body->at) : 0;
}

/* Chunks have one task; its value is the worker's era. */
static int serve_era(void *host, luas__channel *c)
{
    (void)host;
    return serve_runs(c, run_in_era);
}

static luas__job *inherit(luas__pool *pool, int workers)
{
    luas__job *job = start_job(pool, &(luas__policy){.chunk = 1, .flags = LUAS__JOB_INHERIT});
    CHECK_INT(luas__pool_inherit(pool, job, workers, workers, NULL), 0);
    return job;
}

/* The job's tasks see era 1, though it is 2 now. */
static luas__job *keep_first_era(luas__pool *pool, int workers)
{
    era = 1;
    luas__job *job = inherit(pool, workers);
    luas__pool_snapshot(pool, job, NULL);
    era = 2;
    return job;
}

static luas__pool *open_with(luas__output_mode output)
{
    luas__pool *pool;
    CHECK_INT(luas__pool_open(&pool, &(luas__pool_options){
        .workers = 2, .main = serve_era, .output = output}), 0);
    return pool;
}

/* How many values were of each era, and how many of them large. */
typedef struct eras {
    int of[4], large, crashes, printed;
} eras;

static eras take_eras(luas__pool *pool, luas__job *job)
{
    eras e = {.large = 0};
    const luas__outcome *o;
    const char *payload;
    luas__pool_seal(pool, job);
    int64_t end = luas__now() + 60 * LUAS__SECOND;
    for (uint64_t total = 0; total < job->input.fed;) {
        while (luas__pool_take(pool, job))
            while ((o = luas__job_outcomes_next(job, &payload)) != NULL) {
                e.crashes += o->kind == LUAS__KIND_CRASH;
                e.large += o->len > 1000000;
                if (o->kind == LUAS__KIND_VALUE)
                    e.of[o->len > 1000000 ? o->len - 1000000 : (unsigned char)payload[0]]++;
                e.printed += o->printed == 6;
                total += o->count;
            }
        if (total < job->input.fed) {
            int rc = luas__pool_step(pool, LUAS__SECOND, NULL);
            CHECK(rc >= 0 || rc == LUAS_EINTR);
        }
        CHECK(luas__now() < end);
    }
    luas__pool_drop(pool, job);
    return e;
}

static void feed_mixture(luas__pool *pool, luas__job *job, int rounds)
{
    for (int i = 0; i < rounds; i++) {
        feed(pool, job, "E", 2);
        feed(pool, job, "k", 1);
        feed(pool, job, "L", 1);
    }
}

static void test_workers_that_replace_others_see_what_those_saw(void)
{
    luas__pool *pool = open_with(LUAS__OUTPUT_INHERIT);
    luas__job *job = keep_first_era(pool, 2);
    feed_mixture(pool, job, 40);
    eras e = take_eras(pool, job);
    CHECK_INT(e.of[1], 120);
    CHECK_INT(e.large, 40);
    CHECK_INT(e.crashes, 40);
    CHECK(pool->stats.forks > 2);
    luas__pool_close(pool);
}

static void test_their_output_is_captured(void)
{
    luas__pool *pool = open_with(LUAS__OUTPUT_CAPTURE);
    luas__job *job = keep_first_era(pool, 1);
    feed(pool, job, "k", 3);
    feed(pool, job, "p", 5);
    eras e = take_eras(pool, job);
    CHECK_INT(e.of[1], 5);
    CHECK_INT(e.printed, 5);
    luas__pool_close(pool);
}

static pid_t zygote_of(const luas__pool *pool, const luas__job *job)
{
    const luas__snapshot *k = luas__snapshots_find(pool, job->snapshot.id);
    return k != NULL ? k->zygote.child.pid : 0;
}

static void test_without_a_zygote_the_host_is_what_there_is(void)
{
    luas__pool *pool = open_with(LUAS__OUTPUT_INHERIT);
    luas__job *job = keep_first_era(pool, 1);
    feed(pool, job, "k", 1);
    feed(pool, job, "E", 10);
    pid_t pid = zygote_of(pool, job);
    CHECK(pid > 0);
    kill(pid, SIGKILL);
    eras e = take_eras(pool, job);
    CHECK_INT(e.of[2], 10);
    CHECK_INT(e.crashes, 1);
    luas__pool_close(pool);
}

/* The task behind it is another worker's at once, and it ends after its own. */
static void test_laden_workers_are_replaced(void)
{
    for (int keeps = 0; keeps < 2; keeps++) {
        luas__pool *pool = open_with(LUAS__OUTPUT_INHERIT);
        era = 1;
        luas__job *job = inherit(pool, 2);
        if (keeps)
            luas__pool_snapshot(pool, job, NULL);
        era = keeps ? 2 : 1;
        for (int i = 0; i < 20; i++) {
            feed(pool, job, "l", 2);
            feed(pool, job, "s", 1);
        }
        eras e = take_eras(pool, job);
        CHECK_INT(e.of[1], 60);
        CHECK_INT(pool->stats.crashes, 0);
        CHECK(pool->stats.forks > 4);
        luas__pool_close(pool);
    }
}

/* Neither are those that nobody could replace by the same, nor ordinary ones. */
static void test_laden_workers_stay_where_the_host_has_gone_on(void)
{
    luas__pool *pool = open_with(LUAS__OUTPUT_INHERIT);
    era = 1;
    luas__job *job = inherit(pool, 2);
    luas__pool_snapshot(pool, job, NULL);
    pid_t pid = zygote_of(pool, job);
    kill(pid, SIGKILL);
    check_ends(pid);
    era = 2;
    feed(pool, job, "k", 1);
    feed(pool, job, "l", 60);
    eras e = take_eras(pool, job);
    CHECK_INT(e.of[1] + e.of[2], 60);
    uint64_t forks = pool->stats.forks;
    CHECK(forks <= 4);
    job = start_job(pool, &(luas__policy){.chunk = 1});
    feed(pool, job, "l", 60);
    e = take_eras(pool, job);
    CHECK_INT(e.of[1] + e.of[2], 60);
    CHECK(pool->stats.forks <= forks + 2);
    luas__pool_close(pool);
}

static bool is_done(luas__pool *pool, const luas__job *job)
{
    pthread_mutex_lock(&pool->lock);
    bool done = job->done;
    pthread_mutex_unlock(&pool->lock);
    return done;
}

/* The library's thread has what forks them. */
static void test_workers_come_while_nobody_calls(void)
{
    luas__pool *pool = open_with(LUAS__OUTPUT_INHERIT);
    luas__job *job = keep_first_era(pool, 2);
    for (int i = 0; i < 10; i++) {
        feed(pool, job, "k", 1);
        feed(pool, job, "l", 2);
    }
    luas__pool_seal(pool, job);
    CHECK(luas__pool_step(pool, 0, NULL) >= 0);
    CHECK_INT(luas__pool_pump(pool, job), 0);
    for (int i = 0; i < 2000 && !is_done(pool, job); i++)
        sleep_ms(10);
    CHECK(is_done(pool, job));
    eras e = take_eras(pool, job);
    CHECK_INT(e.of[1], 20);
    CHECK_INT(e.crashes, 10);
    luas__pool_close(pool);
}

/* One that a zygote has forked is there while others are still to be forked. */
static void test_workers_come_with_those_that_the_host_forks(void)
{
    enum { OTHERS = 3 };
    luas__pool *pool;
    CHECK_INT(luas__pool_open(&pool, &(luas__pool_options){
        .workers = OTHERS + 1, .main = serve_era}), 0);
    luas__job *job = keep_first_era(pool, 1);
    for (int i = 0; i < 20; i++) {
        feed(pool, job, "k", 1);
        while (pool->stats.crashes == (uint64_t)i)
            CHECK(luas__pool_step(pool, LUAS__SECOND, NULL) >= 0);
        feed(pool, job, "E", 1);
        luas__job *other = start_job(pool, &(luas__policy){.chunk = 1});
        feed(pool, other, "s", OTHERS);
        feed(pool, other, "k", OTHERS);
        eras e = take_eras(pool, other);
        CHECK_INT(e.of[1] + e.of[2], OTHERS); /* who is idle takes them */
        CHECK_INT(e.crashes, OTHERS);
    }
    eras e = take_eras(pool, job);
    CHECK_INT(e.of[1], 20);
    CHECK_INT(e.crashes, 20);
    luas__pool_close(pool);
}

/* When that is gone it waits for a call; it never forks the host itself. */
static void test_without_a_zygote_a_call_is_waited_for(void)
{
    luas__pool *pool = open_with(LUAS__OUTPUT_INHERIT);
    era = 1;
    luas__job *job = inherit(pool, 1);
    luas__pool_snapshot(pool, job, NULL);
    kill(zygote_of(pool, job), SIGKILL);
    era = 2;
    feed(pool, job, "k", 1);
    feed(pool, job, "E", 4);
    luas__pool_seal(pool, job);
    CHECK(luas__pool_step(pool, 0, NULL) >= 0);
    CHECK_INT(luas__pool_pump(pool, job), 0);
    sleep_ms(100);
    CHECK(!is_done(pool, job));
    CHECK_INT(take_eras(pool, job).of[2], 4);
    luas__pool_close(pool);
}

static void test_a_zygote_ends_with_its_job(void)
{
    luas__pool *pool = open_with(LUAS__OUTPUT_INHERIT);
    luas__job *kept = inherit(pool, 1), *dropped = inherit(pool, 1), *renewed = inherit(pool, 1);
    luas__job *jobs[] = {kept, dropped, renewed};
    pid_t pids[3];
    for (int i = 0; i < 3; i++) {
        luas__pool_snapshot(pool, jobs[i], NULL);
        CHECK((pids[i] = zygote_of(pool, jobs[i])) > 0);
    }
    luas__pool_drop(pool, dropped);
    check_ends(pids[1]);
    CHECK_INT(luas__pool_inherit(pool, renewed, 1, 1, NULL), 0);
    luas__pool_snapshot(pool, renewed, NULL);
    check_ends(pids[2]);
    CHECK(runs(pids[0]));
    take_eras(pool, kept); /* it had no tasks */
    check_ends(pids[0]);
    pid_t last = zygote_of(pool, renewed);
    CHECK(runs(last));
    luas__pool_close(pool);
    check_ends(last);
}

int main(void)
{
    RUN(test_workers_are_the_hosts_and_see_it_as_it_was);
    RUN(test_workers_outlive_their_zygote);
    RUN(test_a_zygote_that_was_killed_is_not_waited_for);
    RUN(test_a_zygote_that_was_stopped_is_not_waited_for_long);
    RUN(test_a_host_that_is_killed_leaves_neither);
    RUN(test_workers_that_replace_others_see_what_those_saw);
    RUN(test_their_output_is_captured);
    RUN(test_without_a_zygote_the_host_is_what_there_is);
    RUN(test_laden_workers_are_replaced);
    RUN(test_laden_workers_stay_where_the_host_has_gone_on);
    RUN(test_workers_come_while_nobody_calls);
    RUN(test_workers_come_with_those_that_the_host_forks);
    RUN(test_without_a_zygote_a_call_is_waited_for);
    RUN(test_a_zygote_ends_with_its_job);
}
