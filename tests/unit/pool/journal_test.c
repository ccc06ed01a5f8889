/*
 * A journal: what is heard is in the file after a flush, no later than its interval, and known to the next run;
 * a failure to write keeps it for the next try; a forked child leaves the file alone.
 */
#define _GNU_SOURCE
#include "journal.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include "clock.h"
#include "journal_job.h"
#include "msgpack.h"
#include "testing.h"

static char path[64];

/* Returns a descriptor of a file that was not there. */
static int new_file(void)
{
    snprintf(path, sizeof path, "/tmp/luas_journal_test_%d.db", getpid());
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    CHECK(fd >= 0);
    return fd;
}

static luas__journal *open_journal(void)
{
    char why[200];
    luas__journal *j = luas__journal_open(path, false, why, sizeof why);
    if (j == NULL)
        fail_check(__FILE__, __LINE__, why);
    return j;
}

static void close_journal(luas__journal *j)
{
    luas__journal_close(j);
    luas__events_drop_reader(&j->reader);
}

/* A file with the table that outcomes go to. */
static luas__journal *new_journal(void)
{
    CHECK(close(new_file()) == 0);
    luas__journal *j = open_journal();
    CHECK_INT(j->api->exec(j->db, "CREATE TABLE outcome(id INTEGER PRIMARY KEY, job INTEGER, key BLOB, idx INTEGER, kind TEXT, "
        "started REAL, took REAL, worker INTEGER, attempts INTEGER, input, value, message TEXT, status INTEGER)",
        NULL, NULL, NULL), SQLITE_OK);
    return j;
}

static void remove_journal(luas__journal *j)
{
    static const char *const ends[] = {"", "-wal", "-shm", "-journal"};
    char name[80];
    close_journal(j);
    for (int i = 0; i < 4; i++) {
        snprintf(name, sizeof name, "%s%s", path, ends[i]);
        unlink(name);
    }
}

static int64_t ask(const char *sql)
{
    luas__journal *j = open_journal(); /* as another process would */
    sqlite3_stmt *s;
    CHECK_INT(j->api->prepare_v2(j->db, sql, -1, &s, NULL), SQLITE_OK);
    CHECK_INT(j->api->step(s), SQLITE_ROW);
    int64_t n = j->api->column_int64(s, 0);
    j->api->finalize(s);
    close_journal(j);
    return n;
}

static luas__hash hash_of(uint64_t n)
{
    return luas__xxh_of(&n, sizeof n);
}

/* Stages the task of input `n`, which is to be done, and feeds it. */
static void feed(luas__journal_job *part, uint64_t n)
{
    luas__outcome o;
    const char *payload;
    CHECK_INT(luas__journal_job_stage(part, hash_of(n)), LUAS__JOURNAL_NEW);
    CHECK_INT(luas__journal_job_take(part, &o, &payload), 0);
}

/* Tells that a task has ended with the number `value`. */
static void end_task(luas__journal *j, luas__journal_job *part, uint64_t index, int64_t value)
{
    luas__buffer b = LUAS__BUFFER_INIT;
    CHECK(luas__mp_write_array(&b, 1) == 0 && luas__mp_write_int(&b, value) == 0);
    luas__pool_event e = {
        .type = LUAS__EVENT_ENDED, .at = luas__now(), .index = index, .count = 1, .worker = 1, .start = luas__now(),
        .kind = LUAS__KIND_VALUE, .attempts = 1, .status = -1, .size = (uint32_t)b.len,
        .result = luas__buffer_bytes(&b), .journal = part, .label = "",
    };
    j->reader.hear(&j->reader, 0, &e);
    luas__buffer_release(&b);
}

static void tick(luas__journal *j)
{
    luas__pool_event e = {.type = LUAS__EVENT_TICK, .at = luas__now(), .label = ""};
    j->reader.hear(&j->reader, 0, &e);
}

typedef struct job {
    luas__journal_group *group;
    luas__journal_job *part;
} job;

static job open_job(luas__journal *j)
{
    job made = {.group = luas__journal_job_group(j, 1)};
    CHECK(made.group != NULL);
    made.group->values = true;
    made.part = luas__journal_job_new(made.group);
    CHECK(made.part != NULL);
    return made;
}

static void drop_job(job made)
{
    luas__journal_job_drop(made.part);
    luas__journal_job_drop_group(made.group);
}

static void run_tasks(luas__journal *j, job made, uint64_t from, uint64_t to)
{
    for (uint64_t i = from; i <= to; i++)
        feed(made.part, i);
    for (uint64_t i = to; i >= from; i--) /* in whatever order */
        end_task(j, made.part, i, (int64_t)(i * i));
}

/* ---- tests ---- */

static void what_was_heard_is_known_to_the_next_run(void)
{
    luas__journal *j = new_journal();
    job made = open_job(j);
    run_tasks(j, made, 1, 500);
    CHECK(luas__journal_flush(j));
    CHECK_INT(ask("SELECT count(DISTINCT key) FROM outcome WHERE kind = 'value' AND value = idx * idx"), 500);
    drop_job(made);
    close_journal(j);

    j = open_journal();
    made = open_job(j);
    CHECK_INT(luas__journal_job_load(made.group, &made.group->own, 1, 0, INT64_MAX), 500);
    luas__outcome o;
    const char *payload;
    CHECK_INT(luas__journal_job_stage(made.part, hash_of(22)), LUAS__JOURNAL_DONE);
    CHECK_INT(luas__journal_job_take(made.part, &o, &payload), 1);
    CHECK(o.kind == LUAS__KIND_VALUE && payload != NULL);
    feed(made.part, 501);
    CHECK_INT(luas__journal_job_stage(made.part, hash_of(22)), LUAS__JOURNAL_NEW); /* once more is another task */
    CHECK_INT(luas__journal_job_take(made.part, &o, &payload), 0);
    drop_job(made);
    remove_journal(j);
}

static void a_row_waits_no_longer_than_the_interval(void)
{
    luas__journal *j = new_journal();
    job made = open_job(j);
    run_tasks(j, made, 1, 1); /* the first one need not wait */
    run_tasks(j, made, 2, 2);
    int64_t due = atomic_load(&j->reader.due);
    CHECK(due > 0 && due <= luas__now() + j->interval);
    while (luas__now() < due)
        usleep(1000);
    tick(j);
    CHECK_INT(ask("SELECT count(*) FROM outcome"), 2);
    CHECK_INT(atomic_load(&j->reader.due), 0);
    drop_job(made);
    remove_journal(j);
}

/* The file may grow no more, as on a full disk. */
static void what_cannot_be_written_is_kept_for_the_next_try(void)
{
    luas__journal *j = new_journal();
    job made = open_job(j);
    struct rlimit before, none = {.rlim_cur = 4096};
    CHECK(getrlimit(RLIMIT_FSIZE, &before) == 0);
    none.rlim_max = before.rlim_max;
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    CHECK(setrlimit(RLIMIT_FSIZE, &none) == 0);
    run_tasks(j, made, 1, 1500);
    CHECK(!luas__journal_flush(j));
    CHECK(j->failed && j->why[0] != '\0');
    CHECK(setrlimit(RLIMIT_FSIZE, &before) == 0);
    signal(SIGXFSZ, handler);
    CHECK(!luas__journal_flush(j)); /* it has written, and tells that once it could not */
    CHECK_INT(j->lost, 0);
    CHECK_INT(ask("SELECT count(*) FROM outcome"), 1500);
    drop_job(made);
    remove_journal(j);
}

static void a_forked_child_leaves_the_file_alone(void)
{
    static job made; /* the child has it, too, when valgrind looks for what is lost */
    luas__journal *j = new_journal();
    made = open_job(j);
    run_tasks(j, made, 1, 3);
    pid_t pid = fork();
    if (pid == 0) {
        bool wrote_nothing = luas__journal_flush(j);
        luas__journal_close(j);
        _exit(wrote_nothing && j->db != NULL ? 0 : 1);
    }
    int status;
    CHECK(pid > 0 && waitpid(pid, &status, 0) == pid && status == 0);
    run_tasks(j, made, 4, 4);
    CHECK(luas__journal_flush(j));
    CHECK_INT(ask("SELECT count(*) FROM outcome"), 4);
    drop_job(made);
    remove_journal(j);
}

static void a_file_that_is_no_database_is_refused(void)
{
    char why[200] = "";
    int fd = new_file();
    CHECK(write(fd, "notes of mine, in plain words, no database", 42) == 42 && close(fd) == 0);
    CHECK(luas__journal_open(path, false, why, sizeof why) == NULL && strstr(why, "not a database") != NULL);
    CHECK(luas__journal_open("/nowhere/run.db", false, why, sizeof why) == NULL && why[0] != '\0');
    CHECK(luas__journal_open("/nowhere/run.db", true, why, sizeof why) == NULL && why[0] != '\0');
    unlink(path);
}

int main(void)
{
    RUN(what_was_heard_is_known_to_the_next_run);
    RUN(a_row_waits_no_longer_than_the_interval);
    RUN(what_cannot_be_written_is_kept_for_the_next_try);
    RUN(a_forked_child_leaves_the_file_alone);
    RUN(a_file_that_is_no_database_is_refused);
}
