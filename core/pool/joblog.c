/* Events as a job log of GNU parallel's. */
#define _GNU_SOURCE
#include "joblog.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>

#include "array.h"
#include "clock.h"
#include "error.h"
#include "log_file.h"
#include "mp_text.h"

static const char head[] =
    "Seq\tHost\tStarttime\tJobRuntime\tSend\tReceive\tExitval\tSignal\tCommand\n";

/* The Seq before the first task of a job that is not finished. */
typedef struct base {
    int pool;
    int64_t job;
    uint64_t before;
} base;

typedef struct luas__joblog {
    luas__reader reader;
    luas__log_file file;
    double epoch;           /* seconds; the real time when CLOCK_MONOTONIC was 0 */
    uint64_t next;          /* the highest Seq that belongs to a task */
    base *bases;            /* the newest last */
    int nbases;
    size_t cap_bases;
} luas__joblog;

enum { MOST_COMMAND = 1000, MOST_BASES = 64 };

/* There are mostly few jobs at a time. If there are many the oldest are forgotten. */
static const base *base_of(luas__joblog *j, int pool, const luas__pool_event *e)
{
    for (int i = j->nbases; i-- > 0;)
        if (j->bases[i].job == e->job && j->bases[i].pool == pool)
            return &j->bases[i];
    if (j->nbases == MOST_BASES)
        memmove(j->bases, j->bases + 1, (size_t)--j->nbases * sizeof *j->bases);
    else if (luas__array_reserve(&j->bases, &j->cap_bases, (size_t)j->nbases + 1,
                                 sizeof *j->bases) < 0)
        return NULL;
    j->bases[j->nbases] = (base){.pool = pool, .job = e->job, .before = j->next};
    return &j->bases[j->nbases++];
}

/* Reserves the numbers of all tasks that the job has so far. */
static uint64_t number_of(luas__joblog *j, int pool, const luas__pool_event *e)
{
    const base *b = base_of(j, pool, e);
    uint64_t before = b != NULL ? b->before : j->next;
    uint64_t most = before + (e->fed > e->index ? e->fed : e->index);
    if (most > j->next)
        j->next = most;
    return before + e->index;
}

static int exit_value(const luas__pool_event *e)
{
    if (e->kind == LUAS__KIND_CRASH)
        return e->status != -1 && WIFEXITED(e->status) ? WEXITSTATUS(e->status) : 0;
    return e->kind == LUAS__KIND_VALUE ? 0 : e->kind == LUAS__KIND_TIMEOUT ? -1 : 1;
}

static int signal_of(const luas__pool_event *e)
{
    if (e->kind == LUAS__KIND_CRASH)
        return e->status != -1 && WIFSIGNALED(e->status) ? WTERMSIG(e->status) : 0;
    return e->kind == LUAS__KIND_TIMEOUT || e->kind == LUAS__KIND_CANCELLED ? SIGTERM : 0;
}

static void add_line(luas__joblog *j, uint64_t number, const luas__pool_event *e)
{
    char text[MOST_COMMAND + 300], input[MOST_COMMAND], host[80] = ":";
    size_t len;
    const char *bytes = luas__events_input(e, &len);
    if (bytes != NULL)
        luas__mp_text(bytes, len, input, sizeof input);
    else
        snprintf(input, sizeof input, "item %" PRIu64, e->index);
    if (e->machine_name != NULL)
        luas__mp_text_line(e->machine_name, strlen(e->machine_name), host, sizeof host);
    int n = snprintf(text, sizeof text, "%" PRIu64 "\t%s\t%.3f\t%10.3f\t%zu\t%" PRIu32 "\t%d\t%d\t%s %s\n",
                     number, host, j->epoch + (double)e->start / 1e9, (double)e->took / 1e9,
                     bytes != NULL ? len : 0, e->size, exit_value(e), signal_of(e),
                     e->label[0] != '\0' ? e->label : "task", input);
    luas__log_file_add(&j->file, text, n < (int)sizeof text ? (size_t)n : sizeof text - 1);
}

static void hear(luas__reader *self, int tag, const luas__pool_event *e)
{
    luas__joblog *j = (luas__joblog *)self;
    if (e->type == LUAS__EVENT_ENDED && e->took >= 0 && e->index > 0) {
        uint64_t number = number_of(j, tag, e);
        if (!e->retried)
            add_line(j, number, e);
    }
    luas__log_file_settle(&j->file, e->at);
}

static void close_joblog(luas__reader *self)
{
    luas__joblog *j = (luas__joblog *)self;
    luas__log_file_close(&j->file);
    free(j->bases);
    free(j);
}

static double find_epoch(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9 - (double)luas__now() / 1e9;
}

int luas__joblog_open(luas__reader **reader, const char *path)
{
    luas__joblog *j = calloc(1, sizeof *j);
    *reader = NULL;
    if (j == NULL)
        return LUAS_ENOMEM;
    int rc = luas__log_file_open(&j->file, path);
    if (rc < 0) {
        free(j);
        return rc;
    }
    j->epoch = find_epoch();
    luas__log_file_add(&j->file, head, sizeof head - 1);
    luas__events_init_reader(&j->reader, 1u << LUAS__EVENT_ENDED | 1u << LUAS__EVENT_TICK, hear,
                             close_joblog);
    *reader = &j->reader;
    return 0;
}

int luas__joblog_finish(luas__reader *self)
{
    luas__joblog *j = (luas__joblog *)self;
    pthread_mutex_lock(&self->lock);
    int rc = luas__log_file_flush(&j->file);
    pthread_mutex_unlock(&self->lock);
    return rc;
}
